"""Fields and their rows of statistics, made up."""

import datetime as dt

import numpy as np
import pyarrow as pa
from shapely.geometry import box

from hydro_pipeline.fields.fields import Field, FieldsReading
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.schema import to_rows
from hydro_pipeline.stats.stale import Wanted
from tests.support.product import PRODUCT, SCHEMA

DAY = dt.date(2024, 5, 1)


def wanted(*fields):
    """Fields from (id, planting date, side in degrees)."""
    made = [Field(i, planted, box(5, 51, 5 + side, 51 + side), "f") for i, planted, side in fields]
    return Wanted.of(FieldsReading(tuple(made)).planted(ZonalWeights.COVERAGE), PRODUCT.version)


def rows(ids, hashes, revision=1, mean=0.5):
    n = len(ids)
    columns = {
        "field_id": pa.array(ids, pa.string()),
        "field_hash": pa.array(hashes, pa.string()),
        "planting_date": [DAY] * n,
        "days_after_planting": [0] * n,
        "last_observed": [None] * n,
        "cube_revision": [revision] * n,
        "computed_at": [dt.datetime(2024, 5, 2, tzinfo=dt.UTC)] * n,
        "age_max_days": [None] * n,
        **{
            k: np.full(n, mean)
            for k in (
                "ndvi_mean", "ndvi_median", "ndvi_std", "ndvi_min", "ndvi_max", "ndvi_p10",
                "ndvi_p90", "pixel_count", "valid_fraction", "observed_fraction", "age_mean_days",
            )
        },
    }  # fmt: skip
    return to_rows(columns, SCHEMA)


def of(w, *ids, revision=1, mean=0.5):
    """Fresh rows of the given fields."""
    index = [w.field_ids.to_pylist().index(i) for i in ids]
    return rows(list(ids), [w.hashes[i].as_py() for i in index], revision, mean)


A, B, C = ("a", DAY, 0.1), ("b", DAY - dt.timedelta(3), 0.2), ("c", DAY + dt.timedelta(1), 0.1)
