"""An area's fields and cube are read again when they changed, and only then."""

import datetime as dt

import pytest

from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.counting_s3 import CountingS3


@pytest.fixture
def counting(monkeypatch, request):
    with CountingS3() as s3:
        root = {"HYDRO_ROOT": f"s3://bucket/{request.node.name}"}
        for name, value in (s3.environment | root).items():
            monkeypatch.setenv(name, value)
        yield s3


def set_up(season):
    pipeline = Pipeline(Settings.load(catalog=str(season.directory / "items.json")))
    pipeline.put_area(season.area("farm"))
    put_fields(pipeline.store, season.area("farm"), "fields.geojson", season.fields_geojson)
    return pipeline, [season.first_day + dt.timedelta(n) for n in range(3)]


def make(pipeline, days):
    for _ in pipeline.ingest_days("farm", days):
        pass


def test_a_run_reads_fields_and_cube_once(season, counting):
    pipeline, days = set_up(season)
    make(pipeline, days)
    late_run = Pipeline(pipeline.settings)
    counting.requests.clear()
    stale = late_run.stale_days("farm")
    assert stale == days
    assert sum(len(r.computed) for r in late_run.update_field_stats("farm", stale)) == 15
    asked = [(method, path.split("/", 3)[-1]) for method, path in counting.requests]
    assert asked.count(("GET", "inputs/farm/fields/fields.geojson")) == 1
    assert asked.count(("GET", "inputs/farm/area.geojson")) == 2
    assert asked.count(("HEAD", "cubes/farm/repo")) == 2
    assert len([path for method, path in asked if "/snapshots/" in path]) == 1


def test_an_unchanged_area_costs_three_requests(season, counting):
    pipeline, days = set_up(season)
    make(pipeline, days)
    first = pipeline._opened("farm")
    counting.requests.clear()
    second = pipeline._opened("farm")
    assert len(counting.requests) == 3
    assert second == first
    assert second.cube is first.cube
    assert second.fields is first.fields


def test_every_change_is_seen(season, tmp_path):
    settings = Settings.load(root=str(tmp_path), catalog=str(season.directory / "items.json"))
    pipeline, other = Pipeline(settings), Pipeline(settings)
    area = season.area("farm")
    pipeline.put_area(area)
    days = [season.first_day + dt.timedelta(n) for n in range(4)]
    assert pipeline._opened("farm").cube is None

    make(other, days[:3])
    assert pipeline._opened("farm").cube.days == days[:3]
    put_fields(other.store, area, "fields.geojson", season.fields_geojson)
    assert len(pipeline._opened("farm").wanted.hashes) == 5
    put_fields(other.store, area, "late.geojson", season.late_fields_geojson)
    assert len(pipeline._opened("farm").wanted.hashes) == 6
    assert pipeline.stale_days("farm") == days[:3]
    make(other, days[3:])
    assert pipeline.stale_days("farm") == days
    other.store.delete("inputs/farm/fields/fields.geojson")
    assert [f.source for f in pipeline._opened("farm").fields.fields] == ["late.geojson"]
    west, south, east, north = area.bbox
    moved = type(area).from_bbox("farm", (west + 1, south, east + 1, north), area.crs)
    other.store.put("inputs/farm/area.geojson", moved.to_geojson())
    assert pipeline._opened("farm").fields.fields == ()
    assert pipeline._opened("farm").area == moved
