"""The deadlines of calls to the outside, made so short that a test can wait for them."""

import datetime as dt

import pytest

from hydro_pipeline.imagery import reading
from hydro_pipeline.parallel import Tries
from hydro_pipeline.scenes import http
from hydro_pipeline.storage import backends


def shorten(patch: pytest.MonkeyPatch) -> None:
    """About a second for an answer, a few for all tries of it."""
    limits = http.Limits(1, 1, 3, 0.05, 0.2, 3, 6)
    patch.setattr(http, "Limits", lambda: limits)
    patch.setattr(reading, "TRIES", Tries(attempts=2, first_delay=0.05, limit=5))
    for name, value in {
        "GDAL_HTTP_CONNECTTIMEOUT": "1",
        "GDAL_HTTP_LOW_SPEED_TIME": "1",
        "GDAL_HTTP_TIMEOUT": "2",
        "GDAL_HTTP_MAX_RETRY": "1",
        "GDAL_HTTP_RETRY_DELAY": "0.05",
    }.items():
        patch.setitem(reading.GDAL_OPTIONS, name, value)
    second = dt.timedelta(seconds=1)
    patch.setitem(backends.CLIENT, "connect_timeout", second)
    patch.setitem(backends.CLIENT, "timeout", second)
    patch.setitem(backends.RETRY, "max_retries", 3)
    patch.setitem(backends.RETRY, "retry_timeout", 3 * second)
