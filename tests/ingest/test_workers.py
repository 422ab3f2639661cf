"""Days made by the workers of a Dask cluster."""

import json
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from distributed import LocalCluster

from hydro_pipeline.errors import ClusterError, SceneReadError, SettingError
from hydro_pipeline.imagery.reading import SceneReader
from hydro_pipeline.ingest import workers
from hydro_pipeline.ingest.workers import Cluster
from hydro_pipeline.outside.deadlines import Deadline
from hydro_pipeline.settings import Settings
from tests.support.areas import days_of, pixels, set_up
from tests.support.loopback import serve, silent


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
    ) as running:
        yield running


def on_s3(bucket):
    settings = bucket.settings()
    names = ("s3_endpoint_url", "s3_access_key_id", "s3_secret_access_key")
    return settings.root, {name: getattr(settings, name) for name in names}


@pytest.mark.slow
def test_workers_make_the_cube_that_threads_make(season, cluster, tmp_path, s3, monkeypatch):
    here = set_up(season, tmp_path / "threads")
    days = days_of(season)
    expected = list(here.ingest_days("farm", days, run_id="one"))
    root, access = on_s3(s3)
    there = set_up(season, root, dask_scheduler=cluster.scheduler_address, **access)

    def unread(*_args, **_kwargs):
        raise AssertionError("pixels were read by the run itself")

    monkeypatch.setattr(SceneReader, "read", unread)
    reports = list(there.ingest_days("farm", days, run_id="one"))
    assert pixels(there) == pixels(here)
    for mine, theirs in zip(reports, expected, strict=True):
        for name in ("outcome", "scenes", "observed_fraction", "mean", "mean_age_days"):
            assert getattr(mine, name) == getattr(theirs, name)
        assert (mine.preview == theirs.preview).all()
    cubes = [pipeline.open("farm").cube for pipeline in (here, there)]
    for name in ("scene_count", "observed_fraction", "valid_fraction", "revision"):
        one, other = (cube.daily(name).tolist() for cube in cubes)
        assert one == other


def test_an_unchanged_day_stays(season, cluster, tmp_path):
    pipeline = set_up(season, tmp_path, dask_scheduler=cluster.scheduler_address)
    days = days_of(season)[:3]
    list(pipeline.ingest_days("farm", days))
    again = list(pipeline.ingest_days("farm", days[:2]))
    assert [(r.changed, r.bytes_written, r.revision) for r in again] == [(False, 0, 1)] * 2


def test_an_unreadable_scene_is_named(season, cluster, tmp_path):
    pipeline = set_up(season, tmp_path / "root", dask_scheduler=cluster.scheduler_address)
    days = days_of(season)
    catalog = pipeline.catalog(pipeline.area("farm"))
    items = catalog.scenes(pipeline.area("farm"), days[0], days[-1])
    day = next(d for d in days if items[d])
    items[day][0].assets["red"].href = str(season.directory / "gone.tif")
    catalog.scenes = lambda *_: items
    with pytest.raises(SceneReadError, match=r"gone\.tif could not be read"):
        list(pipeline.ingest_days("farm", days))
    cube = pipeline.open("farm").cube
    assert cube is None or cube.last_day < day


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(workers, "DASK", Deadline(connect=1, read=0.5, total=3))
    monkeypatch.setattr(workers, "LOOK_S", 0.1)


def fails(season, root, address: str, *words: str) -> None:
    """The first day is not made, for a reason that says the address and the words, in time."""
    started = time.monotonic()
    pipeline = set_up(season, root, dask_scheduler=address)
    with pytest.raises(ClusterError, match=rf"HYDRO_DASK_SCHEDULER={address}.*{'.*'.join(words)}"):
        list(pipeline.ingest_days("farm", days_of(season)[:1]))
    assert pipeline.open("farm").cube is None
    assert time.monotonic() - started < 20


def test_no_scheduler_at_the_address(season, tmp_path, quick):
    fails(season, tmp_path, "tcp://127.0.0.1:9")


def test_a_scheduler_that_never_answers(season, tmp_path, quick):
    with serve(silent) as server:
        fails(season, tmp_path, f"tcp://127.0.0.1:{server.port}")


@pytest.fixture
def lonely(tmp_path):
    """A scheduler without workers, as a process, and its address."""
    file = tmp_path / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not file.exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield process, json.loads(file.read_text())["address"]
        process.kill()


@pytest.mark.slow
def test_a_scheduler_without_workers(season, tmp_path, quick, lonely, monkeypatch):
    _, address = lonely
    monkeypatch.setattr(workers, "DASK", Deadline(connect=60, read=0.5, total=120))
    fails(season, tmp_path / "root", address, r"no worker for 0\.5 s")


@pytest.mark.slow
def test_a_scheduler_that_dies(season, tmp_path, quick, lonely, monkeypatch):
    process, address = lonely
    monkeypatch.setattr(workers, "DASK", Deadline(connect=60, read=30, total=120))
    original = Cluster.get

    def dying(self, *args, **kwargs):
        threading.Timer(0.5, process.kill).start()
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Cluster, "get", dying)
    fails(season, tmp_path / "root", address)


@pytest.mark.parametrize(
    ("workers_there", "read", "total", "why"),
    [({"a": 1}, 0.1, 0.3, r"no end after 0\.3 s"), ({}, 0.3, 9, r"no worker for 0\.3 s")],
)
def test_work_without_an_end_or_without_workers_is_left(
    monkeypatch, workers_there, read, total, why
):
    monkeypatch.setattr(workers, "DASK", Deadline(connect=1, read=read, total=total))
    monkeypatch.setattr(workers, "LOOK_S", 0.05)
    cluster = object.__new__(workers.Cluster)
    cluster._client = SimpleNamespace(nthreads=lambda: workers_there)
    with pytest.raises(TimeoutError, match=why):
        cluster._watched(lambda: time.sleep(2))
    assert cluster._watched(lambda: 7) == 7


def test_an_address_that_is_none_is_refused():
    with pytest.raises(SettingError, match="tcp://host:8786"):
        Settings.load(dask_scheduler="localhost")
