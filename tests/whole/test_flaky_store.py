"""A store that fails now and then, even after it did what was asked, changes nothing."""

import datetime as dt
import random

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import StoreUnavailableError
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.counting_s3 import CountingS3


def set_up(season, monkeypatch, root):
    monkeypatch.setenv("HYDRO_ROOT", root)
    pipeline = Pipeline(Settings.load(catalog=str(season.directory / "items.json")))
    pipeline.put_area(season.area("farm"))
    put_fields(pipeline.store, season.area("farm"), "fields.geojson", season.fields_geojson)
    return pipeline


def run(pipeline, days):
    for _ in pipeline.ingest_days("farm", days):
        pass
    for _ in pipeline.update_field_stats("farm", days):
        pass


def content(pipeline):
    cube = Cube.open(pipeline.store, "farm")
    pixels = [tuple(a.tobytes() for a in cube.read(day)) for day in cube.days]
    return pixels, pipeline.open("farm").stats().drop_columns(["computed_at"]).to_pylist()


def test_one_request_in_five_fails(season, monkeypatch):
    days = [season.first_day + dt.timedelta(n) for n in range(season.days)]
    rng = random.Random(1)
    with CountingS3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        sound = set_up(season, monkeypatch, "s3://bucket/sound")
        run(sound, days)
        s3.fault = lambda method, path: (
            rng.choice(["before", "after"]) if rng.random() < 0.2 else None
        )
        flaky = set_up(season, monkeypatch, "s3://bucket/flaky")
        run(flaky, days)
        s3.fault = lambda method, path: None
        assert content(flaky) == content(sound)
        assert flaky.open("farm").stale_days() == []


def test_an_outage_fails_in_bounded_time_and_leaves_whole_days(season, monkeypatch):
    days = [season.first_day + dt.timedelta(n) for n in range(season.days)]
    with CountingS3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        pipeline = set_up(season, monkeypatch, "s3://bucket/outage")
        reports = pipeline.ingest_days("farm", days)
        for _ in range(4):
            next(reports)
        s3.fault = lambda method, path: "before"
        with pytest.raises(StoreUnavailableError) as caught:
            next(reports)
        assert caught.value.retryable
        s3.fault = lambda method, path: None
        assert Cube.open(pipeline.store, "farm").days == days[:4]
        run(pipeline, days)
        assert Cube.open(pipeline.store, "farm").days == days
