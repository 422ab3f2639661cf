"""The statistics of all fields and days as a few compact columns. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hydro_pipeline.days import day_number
from hydro_pipeline.product import NODATA
from hydro_pipeline.report.blocks import pack
from hydro_pipeline.variable import Variable


@dataclass(frozen=True)
class Column:
    """How a statistic is kept in the page: value = number * unit, except `none`."""

    name: str
    source: str
    dtype: str
    unit: float
    none: int

    def numbers(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Values as numbers; NaN becomes `none`, what is too large the largest number."""
        limits = np.iinfo(self.dtype)
        with np.errstate(invalid="ignore"):
            numbers = np.clip(np.rint(values / self.unit), limits.min, limits.max - 1)
        return np.where(np.isnan(values), self.none, numbers).astype(self.dtype)


def columns(variable: Variable) -> tuple[Column, ...]:
    """What the page shows of a variable."""
    return (
        *(
            Column(name, variable.column(name), "int16", variable.scale, NODATA)
            for name in ("mean", "p10", "p90")
        ),
        Column("age", "age_mean_days", "uint16", 0.1, 65535),
        Column("observed", "observed_fraction", "uint8", 0.005, 255),
    )


def series(
    rows: pa.Table,
    variable: Variable,
    seasons: Sequence[tuple[str, dt.date]],
    first: dt.date,
    days: int,
) -> dict[str, Any]:
    """The columns of `columns`, each (season, day), packed; in the order of `seasons`, which are
    field_id and planting date.

    `rows` is as `AreaState.stats` gives it; rows of other seasons and days are left out.
    """
    names = pa.array([f"{planted} {field_id}" for field_id, planted in seasons], pa.string())
    planted = rows["planting_date"].cast(pa.string())
    place = pc.index_in(pc.binary_join_element_wise(planted, rows["field_id"], " "), names)
    field = pc.fill_null(place, -1).to_numpy()
    day = rows["date"].cast(pa.int32()).to_numpy() - day_number(first)
    used = (field >= 0) & (day >= 0) & (day < days)
    packed = {}
    for column in columns(variable):
        values = np.full((len(seasons), days), np.nan)
        values[field[used], day[used]] = rows[column.source].to_numpy()[used]
        packed[column.name] = {
            "dtype": column.dtype,
            "unit": column.unit,
            "none": column.none,
            "data": pack(column.numbers(values)),
        }
    return packed
