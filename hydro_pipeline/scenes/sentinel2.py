"""What is peculiar to Sentinel-2: its files, offset, baselines and passes. Pure."""

import datetime as dt
import re
from typing import Any, NamedTuple

import pystac

from hydro_pipeline.product import Band
from hydro_pipeline.scenes.item import UnusableError, seen_at, shown
from hydro_pipeline.scenes.scene import Scene

ONE_PASS = dt.timedelta(minutes=10)
"""A satellite sees a tile again one orbit (100 minutes) later at the earliest."""

OFFSET = -0.1
"""Reflectance added to DN / 10000 from baseline 04.00 on (ESA, S2-PDGS-TAS-DI-PSD, 14.9)."""
OFFSET_BASELINE = (4, 0)
OFFSET_SINCE = dt.datetime(2022, 1, 25, tzinfo=dt.UTC)
"""Everything sensed from here on has baseline 04.00 or later."""
COLLECTION_1 = "sentinel-2-c1-l2a"

ENOUGH_PIXELS = 500
MANY, HARDLY_ANY = 0.1, 0.001
"""Shares of a scene's clear pixels."""


BASELINE = "s2:processing_baseline", "sentinel:processing_baseline"
"""Properties of the baseline; Digital Earth Africa has the second."""
PRODUCT_NAME = "s2:product_uri", "sentinel:product_id"
CORRECTED = "earthsearch:boa_offset_applied", "sentinel:boa_offset_applied"


def asset_of(item: pystac.Item, band: Band) -> str:
    """Key of the item's asset that is the file of a band. Raises `UnusableError` without one."""
    for key in band.keys:
        if key in item.assets:
            return key
    have = ", ".join(sorted(item.assets)) or "none"
    raise UnusableError(
        f"it has no asset {' or '.join(map(repr, band.keys))}; its assets: {have[:200]}"
    )


def read_baseline(item: pystac.Item) -> str | None:
    """The processing baseline; from the product's name if no property says it.

    CDSE calls it `processing:version`, which may be another version elsewhere: that is believed
    only where nothing else is there. Raises `UnusableError` if it is there but cannot be read.
    """
    name, value = _first(item, BASELINE)
    if value is None:
        for product in (*(item.properties.get(key) for key in PRODUCT_NAME), item.id):
            if found := re.search(r"_N(\d\d)(\d\d)_", text_of(product) or ""):
                return f"{found[1]}.{found[2]}"
        version = text_of(item.properties.get("processing:version")) or ""
        return version if re.fullmatch(r"[0-9]{2}\.[0-9]{2}", version) else None
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,2}\.[0-9]{1,2}", value):
        raise UnusableError(f"{name} is {shown(value)}, not like '05.09'")
    return value


def read_flag(item: pystac.Item) -> bool | None:
    """Whether the DN are said to be corrected. Raises `UnusableError` if that cannot be read."""
    name, value = _first(item, CORRECTED)
    if value is not None and not isinstance(value, bool):
        raise UnusableError(f"{name} is {shown(value)}, not true or false")
    return value


def baseline_number(baseline: str | None) -> tuple[int, ...]:
    """A baseline as what it is compared by; an unknown one is before all others."""
    return tuple(int(part) for part in baseline.split(".")) if baseline else (-1,)


def decide_offset(item: pystac.Item, baseline: str | None, flag: bool | None) -> tuple[float, str]:
    """The reflectance to add to DN / 10000, and why. `flag` is `boa_offset_applied`.

    What `raster:bands` declares is no help: Earth Search has -0.1 whether the DN are corrected or
    not. Planetary Computer and CDSE say neither; they pass on what ESA delivers, so the baseline
    alone decides. Raises `UnusableError` where there is no telling.
    """
    if item.collection_id == COLLECTION_1:
        return OFFSET, f"{COLLECTION_1} always carries +1000 DN"
    if baseline is not None and baseline_number(baseline) < OFFSET_BASELINE:
        return 0.0, f"baseline {baseline} is before 04.00: no offset exists"
    if flag is True:
        return 0.0, "boa_offset_applied is true: the DN are corrected"
    if baseline is None and seen_at(item) < OFFSET_SINCE:
        raise UnusableError(
            "neither its baseline nor boa_offset_applied true is given: "
            "whether its DN carry +1000 cannot be known"
        )
    if flag is False:
        return OFFSET, "boa_offset_applied is false: the DN carry +1000"
    return OFFSET, "boa_offset_applied is missing: DN taken as ESA delivers them, with +1000"


def offset_finding(clear: int, dark: int, dim: int) -> str:
    """What a scene's pixels say of its DN: `corrected`, `uncorrected` or `unknown`.

    `clear` is its clear pixels, `dark` those of them with a red DN below 1000, `dim` those from
    1000 to 1499. Vegetation, water and shadow have a red reflectance below 0.05. With the +1000 of
    baseline 04.00 still in they are all dim, and dark would be a negative reflectance; without it
    they are dark. Where nothing is that dark, as in a desert, there is no telling.
    """
    if clear < ENOUGH_PIXELS:
        return "unknown"
    if dark >= MANY * clear:
        return "corrected"
    return "uncorrected" if dark <= HARDLY_ANY * clear and dim >= MANY * clear else "unknown"


def _first(item: pystac.Item, names: tuple[str, ...]) -> tuple[str, Any]:
    """The first of the properties that is there, with its value; the last, with None, if none."""
    for name in names:
        if item.properties.get(name) is not None:
            return name, item.properties[name]
    return names[-1], None


def text_of(value: Any) -> str | None:
    """The value if it is a text and not empty."""
    return value if isinstance(value, str) and value else None


def newness(scene: Scene) -> tuple[Any, ...]:
    """Orders scenes that were processed more than once, the newest last."""
    sequence = text_of(_first(scene.item, ("s2:sequence", "sentinel:sequence"))[1]) or ""
    return (
        baseline_number(scene.baseline),
        scene.updated or scene.created or "",
        int(sequence) if re.fullmatch("[0-9]{1,9}", sequence) else -1,
        scene.id,
    )


class _Pass(NamedTuple):
    tile: str | None
    datatake: str | None


def _pass(item: pystac.Item) -> _Pass:
    grid = text_of(_first(item, ("grid:code", "odc:region_code"))[1])
    found = re.search(r"_T?(\d{1,2}[A-Z]{3})_", item.id)
    tile = (
        grid.removeprefix("MGRS-").lstrip("0") if grid else found[1].lstrip("0") if found else None
    )
    datatake = text_of(_first(item, ("s2:datatake_id", "eopf:datatake_id"))[1])
    return _Pass(tile, re.sub(r"_N\d\d\.\d\d$", "", datatake) if datatake else None)


def same_pass(a: Scene, b: Scene) -> bool:
    """Whether two scenes show the same tile in the same datatake, whatever their baselines."""
    one, other = _pass(a.item), _pass(b.item)
    if a.platform != b.platform or one.tile is None or one.tile != other.tile:
        return False
    if one.datatake is not None and other.datatake is not None:
        return one.datatake == other.datatake
    return abs(a.datetime - b.datetime) < ONE_PASS
