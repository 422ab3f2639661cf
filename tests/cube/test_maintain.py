"""Housekeeping: what is forgotten, and that no day is."""

import datetime as dt

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.grid import Pixels, Window
from hydro_pipeline.product import NODATA
from hydro_pipeline.storage.store import Store
from tests.support.cubes import Writer

AREA = Area.from_bbox("farm", (5.0, 51.0, 5.02, 51.02))
WHOLE = Window.whole(AREA.grid.shape.yx)
FIRST = dt.date(2024, 1, 1)


@pytest.fixture(params=["directory", "s3"])
def store(request, settings):
    if request.param == "s3":
        return Store(request.getfixturevalue("s3").settings())
    return Store(settings)


def put(writer, number, value):
    edit = writer.begin(FIRST + dt.timedelta(number))
    before = edit.part.previous(WHOLE)
    shape = AREA.grid.shape.yx
    seen = day_number(edit.day) if value != NODATA else NODATA
    new = Pixels(np.full((1, *shape), value, np.int16), np.full(shape, seen, np.int16))
    writer.commit(edit, [edit.part.write(WHOLE, new, before)])


def pixels(store):
    cube = Cube.open(store, "farm")
    return [[a.tobytes() for a in cube.read(day, WHOLE)] for day in cube.days]


def test_every_day_stays_and_the_next_can_be_made(store, settings):
    writer = Writer(store, AREA, settings)
    for number in range(4):
        put(writer, number, number // 2)
    put(writer, 3, 9)
    before, states = pixels(store), len(list(Cube.open(store, "farm").history()))
    size = sum(o.size for o in store.listing("cubes/farm"))

    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(1, 60)
    done = maintain(store, "farm", tomorrow, keep_days=1)
    assert done.expired == states - 2  # The newest and the root stay.
    assert done.deleted > 0
    assert done.freed > 0
    assert pixels(store) == before
    assert sum(o.size for o in store.listing("cubes/farm")) < size
    assert maintain(store, "farm", tomorrow, keep_days=1).expired == 0

    put(Writer(store, AREA, settings), 4, 5)
    assert pixels(store)[:4] == before


def test_young_states_stay(store, settings):
    writer = Writer(store, AREA, settings)
    put(writer, 0, 1)
    put(writer, 1, 2)
    now = dt.datetime.now(dt.UTC)
    done = maintain(store, "farm", now + dt.timedelta(days=89))
    assert (done.expired, done.deleted) == (0, 0)
    assert maintain(store, "farm", now + dt.timedelta(days=91)).expired > 0


def test_what_a_writer_left_goes_a_day_later(settings):
    store, now = Store(settings), dt.datetime.now(dt.UTC)
    store.put(".writing/left", b"half")
    assert maintain(store, "farm", now + dt.timedelta(hours=23)).orphans == 0
    assert maintain(store, "farm", now + dt.timedelta(hours=25)).orphans == 1


def test_no_cube_is_no_work(store):
    assert maintain(store, "nowhere", dt.datetime.now(dt.UTC)).expired == 0


def test_a_run_in_progress_would_not_survive_less_than_a_day(store):
    with pytest.raises(ValueError, match="at least 1"):
        maintain(store, "farm", dt.datetime.now(dt.UTC), keep_days=0)
