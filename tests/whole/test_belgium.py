"""118 real dates with ten bands: five indices of one run against independent numbers."""

import csv
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.conftest import SHARED

FIRST, LAST = dt.date(2017, 8, 4), dt.date(2018, 11, 27)
FILES = {"ndvi": "expected.csv"} | {
    name: f"expected_{name}.csv" for name in ("ndmi", "ndre1", "ndwi", "evi")
}
HALF_QUANTUM = 5.1e-5
"""Half of the stored step of 1e-4, and a little for the tenth decimal of the expected values."""


@pytest.fixture
def belgium() -> Path:
    folder = SHARED / "belgium"
    if not (folder / "expected_evi.csv").exists():
        pytest.skip(f"no real case in {folder}")
    return folder


def made(belgium: Path, root: Path, last: dt.date, **options: object) -> Pipeline:
    """The days until `last` of the box of the items, and the statistics of the case's fields."""
    pipeline = Pipeline(
        Settings.load(
            root=str(root), catalog=str(belgium / "items.json"), zonal_weights="centre",
            clear_classes="2,4,5,6,7", cloud_buffer_m=0, variables=",".join(FILES), **options,
        )
    )  # fmt: skip
    items = json.loads((belgium / "items.json").read_text())["features"]
    west, south, east, north = np.array([item["bbox"] for item in items]).T
    area = Area.from_bbox("flanders", (west.min(), south.min(), east.max(), north.max()))
    pipeline.put_area(area)
    put_fields(pipeline.store, area, "fields.geojson", (belgium / "fields.geojson").read_bytes())
    days = [FIRST + dt.timedelta(n) for n in range((last - FIRST).days + 1)]
    for report in pipeline.ingest_days(area.name, days):
        assert report.refused == ()
    list(pipeline.update_field_stats(area.name, days))
    return pipeline


def check(pipeline: Pipeline, belgium: Path, last: dt.date) -> int:
    """Hold every statistic until `last` against the files; the number that was compared."""
    rows = pipeline.open("flanders").stats(None, last).to_pylist()
    stored, compared = {(str(row["date"]), row["field_id"]): row for row in rows}, 0
    for name, file in FILES.items():
        with (belgium / file).open() as opened:
            expected = [row for row in csv.DictReader(opened) if row["date"] <= str(last)]
        for right in expected:
            row = stored.get((right["date"], right["field_id"]))
            if right["before_planting"] == "1":
                assert row is None
                continue
            assert row["pixel_count"] == int(right["cf_n"])
            for statistic in ("mean", "median", "std", "min", "max"):
                value, number = row[f"{name}_{statistic}"], right[f"cf_{statistic}"]
                assert (value is None) == (number == "")
                assert value is None or abs(value - float(number)) <= HALF_QUANTUM
                compared += 1
    return compared


def test_the_first_weeks_of_five_indices(belgium, tmp_path):
    last = FIRST + dt.timedelta(45)
    assert check(made(belgium, tmp_path, last), belgium, last) > 100


@pytest.mark.slow
def test_every_day_of_five_indices(belgium, tmp_path):
    assert check(made(belgium, tmp_path, LAST), belgium, LAST) == 5 * 5 * 1166
