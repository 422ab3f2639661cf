"""The deadlines of calls to the outside, made so short that a test can wait for them."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zarr

from hydro_pipeline.cube import maintain
from hydro_pipeline.cube.waiting import limit_zarr
from hydro_pipeline.imagery import gdal, reading
from hydro_pipeline.ingest import run
from hydro_pipeline.outside import deadlines
from hydro_pipeline.outside.deadlines import Deadline
from hydro_pipeline.parallel import Tries
from hydro_pipeline.scenes import http
from hydro_pipeline.storage import backends

SHORT = Deadline(connect=1, read=1, total=4)
STEP_S = 8.0


@contextmanager
def shortened() -> Iterator[None]:
    """About a second for an answer, a few for all tries of it, `STEP_S` for a step of a cube."""
    limits = http.Limits(connect=1, read=1, attempts=3, first_delay=0.05, request=3, search=6)
    limit_zarr()
    with pytest.MonkeyPatch.context() as patch, zarr.config.set({"async.timeout": STEP_S}):
        patch.setattr(http, "Limits", lambda: limits)
        patch.setattr(reading, "TRIES", Tries(attempts=2, first_delay=0.05, limit=5))
        for name, value in {
            "GDAL_HTTP_CONNECTTIMEOUT": "1",
            "GDAL_HTTP_LOW_SPEED_TIME": "1",
            "GDAL_HTTP_TIMEOUT": "2",
            "GDAL_HTTP_MAX_RETRY": "1",
            "GDAL_HTTP_RETRY_DELAY": "0.05",
        }.items():
            patch.setitem(gdal.GDAL_OPTIONS, name, value)
        second = dt.timedelta(seconds=1)
        patch.setitem(backends.CLIENT, "connect_timeout", second)
        patch.setitem(backends.CLIENT, "timeout", second)
        patch.setitem(backends.RETRY, "max_retries", 3)
        patch.setitem(backends.RETRY, "retry_timeout", 3 * second)
        patch.setattr(backends, "ICECHUNK", SHORT)
        patch.setattr(deadlines, "ICECHUNK", SHORT)
        patch.setattr(deadlines, "ICECHUNK_STEP_S", STEP_S)
        patch.setattr(maintain, "UPKEEP_S", STEP_S)
        patch.setattr(run, "DAY_S", 2 * STEP_S)
        yield
