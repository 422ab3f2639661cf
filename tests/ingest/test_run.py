"""How long a day's scenes are waited for."""

import datetime as dt
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from hydro_pipeline.errors import SceneReadError
from hydro_pipeline.ingest import run

DAY = dt.date(2024, 5, 1)
CHAIN = SimpleNamespace(area=SimpleNamespace(name="farm"))


def test_scenes_that_are_not_read_in_time_fail_the_day(monkeypatch):
    monkeypatch.setattr(run, "DAY_S", 0.01)
    with pytest.raises(SceneReadError, match=r"farm 2024-05-01: .* not read within 0\.01 s"):
        run._make(CHAIN, None, DAY, Future(), None)


def test_a_timeout_of_a_read_is_raised_as_it_is():
    reading = Future()
    reading.set_exception(TimeoutError("of its own"))
    with pytest.raises(TimeoutError, match="of its own"):
        run._make(CHAIN, None, DAY, reading, None)
