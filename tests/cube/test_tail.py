"""A chunk of a later day that cannot be read, while a day before it is changed."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

from hydro_pipeline.cube.tail import refresh
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.grid import Window


def test_what_cannot_be_refreshed_stops_a_day_that_is_not_mended():
    def read(index, chunk):
        if index:
            raise DamagedCubeError("the second day is lost", dt.date(2024, 5, 2))
        return np.zeros(chunk.shape, np.int16), np.zeros(chunk.shape, np.int16)

    part = SimpleNamespace(is_new=False, mends=False, index=0, number=19_844, read=read)
    with pytest.raises(DamagedCubeError, match="the second day is lost"):
        refresh(part, [Window.whole((4, 4))], 2, 99)
