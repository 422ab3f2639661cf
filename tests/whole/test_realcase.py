"""29 real Sentinel-2 days against numbers computed with plain rasterio and numpy."""

import csv
import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import pixels, run, table

FIRST, LAST = dt.date(2022, 11, 3), dt.date(2023, 4, 30)
DAYS = [FIRST + dt.timedelta(i) for i in range((LAST - FIRST).days + 1)]
HALF_QUANTUM = 5.1e-5
"""Half of the stored step of 1e-4, and a little for the tenth decimal of the expected values."""


def set_up(settings: Settings, realcase: Path) -> Pipeline:
    """The area of the items' bounding box with the fields of the case."""
    pipeline = Pipeline(settings)
    items = json.loads((realcase / "items.json").read_text())["features"]
    west, south, east, north = np.array([item["bbox"] for item in items]).T
    bbox = (float(west.min()), float(south.min()), float(east.max()), float(north.max()))
    area = Area.from_bbox("mol", bbox)
    pipeline.put_area(area)
    put_fields(pipeline.store, area, "fields.geojson", (realcase / "fields.geojson").read_bytes())
    return pipeline


def options(realcase: Path) -> dict[str, object]:
    return {
        "zonal_weights": "centre",
        "cloud_buffer_m": 0,
        "catalog": str(realcase / "items.json"),
    }


def differences(pipeline: Pipeline, realcase: Path) -> list[str]:
    """Every disagreement of the stored statistics with `expected.csv`."""
    found = []
    with (realcase / "expected.csv").open() as file:
        expected = {(r["date"], r["field_id"]): r for r in csv.DictReader(file)}
    rows = pipeline.open("mol").stats(FIRST, LAST).to_pylist()
    stored = {(str(r["date"]), r["field_id"]): r for r in rows}
    for key, wanted in expected.items():
        if wanted["before_planting"] == "1":
            found += [f"{key} exists before planting"] if key in stored else []
            continue
        row = stored.get(key)
        if row is None:
            found.append(f"{key} is missing")
            continue
        if row["pixel_count"] != float(wanted["cf_n"]):
            found.append(f"{key} pixels {row['pixel_count']} != {wanted['cf_n']}")
        for name in ("mean", "median", "std", "min", "max"):
            value, number = row[f"ndvi_{name}"], wanted[f"cf_{name}"]
            if number == "":
                same = value is None
            else:
                same = value is not None and abs(value - float(number)) <= HALF_QUANTUM
            if not same:
                found.append(f"{key} {name} {value} != {number or 'null'}")
    return found


def comparable(pipeline: Pipeline) -> tuple[list[tuple[bytes, ...]], list[dict[str, Any]]]:
    """Every pixel and every row, without the times of computing."""
    return pixels(pipeline, "mol"), table(pipeline, "mol")


@pytest.fixture(scope="module")
def one_run(realcase: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    settings = Settings.load(root=str(tmp_path_factory.mktemp("mol")), **options(realcase))
    pipeline = set_up(settings, realcase)
    run(pipeline, DAYS, "mol")
    return pipeline


def test_equals_the_expected_numbers(one_run, realcase):
    assert differences(one_run, realcase) == []


def test_there_is_something_to_differ(one_run, realcase):
    """The comparison is not empty, and the numbers without a cloud mask are far from ours."""
    rows = one_run.open("mol").stats(FIRST, LAST).to_pylist()
    with (realcase / "expected_nomask.csv").open() as file:
        nomask = {(r["date"], r["field_id"]): r["ndvi_mean"] for r in csv.DictReader(file)}
    ours = {(str(r["date"]), r["field_id"]): r["ndvi_mean"] for r in rows}
    both = [
        abs(ours[k] - float(nomask[k]))
        for k in ours.keys() & nomask.keys()
        if ours[k] is not None and nomask[k]
    ]
    assert len(both) > 200
    assert np.median(both) > 0.1


def test_rows_exist_exactly_from_planting_on(one_run, realcase):
    fields = json.loads((realcase / "fields.geojson").read_text())["features"]
    planted = {f["properties"]["field_id"]: f["properties"]["planting_date"] for f in fields}
    wanted = {(str(d), i) for d in DAYS for i, since in planted.items() if since <= str(d)}
    rows = one_run.open("mol").stats().to_pylist()
    assert {(str(r["date"]), r["field_id"]) for r in rows} == wanted
    sliver = [r for r in rows if r["field_id"] == "F15"]
    assert {r["pixel_count"] for r in sliver} == {0.0}
    assert {r["ndvi_mean"] for r in sliver} == {None}


@pytest.mark.slow
def test_a_second_identical_run_changes_nothing(one_run):
    before = comparable(one_run)
    objects = [
        (o.key, o.etag)
        for folder in ("cubes", "field_stats", "scenes")
        for o in one_run.store.listing(folder)
        if not o.key.startswith("scenes")
    ]
    reports = list(one_run.ingest_days("mol", DAYS))
    assert not any(r.changed or r.refreshed for r in reports)
    assert {r.revision for r in reports} == {1}
    assert not any(r.computed or r.dropped for r in one_run.update_field_stats("mol", DAYS))
    assert comparable(one_run) == before
    assert objects == [
        (o.key, o.etag)
        for folder in ("cubes", "field_stats", "scenes")
        for o in one_run.store.listing(folder)
        if not o.key.startswith("scenes")
    ]


@pytest.mark.slow
def test_pieces_of_seven_days_on_s3_give_the_same(one_run, realcase, s3):
    pipeline = set_up(s3.settings(**options(realcase)), realcase)
    for start in range(0, len(DAYS), 7):
        run(pipeline, DAYS[start : start + 7], "mol")
    assert differences(pipeline, realcase) == []
    assert comparable(pipeline) == comparable(one_run)


@pytest.mark.slow
def test_single_days_give_the_same(one_run, realcase, tmp_path):
    settings = Settings.load(root=str(tmp_path), **options(realcase))
    pipeline = set_up(settings, realcase)
    for day in DAYS:
        run(pipeline, [day], "mol")
    assert comparable(pipeline) == comparable(one_run)


def test_days_are_told_apart(one_run):
    outcomes = status(one_run.open("mol"), today=LAST).outcomes
    assert outcomes == {"observed": 7, "all cloud": 22, "no scene": 150, "refused": 0}


def test_coverage_differs_from_centre_only_at_the_edges(one_run, realcase, tmp_path):
    settings = Settings.load(
        root=str(tmp_path), **options(realcase) | {"zonal_weights": "coverage"}
    )
    pipeline = set_up(settings, realcase)
    run(pipeline, DAYS[:20], "mol")
    day = dt.date(2022, 11, 13)
    ours, theirs = (
        {r["field_id"]: r for r in p.open("mol").stats(day, day).to_pylist()}
        for p in (pipeline, one_run)
    )
    for field_id in ("F01", "F07", "F14"):
        if field_id in ours:
            assert math.isclose(
                ours[field_id]["ndvi_mean"], theirs[field_id]["ndvi_mean"], abs_tol=0.02
            )
    assert 0 < ours["F15"]["pixel_count"] < 10  # a sliver without any pixel centre still counts
