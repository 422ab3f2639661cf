"""A process killed at any moment loses nothing, and what it did can be done again to its end."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.outputs.exports import Format
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.stats.table import read_day, stored_days
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import AREA, content, pixels, run, set_up
from tests.support.buckets import make_bucket
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.killed import Forks
from tests.support.killed_operations import OPERATIONS
from tests.support.operations import DAYS, begun, tiny_season
from tests.support.product import SCHEMA

KILLS = 7
"""Of each operation in each place, before its end: 112 of all."""
FROM = {"runs": "entered", "late scenes": "poor", "creation": "nothing"}
"""The state that an operation is done from, if not `begun`."""


@dataclass
class Place:
    """Where an operation is done: files beside the root, and the settings that lead to the root."""

    folder: Path
    settings: dict[str, Any]

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(Settings.load(**self.settings))

    def result(self) -> Any:
        """Cube, rows, fields, page, and every file that was exported."""
        pipeline = self.pipeline
        files = sorted(path for path in (self.folder / "export").rglob("*") if path.is_file())
        return (
            content(pipeline),
            pipeline.open(AREA).fields.fields,
            pipeline.store.get(f"reports/{AREA}/index.html"),
            {str(path.relative_to(self.folder)): self._exported(path) for path in files},
        )

    def _exported(self, path: Path) -> str:
        """A digest of a file, without the root that it says to be from."""
        data = path.read_bytes().replace(self.settings["root"].encode(), b"")
        if path.name == Format.NETCDF:
            with xr.open_dataset(path, engine="h5netcdf") as dataset:
                told = dataset.drop_attrs(deep=False).to_dict()
                data = json.dumps(told, sort_keys=True, default=str).encode()
        return hashlib.sha256(data).hexdigest()


@dataclass
class States:
    """States of an area, each the folder of a root, made once; and new places that are in them."""

    season: Season
    folder: Path
    places: int = field(default=0)

    def __post_init__(self) -> None:
        items = json.loads((self.season.directory / "items.json").read_text())
        first = f"{DAYS[0]:%Y%m%d}"
        items["features"] = [item for item in items["features"] if first not in item["id"]]
        poor = self.season.directory / "poor.json"
        poor.write_text(json.dumps(items))
        (self.folder / "nothing").mkdir()
        set_up(self.season, self.folder / "entered")
        begun(self.season, self.folder / "begun")
        run(set_up(self.season, self.folder / "poor", catalog=str(poor)), DAYS)

    def place(self, operation: str, s3: str | None) -> Place:
        """A place for an operation, in a bucket of the server at `s3`, or in a directory."""
        self.places += 1
        folder = self.folder / f"place{self.places}"
        folder.mkdir()
        area = self.season.area(AREA)
        (folder / "area.geojson").write_bytes(area.to_geojson())
        (folder / "fields.geojson").write_bytes(self.season.fields_geojson)
        (folder / "late.geojson").write_bytes(self.season.late_fields_geojson)
        state = self.folder / FROM.get(operation, "begun")
        catalog = {"catalog": str(self.season.directory / "items.json")}
        if s3 is None:
            if state.name != "nothing":
                shutil.copytree(state, folder / "root")
            return Place(folder, {"root": str(folder / "root"), **catalog})
        bucket = make_bucket(s3)
        bucket.put_folder(state, "data")
        if state.name == "nothing":
            bucket.client.delete_bucket(Bucket=bucket.name)
        ours = {k.removeprefix("HYDRO_").lower(): v for k, v in bucket.environment.items()}
        return Place(folder, ours | catalog)


def days(pipeline: Pipeline) -> dict[Any, Any]:
    cube = Cube.open(pipeline.store, AREA)
    return {} if cube is None else dict(zip(cube.days, pixels(pipeline), strict=True))


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    folder = tmp_path_factory.mktemp("states")
    return States(tiny_season(folder / "season"), folder)


@pytest.fixture(scope="module")
def forks():
    with Forks() as program:
        yield program


@pytest.fixture(scope="module")
def proxy(s3_server):
    with FaultProxy(s3_server, s3=True) as before_s3:
        yield before_s3


class Killer:
    """Kills an operation at random moments, and says what came of it."""

    def __init__(self, states: States, forks: Forks, proxy: FaultProxy | None) -> None:
        self.states, self.forks, self.proxy = states, forks, proxy

    def undisturbed(self, operation: str) -> tuple[Place, float]:
        """Where it was done to its end, and its length: requests to S3, or seconds."""
        place = self.place(operation)
        begun = len(self.proxy.requests) if self.proxy else 0
        self.forks.start(operation, place.folder, **place.settings)
        started = time.perf_counter()
        assert self.forks.end() == 0
        if self.proxy:
            return place, len(self.proxy.requests) - begun
        return place, time.perf_counter() - started

    def place(self, operation: str) -> Place:
        return self.states.place(operation, self.proxy and self.proxy.url)

    def kill(self, operation: str, length: float, rng: random.Random) -> tuple[Place, bool]:
        """Where it was killed, and whether it was before its end."""
        place = self.place(operation)
        if self.proxy is None:
            process = self.forks.start(operation, place.folder, **place.settings)
            time.sleep(rng.uniform(0, length))
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            return place, self.forks.end() != 0
        number, done, count = rng.randrange(round(length)), rng.random() < 0.5, iter(range(10**9))
        started = threading.Event()
        process = 0

        def now(_method: str, _path: str) -> bool:
            if next(count) == number:
                started.wait(10)
                os.kill(process, signal.SIGKILL)
                return not done
            return False

        self.proxy.fault = Fault(Kind.RESET, now)
        process = self.forks.start(operation, place.folder, **place.settings)
        started.set()
        code = self.forks.end()
        self.proxy.fault = None
        return place, code != 0


def outcome(place: Place, operation: str, before: Any, expected: Any) -> str:
    """`lost`, `wedged` with the error, or empty; `before` and `expected` are cube and results."""
    after = dict(zip(DAYS, expected[0][0], strict=False))
    try:
        for day, found in days(place.pipeline).items():
            if found not in (before.get(day), after.get(day)):
                return f"lost: {day} is neither as before nor as after"
        for day in stored_days(place.pipeline.store, AREA):
            if read_day(place.pipeline.store, AREA, day, SCHEMA).broken:
                return f"lost: the rows of {day} are half written"
        OPERATIONS[operation](place.pipeline, place.folder)
    except Exception as error:
        return f"wedged: {type(error).__name__}: {error}"
    return "" if place.result() == expected else "lost: another result"


@pytest.mark.slow
def test_a_run_killed_on_s3(states, forks, proxy):
    killer = Killer(states, forks, proxy)
    reference, length = killer.undisturbed("runs")
    place, killed = killer.kill("runs", length, random.Random(4))
    assert killed
    assert outcome(place, "runs", {}, reference.result()) == ""


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("on_s3", [False, True], ids=["directory", "S3"])
def test_kills(operation, on_s3, states, forks, proxy, capsys):
    killer = Killer(states, forks, proxy if on_s3 else None)
    before = {} if operation == "creation" else days(killer.place(operation).pipeline)
    reference, length = killer.undisturbed(operation)
    expected, rng, killed, wrong = reference.result(), random.Random(operation), 0, []
    for _ in range(10 * KILLS):
        place, early = killer.kill(operation, length, rng)
        killed += early
        wrong += filter(None, [outcome(place, operation, before, expected)])
        if killed == KILLS:
            break
    lost = sum(text.startswith("lost") for text in wrong)
    where = "S3" if on_s3 else "directory"
    with capsys.disabled():
        print(f"\n{operation} on {where}: {killed} kills, {lost} lost, {len(wrong) - lost} wedged")
    assert wrong == []
    assert killed == KILLS, "kills come too late"
