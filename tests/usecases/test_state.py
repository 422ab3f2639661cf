"""An area's fields and cube are read again when they changed, and only then."""

import pytest

from hydro_pipeline.errors import AreaError, MissingDayError, StoredObjectError
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import days_of, put_late_fields, set_up
from tests.support.counting_s3 import CountingS3


@pytest.fixture
def counting(monkeypatch, request):
    with CountingS3() as s3:
        root = {"HYDRO_ROOT": f"s3://bucket/{request.node.name}"}
        for name, value in (s3.environment | root).items():
            monkeypatch.setenv(name, value)
        yield s3


def make(pipeline, days, name="farm"):
    for _ in pipeline.ingest_days(name, days):
        pass


def test_a_run_reads_fields_and_cube_once(season, counting):
    pipeline, days = set_up(season), days_of(season)[:3]
    make(pipeline, days)
    late_run = Pipeline(pipeline.settings)
    counting.requests.clear()
    stale = late_run.open("farm").stale_days()
    assert stale == days
    assert sum(len(r.computed) for r in late_run.update_field_stats("farm", stale)) == 15
    asked = [(method, path.split("/", 3)[-1]) for method, path in counting.requests]
    assert asked.count(("GET", "inputs/farm/fields/fields.geojson")) == 1
    assert asked.count(("GET", "inputs/farm/area.geojson")) == 2
    assert asked.count(("HEAD", "cubes/farm/repo")) == 2
    assert len([path for method, path in asked if "/snapshots/" in path]) == 1


def test_an_unchanged_area_costs_three_requests(season, counting):
    pipeline = set_up(season)
    make(pipeline, days_of(season)[:3])
    first = pipeline.open("farm").read()
    counting.requests.clear()
    second = pipeline.open("farm").read()
    assert len(counting.asked()) == 3
    assert second == first
    assert second.cube is first.cube
    assert second.fields is first.fields


def test_what_is_not_asked_for_is_not_read(season, counting):
    make(set_up(season), days_of(season)[:3])
    pipeline = set_up(season)
    counting.requests.clear()
    state = pipeline.open("farm")
    assert len(counting.asked()) == 3
    assert len(state.fields.fields) == 5
    assert len(counting.gets("/fields/fields.geojson")) == 1
    assert counting.gets("/cubes/") == []
    # Which columns statistics have is told by the cube, but no pixel of it is needed.
    assert state.stats().num_rows == 0
    assert counting.gets("/cubes/farm/chunks/") == []


def test_two_areas_in_turn_are_each_read_once(season, counting):
    pipeline = set_up(season)
    set_up(season, name="garden")
    for name in ("farm", "garden"):
        make(pipeline, days_of(season)[:1], name)
        pipeline.open(name).read()
    counting.requests.clear()
    for _ in range(3):
        for name in ("farm", "garden"):
            state = pipeline.open(name).read()
            assert (len(state.fields.fields), state.cube.length) == (5, 1)
    assert len(counting.asked()) == 3 * 2 * 3
    assert counting.gets("fields.geojson") == []


def test_every_change_is_seen(season, tmp_path):
    pipeline, other = (set_up(season, tmp_path) for _ in range(2))
    area, days = season.area("farm"), days_of(season)[:4]
    other.store.delete("inputs/farm/fields/fields.geojson")
    assert pipeline.open("farm").cube is None
    assert pipeline.open("farm").fields.fields == ()

    make(other, days[:3])
    assert pipeline.open("farm").cube.days == days[:3]
    put_fields(other.store, area, "fields.geojson", season.fields_geojson)
    assert len(pipeline.open("farm").wanted.hashes) == 5
    put_late_fields(other, season)
    assert len(pipeline.open("farm").wanted.hashes) == 6
    assert pipeline.open("farm").stale_days() == days[:3]
    make(other, days[3:])
    assert pipeline.open("farm").stale_days() == days
    other.store.delete("inputs/farm/fields/fields.geojson")
    assert [f.source for f in pipeline.open("farm").fields.fields] == ["late.geojson"]
    west, south, east, north = area.bbox
    moved = type(area).from_bbox("farm", (west + 1, south, east + 1, north), area.crs)
    other.store.put("inputs/farm/area.geojson", moved.to_geojson())
    assert pipeline.open("farm").fields.fields == ()
    assert pipeline.open("farm").area == moved


def test_a_state_stays_as_it_is(season, tmp_path):
    pipeline, days = set_up(season, tmp_path), days_of(season)
    make(pipeline, days[:2])
    state = pipeline.open("farm").read()
    make(pipeline, days[2:3])
    put_late_fields(pipeline, season)
    assert state.cube.days == days[:2]
    assert len(state.fields.fields) == 5
    assert pipeline.open("farm").cube.days == days[:3]
    assert len(pipeline.open("farm").fields.fields) == 6


def test_records_are_those_of_the_days_of_the_cube(season, tmp_path):
    pipeline, days = set_up(season, tmp_path), days_of(season)[:3]
    make(pipeline, days)
    state = pipeline.open("farm")
    assert [r["hydro:date"] for r in state.records()] == [str(day) for day in days]
    pipeline.store.delete(f"scenes/farm/{days[1]}.json")
    assert state.record(days[1]) is None
    assert [r.get("hydro:date") for r in state.records()] == [str(days[0]), None, str(days[2])]
    pipeline.store.put(f"scenes/farm/{days[1]}.json", b"{}")
    with pytest.raises(StoredObjectError, match=f"{days[1]}.json is not the record of a day"):
        state.record(days[1])


def test_what_is_not_there_is_named(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    with pytest.raises(AreaError, match="hydro area set nowhere"):
        pipeline.open("nowhere")
    state = pipeline.open("farm")
    assert state.stale_days() == []
    with pytest.raises(MissingDayError, match="hydro run farm --from DATE --to DATE"):
        _ = state.made_cube
