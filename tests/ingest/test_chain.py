"""The two values that are handed on: a composite in memory, and the end of the stored cube."""

import datetime as dt
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.composite.kernel import Seen
from hydro_pipeline.cube.head import Id, look, open_head
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import SceneError, SceneReadError
from hydro_pipeline.grid import Pixels, Tiling
from hydro_pipeline.ingest import chain as module
from hydro_pipeline.ingest import run
from hydro_pipeline.ingest.chain import Chain, commit, make
from hydro_pipeline.ingest.look_ahead import DayFound
from hydro_pipeline.product import NODATA
from hydro_pipeline.scenes.scene import Selection
from hydro_pipeline.settings import OffsetCheck
from hydro_pipeline.storage.notes import Step, read_note
from hydro_pipeline.storage.store import Store

AREA = Area.from_bbox("farm", (5.0, 51.0, 5.02, 51.02))
FIRST = dt.date(2024, 3, 1)


@pytest.fixture
def chain(settings):
    return Chain.of(Store(settings), AREA, settings)


def day(number):
    return FIRST + dt.timedelta(number)


def found(chain, value, rows):
    """A day on which `rows` rows were seen with one value, by a scene that nothing is told of."""
    observed = {}
    for tile in chain.tiling:
        ndvi = np.full(tile.shape, NODATA, np.int16)
        ndvi[: max(0, rows - tile.row)] = value
        observed[tile] = Seen(ndvi[None], np.zeros((0, 5), np.int64))
    return DayFound(Selection((), ()), None, observed)


def start(chain):
    return look(open_head(chain.target), day(0))


def values(chain):
    cube = Cube.open(chain.store, "farm")
    return [[cube.read(day).values[0, row, 0].item() for row in (0, 50, 150)] for day in cube.days]


def test_each_day_is_made_on_the_one_before_and_handed_on(chain):
    """Day 0 sees 100 rows, day 1 10 of them, day 2 none."""
    head, last, seen = start(chain), None, [(5000, 100), (7000, 10), (1, 0)]
    for number, (value, rows) in enumerate(seen):
        what = found(chain, value, rows)
        made = make(chain, head, day(number), what, last)
        assert made.base is (last.id if last else head.composite)
        head, report = commit(chain, head, day(number), what, made, more=number < 2)
        assert head.composite is made.id
        assert head.known.snapshot == Cube.open(chain.store, "farm").session.snapshot_id
        assert report.revision == 1
        last = made
    assert values(chain) == [[5000, 5000, NODATA], [7000, 5000, NODATA], [7000, 5000, NODATA]]


def test_a_composite_made_on_another_is_made_anew_on_what_is_stored(chain):
    first, head = found(chain, 5000, 100), start(chain)
    made = make(chain, head, day(0), first, None)
    head, _ = commit(chain, head, day(0), first, made, more=True)
    brighter = {tile: Pixels(ndvi + 1, on) for tile, (ndvi, on) in made.pixels.items()}
    strayed = replace(made, pixels=brighter, id=Id())
    second = found(chain, 7000, 10)
    head, _ = commit(
        chain, head, day(1), second, make(chain, head, day(1), second, strayed), more=False
    )
    assert values(chain)[1] == [7000, 5000, NODATA]


def test_a_composite_written_ahead_is_taken_as_it_is(chain):
    days = [found(chain, 5000, 100), found(chain, 7000, 10), found(chain, 8000, 60)]
    head, made = start(chain), []
    made.append(make(chain, head, day(0), days[0], None))
    head, _ = commit(chain, head, day(0), days[0], made[0], more=True)
    made.append(make(chain, head, day(1), days[1], made[0]))
    assert made[1].written
    assert not made[1].before
    early = make(chain, replace(head, fork=head.session.fork()), day(2), days[2], made[1])
    head, _ = commit(chain, head, day(1), days[1], made[1], more=True)
    head, _ = commit(chain, head, day(2), days[2], early, more=False)
    assert early.written
    assert values(chain)[2] == [8000, 8000, NODATA]


def test_windows_of_another_tiling_are_an_error_and_nothing_is_stored(chain):
    what, head = found(chain, 5000, 100), start(chain)
    finer = replace(chain, tiling=Tiling(chain.tiling.shape, 64))
    with pytest.raises(KeyError):
        make(finer, head, day(0), what, None)
    assert chain.store.listing("cubes") == []


def test_a_scene_that_contradicts_its_flag_stops_the_day_where_that_is_asked_for(
    chain, monkeypatch
):
    record = {"hydro:used": [{"id": "S1", "contradiction": "S1 looks uncorrected"}]}
    monkeypatch.setattr(module, "day_record", lambda *_: record)
    settings = chain.settings.model_copy(update={"offset_check": OffsetCheck.FAIL})
    what, head = found(chain, 5000, 100), start(chain)
    made = make(chain, head, day(0), what, None)
    told = r"farm 2024-03-01: S1 looks uncorrected \(HYDRO_OFFSET_CHECK=fail\)"
    with pytest.raises(SceneError, match=told) as caught:
        commit(replace(chain, settings=settings), head, day(0), what, made, more=False)
    assert caught.value.scene_id == "S1"
    assert Cube.open(chain.store, "farm") is None


@pytest.mark.parametrize(
    ("recorded", "with_data", "is_lost"), [(3, 0, False), (0, 3, False), (2, 1, True), (1, 2, True)]
)
def test_a_day_of_three_scenes_keeps_what_is_recorded_or_offered(
    chain, recorded, with_data, is_lost
):
    part = SimpleNamespace(is_new=False, index=0, arrays={"scene_count": [3]})
    edit = SimpleNamespace(day=day(0), part=part)
    what = replace(found(chain, 5000, 100), recorded=recorded)
    refused = pytest.raises(SceneError, match="2024-03-01 was made from 3 scenes")
    with refused if is_lost else nullcontext():
        module._check_no_loss(chain, edit, what, with_data)


def test_values_that_are_handed_on_do_not_change(chain):
    head = start(chain)
    made = make(chain, head, day(0), found(chain, 1, 1), None)
    for value, name in ((head, "composite"), (made, "base"), (chain, "tiling")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


def test_a_day_whose_scenes_never_come_is_one_error(chain, monkeypatch):
    monkeypatch.setattr(run, "DAY_S", 0.1)
    never = Future()
    with pytest.raises(SceneReadError, match=r"farm 2024-03-01: .* not read within 0\.1 s"):
        list(run.run(chain, start(chain), [(day(0), never)], day(0)))
    assert read_note(chain.store, "farm", day(0), Step.DAY).cause == "SceneReadError"
    assert Cube.open(chain.store, "farm") is None
