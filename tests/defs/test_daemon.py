"""A month on a real Dagster daemon: downtime, a failure, late scenes, late and edited fields."""

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.defs.names import AREA_TAG, PROCESS_TAG, RANGE_START_TAG, key
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import simulate
from hydro_pipeline.usecases.late_scenes import changed_days
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import enter, put_late_fields, run, set_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

DAYS = 30
FIRST = dt.datetime.now(dt.UTC).date() - dt.timedelta(DAYS + 10)
COMPOSITE = key("farm", "composite")


def day(n):
    return FIRST + dt.timedelta(n)


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    folder = tmp_path_factory.mktemp("month")
    return simulate(folder, first_day=FIRST, days=DAYS, size_km=1.2, n_fields=5, n_late=1)


class World:
    """A root, a catalog that changes, and a daemon that is stopped and started."""

    def __init__(self, season, folder):
        shutil.copytree(season.directory, folder / "season")
        self.season, self.folder = season, folder
        self.catalog = folder / "season" / "items.json"
        self.today = folder / "today"
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text(
            (files("hydro_pipeline.defs") / "dagster.yaml").read_text()
        )
        self.environment = {
            "HYDRO_ROOT": str(folder / "root"),
            "HYDRO_CATALOG": str(self.catalog),
            "HYDRO_START_DATE": str(FIRST),
            "HYDRO_LOOKBACK_DAYS": "90",
            "DAGSTER_HOME": str(self.home),
            "TODAY": str(self.today),
        }
        self.settings = Settings.load(
            root=str(folder / "root"), catalog=str(self.catalog), lookback_days=90
        )

    @property
    def pipeline(self):
        """The use cases with nothing remembered."""
        return Pipeline(self.settings)

    def offer(self, without=()):
        """Offer the season's scenes without some."""
        document = json.loads((self.season.directory / "items.json").read_text())
        document["features"] = [f for f in document["features"] if f["id"] not in without]
        self.catalog.write_text(json.dumps(document))

    @contextlib.contextmanager
    def daemon(self):
        """A daemon with its code server, in a process group of its own."""
        script = Path(sys.executable).with_name("dagster-daemon")
        location = ["-m", "tests.support.daemon_definitions", "-d", str(Path(__file__).parents[2])]
        with (self.folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                [script, "run", *location],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait(self, condition, what, seconds=900, pause=2.0):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = (self.folder / "daemon.log").read_text().splitlines()[-40:]
                pytest.fail("\n".join([f"{what}: not within {seconds} s", *log]))
            time.sleep(pause)

    def reached(self, n):
        cube = self.pipeline.open("farm").cube
        return cube is not None and cube.last_day >= day(n)

    def at_rest(self):
        now = dt.datetime.now(dt.UTC)
        state = self.pipeline.open("farm")
        return not changed_days(state, now) and not state.stale_days()

    def run_until(self, n):
        self.today.write_text(str(day(n)))
        self.wait(lambda: self.reached(n) and self.at_rest(), f"day {n} with its statistics")


def clear_days(season):
    """Days with scenes that see the ground, and the ids of these."""
    found = {}
    for item in season.items:
        if item["properties"]["eo:cloud_cover"] < 60:
            found.setdefault(item["properties"]["datetime"][:10], []).append(item)
    return dict(sorted(found.items()))


def moved(fields_geojson):
    """The fields with the first one moved 60 m to the east."""
    document = json.loads(fields_geojson)
    ring = document["features"][0]["geometry"]["coordinates"][0]
    document["features"][0]["geometry"]["coordinates"][0] = [[x + 0.00085, y] for x, y in ring]
    return json.dumps(document).encode()


def content(pipeline):
    """Every pixel and every row, without what depends on when it was made."""
    cube = pipeline.open("farm").cube
    pixels = np.array([cube.read(d).arrays for d in cube.days])
    table = pipeline.open("farm").stats().drop_columns(["computed_at", "cube_revision"])
    return cube.days, pixels, table


def kill_run(instance):
    """Kill the process of the composite run under way; returns its id."""
    running = dg.RunsFilter(job_name="farm_days", statuses=[dg.DagsterRunStatus.STARTED])
    [run] = instance.get_runs(running)
    os.kill(int(run.tags[PROCESS_TAG].split()[0]), signal.SIGKILL)
    return run.run_id


def failures(instance, area, since):
    """Failed runs of an area for `since` or later days."""
    wanted = dg.RunsFilter(tags={AREA_TAG: area}, statuses=[dg.DagsterRunStatus.FAILURE])
    return [r for r in instance.get_runs(wanted) if r.tags.get(RANGE_START_TAG, "") >= str(since)]


def test_month_with_everything_that_happens_ends_like_one_without(season, tmp_path, monkeypatch):
    world = World(season, tmp_path)
    area = season.area("farm")
    enter(world.pipeline, season)
    world.pipeline.put_area(Area.from_bbox("far", (6.0, 50.0, 6.01, 50.01)))
    days = clear_days(season)
    seen = [d for d in days if d <= str(day(10))]
    late = {item["id"] for d in (seen[0], seen[-1]) for item in days[d]}
    broken = next(d for d in days if d > str(day(13)))
    broken_day = (dt.date.fromisoformat(broken) - FIRST).days
    red = tmp_path / "season" / days[broken][0]["assets"]["red"]["href"]

    world.offer(without=late)
    with world.daemon():
        world.run_until(10)
        world.run_until(11)
        world.offer()
        put_late_fields(world.pipeline, season)
        world.wait(world.at_rest, "late scenes and a late field")
    scene = red.read_bytes()
    red.unlink()
    put_fields(world.pipeline.store, area, "fields.geojson", moved(season.fields_geojson))
    world.today.write_text(str(day(broken_day + 1)))
    monkeypatch.setenv("DAGSTER_HOME", str(world.home))
    with world.daemon(), dg.DagsterInstance.get() as instance:
        world.wait(
            lambda: failures(instance, "farm", day(broken_day - 1)),
            "failure of the day with the broken scene",
        )
        assert world.pipeline.open("farm").cube.last_day == day(broken_day - 1)
        red.write_bytes(scene)
        world.run_until(broken_day + 1)
        world.today.write_text(str(day(DAYS - 1)))
        world.wait(lambda: world.reached(broken_day + 4), "the first days of a range", pause=0.1)
        killed = kill_run(instance)
        world.run_until(DAYS - 1)
        retried = dg.RunsFilter(
            tags={"dagster/root_run_id": killed}, statuses=[dg.DagsterRunStatus.SUCCESS]
        )
        world.wait(lambda: len(instance.get_runs(retried)) == 1, "the retry of the killed run")
        revisions = world.pipeline.open("farm").cube.revisions
        assert {revisions[day(n)] for n in range(broken_day + 2, DAYS)} == {1}

        undisturbed = set_up(season, tmp_path / "calm", catalog=str(world.catalog))
        put_fields(undisturbed.store, area, "fields.geojson", moved(season.fields_geojson))
        put_late_fields(undisturbed, season)
        every = [day(n) for n in range(DAYS)]
        run(undisturbed, every)
        expected_days, expected_pixels, expected_table = content(undisturbed)
        made_days, pixels, table = content(world.pipeline)
        assert made_days == expected_days == every
        assert np.array_equal(pixels, expected_pixels)
        assert table.equals(expected_table)

        records = instance.fetch_materializations(COMPOSITE, limit=1000, ascending=True).records
        first_made = list(dict.fromkeys(r.partition_key for r in records))
        assert first_made == [str(d) for d in every]
        assert failures(instance, "far", FIRST)
        assert world.pipeline.open("far").cube is None
