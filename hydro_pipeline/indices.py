"""Every variable that there is, by name: indices, and the reflectance of bands. Pure.

Names and formulas are those of Awesome Spectral Indices (Montero et al. 2023). To add an index is
to add an entry to `INDICES`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hydro_pipeline.product import Band, Mask, Product, Sensor
from hydro_pipeline.sensors import SENSORS, SENTINEL_2
from hydro_pipeline.variable import ONE, Anchors, Linear, Variable

PIXEL_CODE = 1
"""To be raised when code is changed so that the same scenes give other pixels."""
STATISTICS_CODE = 1
"""To be raised when code is changed so that the same pixels give other statistics."""

GREEN = ("#6f87a3", "#e9dcc0", "#ecdfa5", "#d3dc86", "#a2c965", "#65ab4c", "#348a40", "#12643a")
WET = ("#8c510a", "#d8b365", "#f6e8c3", "#f5f5f5", "#c7eae5", "#5ab4ac", "#01665e", "#003c30")
SOIL = ("#276419", "#7fbc41", "#e6f5d0", "#f7f7f7", "#f6e8c3", "#d8b365", "#8c510a", "#543005")
GREY = ("#000000", "#ffffff")


def _spread(low: float, high: float, colours: Sequence[str]) -> Anchors:
    """Colours at even distances from `low` to `high`."""
    step = (high - low) / (len(colours) - 1)
    return tuple((round(low + n * step, 4), colour) for n, colour in enumerate(colours))


def _difference(one: str, other: str) -> tuple[Linear, Linear]:
    """Top and bottom of a normalized difference."""
    return {one: 1.0, other: -1.0}, {one: 1.0, other: 1.0}


def _index(
    name: str,
    long_name: str,
    ratio: tuple[Linear, Linear],
    colours: Anchors,
    source: str,
    valid: tuple[float, float] = (-1.0, 1.0),
    scale: float = 1e-4,
) -> Variable:
    top, bottom = ratio
    return Variable(
        name, name.upper(), long_name, top, bottom, colours, valid, scale, source=source
    )


GREENNESS = _spread(-0.2, 0.9, GREEN)
WETNESS = _spread(-0.6, 0.6, WET)
BARENESS = _spread(-0.5, 0.5, SOIL)
RATIO = (-32.0, 32.0)

INDICES = {
    index.name: index
    for index in (
        _index(
            "ndvi",
            "normalized difference vegetation index",
            _difference("nir", "red"),
            (
                (-0.2, "#6f87a3"), (0.0, "#e9dcc0"), (0.15, "#ecdfa5"), (0.3, "#d3dc86"),
                (0.45, "#a2c965"), (0.6, "#65ab4c"), (0.75, "#348a40"), (0.9, "#12643a"),
                (1.0, "#083f29"),
            ),
            "Rouse et al. 1974",
        ),
        _index("gndvi", "green normalized difference vegetation index",
               _difference("nir", "green"), GREENNESS, "Gitelson et al. 1996"),
        _index("ndre1", "normalized difference red edge index of the first red edge",
               _difference("nir", "rededge1"), GREENNESS, "Gitelson and Merzlyak 1994"),
        _index("ndre2", "normalized difference red edge index of the second red edge",
               _difference("nir", "rededge2"), GREENNESS, "Gitelson and Merzlyak 1994"),
        _index("ndre3", "normalized difference red edge index of the third red edge",
               _difference("nir", "rededge3"), GREENNESS, "Gitelson and Merzlyak 1994"),
        _index("ndmi", "normalized difference moisture index",
               _difference("nir", "swir16"), WETNESS, "Wilson and Sader 2002"),
        _index("ndwi", "normalized difference water index",
               _difference("green", "nir"), WETNESS, "McFeeters 1996"),
        _index("mndwi", "modified normalized difference water index",
               _difference("green", "swir16"), WETNESS, "Xu 2006"),
        _index("ndti", "normalized difference turbidity index",
               _difference("red", "green"), BARENESS, "Lacaux et al. 2007"),
        _index("ndtilli", "normalized difference tillage index",
               _difference("swir16", "swir22"), BARENESS, "Van Deventer et al. 1997"),
        _index("nbr", "normalized burn ratio",
               _difference("nir", "swir22"), GREENNESS, "Key and Benson 2006"),
        _index("ndbi", "normalized difference built-up index",
               _difference("swir16", "nir"), BARENESS, "Zha et al. 2003"),
        _index("ndyi", "normalized difference yellowness index",
               _difference("green", "blue"), _spread(-0.2, 0.6, SOIL), "Sulik and Long 2016"),
        _index("ngrdi", "normalized green red difference index",
               _difference("green", "red"), GREENNESS, "Tucker 1979"),
        _index("bsi", "bare soil index",
               ({"swir16": 1.0, "red": 1.0, "nir": -1.0, "blue": -1.0},
                {"swir16": 1.0, "red": 1.0, "nir": 1.0, "blue": 1.0}),
               BARENESS, "Rikimaru et al. 2002"),
        _index("evi", "enhanced vegetation index",
               ({"nir": 2.5, "red": -2.5}, {"nir": 1.0, "red": 6.0, "blue": -7.5, ONE: 1.0}),
               GREENNESS, "Huete et al. 1997"),
        _index("evi2", "enhanced vegetation index of two bands",
               ({"nir": 2.5, "red": -2.5}, {"nir": 1.0, "red": 2.4, ONE: 1.0}),
               GREENNESS, "Jiang et al. 2008"),
        _index("savi", "soil adjusted vegetation index, L = 0.5",
               ({"nir": 1.5, "red": -1.5}, {"nir": 1.0, "red": 1.0, ONE: 0.5}),
               GREENNESS, "Huete 1988", valid=(-1.5, 1.5)),
        _index("osavi", "optimized soil adjusted vegetation index",
               ({"nir": 1.0, "red": -1.0}, {"nir": 1.0, "red": 1.0, ONE: 0.16}),
               GREENNESS, "Rondeaux et al. 1996"),
        _index("vari", "visible atmospherically resistant index",
               ({"green": 1.0, "red": -1.0}, {"green": 1.0, "red": 1.0, "blue": -1.0}),
               GREENNESS, "Gitelson et al. 2002"),
        _index("psri", "plant senescence reflectance index",
               ({"red": 1.0, "blue": -1.0}, {"rededge2": 1.0}),
               BARENESS, "Merzlyak et al. 1999"),
        _index("cig", "chlorophyll index green",
               ({"nir": 1.0, "green": -1.0}, {"green": 1.0}),
               _spread(0.0, 8.0, GREEN), "Gitelson et al. 2003", RATIO, 1e-3),
        _index("cire", "chlorophyll index red edge",
               ({"nir": 1.0, "rededge1": -1.0}, {"rededge1": 1.0}),
               _spread(0.0, 4.0, GREEN), "Gitelson et al. 2003", RATIO, 1e-3),
        _index("mtci", "MERIS terrestrial chlorophyll index",
               ({"rededge2": 1.0, "rededge1": -1.0}, {"rededge1": 1.0, "red": -1.0}),
               _spread(0.0, 6.0, GREEN), "Dash and Curran 2004", RATIO, 1e-3),
        _index("sr", "simple ratio",
               ({"nir": 1.0}, {"red": 1.0}),
               _spread(0.0, 14.0, GREEN), "Jordan 1969", RATIO, 1e-3),
        _index("msi", "moisture stress index",
               ({"swir16": 1.0}, {"nir": 1.0}),
               _spread(0.2, 2.2, WET[::-1]), "Hunt and Rock 1989", RATIO, 1e-3),
    )
}  # fmt: skip
"""The indices by name."""

OTHER_NAMES = {"ndre": "ndre1", "ndrei": "ndre1", "bi": "bsi"}
"""Names by which some indices are also called."""

NOT_A_RATIO = dict.fromkeys(
    ("msavi", "kndvi", "nirv", "ireci"), "it is not a ratio of two sums of bands"
)
"""Indices that are often asked for, and why they are not there."""


def band_variable(band: Band) -> Variable:
    """The reflectance of a band as a variable; one stored unit is one digital number."""
    return Variable(
        name=band.name,
        title=band.name,
        long_name=f"surface reflectance of {band.name}",
        top={band.name: 1.0},
        bottom={ONE: 1.0},
        colours=_spread(0.0, 0.5, GREY),
        valid=(-3.2767, 3.2767),
    )


def variables(names: Sequence[str], sensor: Sensor) -> tuple[Variable, ...]:
    """Variables by name, in order. Raises `ValueError` for a name that is not known or comes
    twice, and for a band that the sensor has not.
    """
    bands = {band.name: band_variable(band) for band in sensor.bands}
    found = []
    for name in names:
        known = OTHER_NAMES.get(name.lower(), name.lower())
        if known in NOT_A_RATIO:
            raise ValueError(f"the index {name!r} cannot be had: {NOT_A_RATIO[known]}")
        if known not in INDICES and known not in bands:
            raise ValueError(
                f"there is no variable {name!r}; known are {', '.join([*INDICES, *bands])}"
            )
        found.append(INDICES.get(known) or bands[known])
    if not found or len({variable.name for variable in found}) < len(found):
        raise ValueError(f"name at least one variable, each once: {', '.join(names) or 'none'}")
    return tuple(found)


def product(
    names: Sequence[str], sensor: Sensor, clear: tuple[int, ...], buffer_m: float
) -> Product:
    """What is measured of a sensor's scenes: variables by name, with these rules of its mask.

    Raises `ValueError` as `variables` does.
    """
    mask = Mask(sensor.mask.band, clear, sensor.mask.spoiling, buffer_m)
    return Product(sensor, variables(names, sensor), mask, PIXEL_CODE, STATISTICS_CODE)


def statistics_version() -> str:
    """Changes when the same pixels give other statistics, whatever is measured of them."""
    return product(("ndvi",), SENTINEL_2, (), 0.0).version


def product_of(meaning: Mapping[str, Any]) -> Product:
    """What was measured, from what `Product.meaning` told of it; how it is shown is as of now."""
    known = SENSORS.get(meaning["collection"], SENTINEL_2)
    bands = {
        name: Band(name, told["asset"], told["native_m"]) for name, told in meaning["bands"].items()
    }
    named = {band.name: band for band in (*known.bands, known.mask.band)}
    of_mask = known.mask.band.name
    sensor = Sensor(
        known.title,
        known.constellation,
        meaning["collection"],
        known.credit,
        tuple(named.get(name, band) for name, band in bands.items() if name != of_mask),
        meaning["dn_per_unit"],
        known.first_day,
        known.mask,
    )
    mask = Mask(
        known.mask.band,
        tuple(meaning["clear_classes"]),
        tuple(meaning["spoiling_classes"]),
        meaning["cloud_buffer_m"],
    )
    made = tuple(_stored(name, told, sensor) for name, told in meaning["variables"].items())
    return Product(sensor, made, mask, meaning["pixel_code"], STATISTICS_CODE)


def _stored(name: str, told: Mapping[str, Any], sensor: Sensor) -> Variable:
    """A variable of a cube; one of another version is shown by its name."""
    shown = INDICES.get(name)
    if shown is None:
        shown = next((band_variable(b) for b in sensor.bands if b.name == name), None)
    return Variable(
        name,
        shown.title if shown else name,
        shown.long_name if shown else name,
        told["top"],
        told["bottom"],
        shown.colours if shown else _spread(told["valid"][0], told["valid"][1], GREY),
        tuple(told["valid"]),
        told["scale"],
        source=shown.source if shown else "",
    )
