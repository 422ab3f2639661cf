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
from hydro_pipeline.product import NODATA, PRODUCT
from hydro_pipeline.report.blocks import pack


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


COLUMNS = (
    *(
        Column(name, PRODUCT.main.column(name), "int16", PRODUCT.main.scale, NODATA)
        for name in ("mean", "p10", "p90")
    ),
    Column("age", "age_mean_days", "uint16", 0.1, 65535),
    Column("observed", "observed_fraction", "uint8", 0.005, 255),
)


def series(rows: pa.Table, field_ids: Sequence[str], first: dt.date, days: int) -> dict[str, Any]:
    """The columns of `COLUMNS`, each (field, day), packed; fields in the order of `field_ids`.

    `rows` is as `AreaState.stats` gives it; rows of other fields and days are left out.
    """
    place = pc.index_in(rows["field_id"], value_set=pa.array(field_ids, pa.string()))
    field = pc.fill_null(place, -1).to_numpy()
    day = rows["date"].cast(pa.int32()).to_numpy() - day_number(first)
    used = (field >= 0) & (day >= 0) & (day < days)
    packed = {}
    for column in COLUMNS:
        values = np.full((len(field_ids), days), np.nan)
        values[field[used], day[used]] = rows[column.source].to_numpy()[used]
        packed[column.name] = {
            "dtype": column.dtype,
            "unit": column.unit,
            "none": column.none,
            "data": pack(column.numbers(values)),
        }
    return packed
