"""What is measured, how it is stored, and how it is shown, as values.

All else follows from a `Product`: arrays and attributes of a cube, columns of statistics, colours,
titles. Which indices there are is told in `indices.py`, whose scenes are read in `sensors.py`; what
is stored tells by `Product.meaning` and `Product.version` that it was made before. Pure.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydro_pipeline.variable import Anchors, Variable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

type Int16 = NDArray[np.int16]

NODATA = -32768
"""Stands in every array of pixels for "no value"."""
NO_AGE = -1
"""Stands for "no value" where ages are days."""

OBSERVED_ON = {
    "long_name": "day of the scene that the value comes from",
    "units": "days since 1970-01-01",
    "calendar": "proleptic_gregorian",
}
"""CF attributes of the array `observed_on`."""

STATISTICS = ("mean", "median", "std", "min", "max", "p10", "p90")
"""Of each variable, in the order of their columns; `stats/kernel.py` computes them."""

AGE: Anchors = (
    (0.0, "#fdf6e3"), (2.0, "#f8dfae"), (5.0, "#efa77f"), (10.0, "#c95f78"), (15.0, "#823274"),
    (20.0, "#35154f"),
)  # fmt: skip
"""Colours of the age, days."""


@dataclass(frozen=True)
class Band:
    """A file of a scene."""

    name: str
    asset: str
    """Key of the STAC item's asset, as Earth Search has it."""
    native_m: float
    """Size of its pixels, metres."""
    aliases: tuple[str, ...] = ()
    """Keys of other catalogs for the same file."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the asset; the first that an item has is read."""
        return self.asset, *self.aliases


@dataclass(frozen=True)
class Sensor:
    """Whose scenes are read."""

    title: str
    constellation: str
    collection: str
    """STAC collection that is searched."""
    credit: str
    """Has to stand beside what is made of it."""
    bands: tuple[Band, ...]
    """Of reflectance, in the order in which they are read."""
    dn_per_unit: float
    """Digital numbers per reflectance of 1."""
    first_day: dt.date
    """With any scene."""
    mask: "Mask"
    """Which of its pixels are clear, unless settings say otherwise."""


@dataclass(frozen=True)
class Mask:
    """Which pixels are clear: those of a clear class that lie far enough from a spoiling one."""

    band: Band
    """A classification; 0 is nodata."""
    clear: tuple[int, ...]
    spoiling: tuple[int, ...]
    """Classes that spoil their surroundings, unless they count as clear."""
    buffer_m: float
    """How far they do, metres."""


@dataclass(frozen=True)
class Column:
    """A statistic of a row. Only those of 0.1.0 may never be null: rows made before lack others."""

    name: str
    type: str = "double"
    """Name of an Arrow type."""
    nullable: bool = True


COMMON = (
    Column("pixel_count", nullable=False),
    Column("valid_fraction"),
    Column("observed_fraction"),
    Column("age_mean_days"),
    Column("age_max_days", "int32"),
    Column("last_observed", "date32"),
)
"""Statistics of a field that are the same for every variable."""


@dataclass(frozen=True)
class Product:
    """Everything that is measured. Raises `ValueError` if a variable needs an unknown band."""

    sensor: Sensor
    variables: tuple[Variable, ...]
    """The first is the one that maps, pictures and short tables show."""
    mask: Mask
    pixel_code: int
    """To be raised when code is changed so that the same scenes give other pixels."""
    statistics_code: int
    """To be raised when code is changed so that the same pixels give other statistics."""

    def __post_init__(self) -> None:
        if unknown := self._needed - {band.name for band in self.sensor.bands}:
            raise ValueError(f"{self.sensor.title} has no band {', '.join(sorted(unknown))}")

    @property
    def main(self) -> Variable:
        """The variable that maps, pictures and short tables show."""
        return self.variables[0]

    @property
    def title(self) -> str:
        """Of its variables, for people."""
        return ", ".join(variable.title for variable in self.variables)

    @property
    def variables_by_name(self) -> dict[str, Variable]:
        """The variables, in order."""
        return {variable.name: variable for variable in self.variables}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays of pixels, `observed_on` last."""
        return *(variable.name for variable in self.variables), "observed_on"

    @property
    def bands(self) -> tuple[Band, ...]:
        """The sensor's bands that the variables need."""
        return tuple(band for band in self.sensor.bands if band.name in self._needed)

    @property
    def files(self) -> tuple[Band, ...]:
        """All that is read of a scene: `bands` and the mask's."""
        return *self.bands, self.mask.band

    @property
    def arrays(self) -> dict[str, dict[str, Any]]:
        """CF attributes of the arrays of pixels by name, `observed_on` last."""
        arrays = {v.name: v.attributes | self._comment(v) for v in self.variables}
        return arrays | {"observed_on": OBSERVED_ON}

    @property
    def columns(self) -> tuple[Column, ...]:
        """The statistics of a row, in order."""
        own = (Column(v.column(name)) for v in self.variables for name in STATISTICS)
        return *own, *COMMON

    @property
    def version(self) -> str:
        """Changes when the same pixels give other statistics; goes into the hash of every row."""
        columns = " ".join(sorted(f"{column.name}:{column.type}" for column in self.columns))
        return f"{self.statistics_code}-{hashlib.sha256(columns.encode()).hexdigest()[:8]}"

    def meaning(self) -> dict[str, Any]:
        """What gives pixels their meaning, as JSON: where it is the same, pixels can be mixed."""
        return {
            "collection": self.sensor.collection,
            "bands": {b.name: {"asset": b.asset, "native_m": b.native_m} for b in self.files},
            "dn_per_unit": self.sensor.dn_per_unit,
            "clear_classes": list(self.mask.clear),
            "spoiling_classes": list(self.mask.spoiling),
            "cloud_buffer_m": self.mask.buffer_m,
            "variables": {
                v.name: {
                    "top": dict(v.top),
                    "bottom": dict(v.bottom),
                    "valid": list(v.valid),
                    "scale": v.scale,
                }
                for v in self.variables
            },
            "pixel_code": self.pixel_code,
        }

    def _comment(self, variable: Variable) -> dict[str, str]:
        """How bands of larger pixels came onto the grid, where a variable needs any."""
        native = {band.name: band.native_m for band in self.sensor.bands}
        finest = min(native.values())
        coarse = [f"{n} ({native[n]:g} m)" for n in variable.bands if native[n] > finest]
        told = (
            f"{', '.join(coarse)}: on a finer grid each pixel is repeated where they nest in it, "
            "else they are bilinear; averaged on a coarser grid"
        )
        return {"comment": told} if coarse else {}

    @property
    def _needed(self) -> set[str]:
        return {name for variable in self.variables for name in variable.bands}
