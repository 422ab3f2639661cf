"""A store that fails now and then, even after it did what was asked, changes nothing."""

import random

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import StoreUnavailableError
from tests.support.areas import days_of, pixels, run, set_up, table
from tests.support.counting_s3 import CountingS3


def content(pipeline):
    return pixels(pipeline), table(pipeline)


@pytest.mark.slow
def test_one_request_in_five_fails(season, monkeypatch):
    days = days_of(season)
    rng = random.Random(1)
    with CountingS3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        sound = set_up(season, "s3://bucket/sound")
        run(sound, days)
        s3.fault = lambda method, path: (
            rng.choice(["before", "after"]) if rng.random() < 0.2 else None
        )
        flaky = set_up(season, "s3://bucket/flaky")
        run(flaky, days)
        s3.fault = lambda method, path: None
        assert content(flaky) == content(sound)
        assert flaky.open("farm").stale_days() == []


@pytest.mark.slow
def test_an_outage_fails_in_bounded_time_and_leaves_whole_days(season, monkeypatch):
    days = days_of(season)
    with CountingS3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        pipeline = set_up(season, "s3://bucket/outage")
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
