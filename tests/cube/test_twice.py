"""A bucket whose answers are cut short, by something that tells the length of the rest."""

from pathlib import Path

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.cube.restore import go_back
from hydro_pipeline.errors import StoreUnavailableError
from hydro_pipeline.storage.store import Store
from tests.support.buckets import make_bucket
from tests.support.fault_proxy import Fault, FaultProxy, Kind

AREA = "demo"


@pytest.fixture(scope="module")
def proxy(s3_server):
    with FaultProxy(s3_server, s3=True) as before:
        yield before


@pytest.fixture(scope="module")
def store(made, s3_server, proxy):
    bucket = make_bucket(s3_server)
    bucket.put_folder(Path(made.settings.root), "data")
    return Store(bucket.settings(s3_endpoint_url=proxy.url))


def cut(proxy, part, times=None):
    proxy.fault = Fault(Kind.SHORT, lambda method, path: method == "GET" and part in path, times)


@pytest.mark.parametrize("times", [2, None])
def test_a_cut_chunk_is_not_damaged_and_not_kept(times, store, made, proxy):
    cube, sound = Cube.open(store, AREA), made.open(AREA).made_cube
    day = cube.first_day
    cut(proxy, "/chunks/", times)
    if times is None:
        with pytest.raises(StoreUnavailableError, match=r"cut short|checksum"):
            cube.read(day)
    proxy.fault = None
    for mine, other in zip(cube.read(day), sound.read(day), strict=True):
        assert (mine == other).all()


@pytest.mark.parametrize("part", ["/repo", "/snapshots/", "/manifests/", "/cubes/"])
def test_a_cut_object_is_not_damaged(part, store, proxy):
    for times in (1, 2):
        cut(proxy, part, times)
        assert len(Cube.open(store, AREA).revisions) == 10
    cut(proxy, part)
    with pytest.raises(StoreUnavailableError, match="cubes/demo"):
        assert Cube.open(store, AREA).revisions
    proxy.fault = None
    assert len(Cube.open(store, AREA).revisions) == 10


def test_a_cut_state_is_not_gone_back_from(store, proxy):
    cube = Cube.open(store, AREA)
    last = cube.last_day
    for part in ("/cubes/", f"/snapshots/{cube.session.snapshot_id}"):
        cut(proxy, part)
        with pytest.raises(StoreUnavailableError):
            go_back(store, AREA)
        proxy.fault = None
        assert Cube.open(store, AREA).last_day == last
        assert go_back(store, AREA) == []
