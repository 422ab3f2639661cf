"""A day's record says which run made it, whoever makes the same day again."""

import datetime as dt
import json

import pytest

from hydro_pipeline.cube.maintain import maintain
from tests.support.areas import days_of, set_up


@pytest.fixture
def pipeline(season, tmp_path):
    return set_up(season, tmp_path)


def make(pipeline, days, run_id, resume=False):
    return [r.day for r in pipeline.ingest_days("farm", days, run_id=run_id, resume=resume)]


def runs(pipeline):
    """The run of each day's record, and the one that repeated the day."""
    records = pipeline.open("farm").records()
    return [(record["hydro:run_id"], record.get("hydro:repeated_by")) for record in records]


def test_a_day_made_again_without_change_keeps_its_run(season, pipeline):
    days = days_of(season)[:3]
    make(pipeline, days[:2], "one")
    make(pipeline, days[1:], "two")
    assert runs(pipeline) == [("one", None), ("one", "two"), ("two", None)]
    commits = [commit.metadata.get("run_id") for commit in pipeline.open("farm").cube.history()]
    assert commits[:3] == ["two", "one", "one"]
    make(pipeline, days, "one")
    assert runs(pipeline) == [("one", None), ("one", None), ("two", "one")]


def test_a_run_goes_on_after_the_days_that_it_repeated(season, pipeline):
    days = days_of(season)[:4]
    make(pipeline, days, "one")
    make(pipeline, days[:2], "two")
    assert make(pipeline, days, "two", resume=True) == days[2:]
    assert make(pipeline, days, "two", resume=True) == []
    assert make(pipeline, days, "three", resume=True) == days


def test_the_history_counts_where_a_run_died_before_its_record(season, pipeline):
    """What is stored is an older run's record; the run that died is tried again."""
    (day,) = days = days_of(season)[:1]
    make(pipeline, days, "died")
    record = pipeline.open("farm").record(day) | {"hydro:run_id": "older"}
    pipeline.store.put(f"scenes/farm/{day}.json", json.dumps(record).encode())
    assert make(pipeline, days, "died", resume=True) == days
    assert runs(pipeline) == [("died", None)]
    pipeline.store.delete(f"scenes/farm/{day}.json")
    make(pipeline, days, "another")
    assert runs(pipeline) == [("died", "another")]


def test_the_record_counts_where_the_history_was_forgotten(season, pipeline):
    days = days_of(season)[:3]
    make(pipeline, days, "one")
    maintain(pipeline.store, "farm", dt.datetime.now(dt.UTC) + dt.timedelta(200))
    assert len(list(pipeline.open("farm").cube.history())) < 3
    make(pipeline, days[:1], "two")
    assert runs(pipeline)[0] == ("one", "two")
    pipeline.store.delete(f"scenes/farm/{days[0]}.json")
    make(pipeline, days[:1], "three")
    assert runs(pipeline)[0] == ("three", None)
