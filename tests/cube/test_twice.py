"""A cube in a bucket whose answers are cut by something that tells the length of the rest."""

import datetime as dt

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.cube.restore import go_back
from hydro_pipeline.errors import StoreUnavailableError
from hydro_pipeline.grid import Pixels, Window
from hydro_pipeline.outside import deadlines
from hydro_pipeline.storage.store import Store
from tests.support.buckets import make_bucket
from tests.support.cubes import Writer
from tests.support.fault_proxy import Fault, FaultProxy, Kind

AREA = Area.from_bbox("farm", (5.0, 51.0, 5.004, 51.004))
FIRST = dt.date(2024, 3, 1)
NDVI = np.random.default_rng(1).integers(-10_000, 10_000, AREA.grid.shape).astype(np.int16)


@pytest.fixture(scope="module")
def proxy(s3_server):
    with FaultProxy(s3_server, s3=True) as before:
        yield before


@pytest.fixture(scope="module")
def store(s3_server, proxy):
    """A bucket with a cube of two days, of which a chunk takes more bytes than its checksum."""
    settings = make_bucket(s3_server).settings(s3_endpoint_url=proxy.url)
    store = Store(settings)
    writer, whole = Writer(store, AREA, settings), Window.whole(NDVI.shape)
    for number in range(2):
        day = FIRST + dt.timedelta(number)
        edit = writer.begin(day)
        seen = np.full(NDVI.shape, (day - dt.date(1970, 1, 1)).days, np.int16)
        new = Pixels(NDVI[None] + np.int16(number), seen)
        writer.commit(edit, [edit.part.write(whole, new, edit.part.previous(whole))])
    return store


def cut(proxy, part, times=None):
    proxy.fault = Fault(Kind.SHORT, lambda method, path: method == "GET" and part in path, times)


@pytest.mark.parametrize("times", [2, None])
def test_a_cut_chunk_is_not_damaged_and_not_kept(times, store, proxy, monkeypatch):
    monkeypatch.setattr(deadlines, "ICECHUNK_STEP_S", 1.0)
    cube = Cube.open(store, "farm")
    cut(proxy, "/chunks/", times)
    if times is None:
        with pytest.raises(StoreUnavailableError, match=r"cut short|checksum|too slow"):
            cube.read(FIRST)
    proxy.fault = None
    assert (cube.read(FIRST).values[0] == NDVI).all()


@pytest.mark.parametrize("part", ["/repo", "/snapshots/", "/manifests/", "/cubes/"])
def test_a_cut_object_is_not_damaged(part, store, proxy):
    for times in (1, 2):
        cut(proxy, part, times)
        assert len(Cube.open(store, "farm").revisions) == 2
    cut(proxy, part)
    with pytest.raises(StoreUnavailableError, match="cubes/farm"):
        assert Cube.open(store, "farm").revisions
    proxy.fault = None
    assert len(Cube.open(store, "farm").revisions) == 2


def test_a_cut_state_is_not_gone_back_from(store, proxy):
    cube = Cube.open(store, "farm")
    last = cube.last_day
    for part in ("/cubes/", f"/snapshots/{cube.session.snapshot_id}"):
        cut(proxy, part)
        with pytest.raises(StoreUnavailableError):
            go_back(store, "farm")
        proxy.fault = None
        assert Cube.open(store, "farm").last_day == last
        assert go_back(store, "farm") == []
