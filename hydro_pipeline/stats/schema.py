"""Columns of a row of statistics."""

from typing import Any

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("field_id", pa.string(), nullable=False),
        pa.field("planting_date", pa.date32(), nullable=False),
        pa.field("days_after_planting", pa.int32(), nullable=False),
        *(
            pa.field(f"ndvi_{name}", pa.float64())
            for name in ("mean", "median", "std", "min", "max", "p10", "p90")
        ),
        pa.field("pixel_count", pa.float64(), nullable=False),
        pa.field("valid_fraction", pa.float64()),
        pa.field("observed_fraction", pa.float64()),
        pa.field("age_mean_days", pa.float64()),
        pa.field("age_max_days", pa.int32()),
        pa.field("last_observed", pa.date32()),
        pa.field("field_hash", pa.string(), nullable=False),
        pa.field("cube_revision", pa.int32(), nullable=False),
        pa.field("computed_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""Columns of a day's file, sorted by field_id. Statistics of nothing are null."""


def to_rows(columns: dict[str, Any]) -> pa.Table:
    """A table in `SCHEMA` from one array for each column; NaN becomes null."""
    arrays = [
        pa.array(columns[f.name], f.type, from_pandas=True)
        if not isinstance(columns[f.name], pa.Array)
        else columns[f.name]
        for f in SCHEMA
    ]
    return pa.table(arrays, SCHEMA)
