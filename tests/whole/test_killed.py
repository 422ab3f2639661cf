"""A process killed at any moment leaves whole days, and a rerun ends as if nothing happened."""

import os
import random
import subprocess
import sys
import time

import pytest

from hydro_pipeline.stats.table import read_day, stored_days
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import days_of, enter, pixels, run, table

CHILD = """
import datetime as dt, sys
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.settings import Settings
pipeline = Pipeline(Settings.load())
first = dt.date.fromisoformat(sys.argv[1])
days = [first + dt.timedelta(n) for n in range(int(sys.argv[2]))]
print("ready", flush=True)
sys.stdin.readline()
for _ in pipeline.ingest_days("farm", days):
    pass
for _ in pipeline.update_field_stats("farm", days):
    pass
"""


def run_and_kill(season, environment, after):
    """Run the season in a child process and kill it after `after` seconds, None: let it end."""
    arguments = [str(season.first_day), str(season.days)]
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD, *arguments],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    started = time.perf_counter()
    child.stdin.write("go\n")
    child.stdin.flush()
    try:
        child.wait(after)
    except subprocess.TimeoutExpired:
        child.kill()
    child.wait(60)
    child.stdin.close()
    child.stdout.close()
    return time.perf_counter() - started


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_on_s3(season, s3, s3_server, tmp_path, kills):
    catalog = {"catalog": str(season.directory / "items.json")}
    reference = enter(Pipeline(s3.settings(root=f"s3://{s3.name}/reference", **catalog)), season)
    started = time.perf_counter()
    run(reference, days_of(season))
    lasts = time.perf_counter() - started
    expected = pixels(reference)

    rng = random.Random(kills)
    reached = set()
    for _ in range(kills):
        root = f"s3://{s3.name}/killed{rng.randrange(3)}"
        pipeline = enter(Pipeline(s3.settings(root=root, **catalog)), season)
        environment = s3.environment | {"HYDRO_ROOT": root, "HYDRO_CATALOG": catalog["catalog"]}
        run_and_kill(season, environment, rng.uniform(0, 1.2 * lasts))
        survived = pixels(pipeline)
        reached.add(len(survived))
        assert survived == expected[: len(survived)]
        for day in stored_days(pipeline.store, "farm"):
            assert read_day(pipeline.store, "farm", day).broken is None
    if kills >= 20:
        assert len(reached) > 1, "every kill came at the same moment"
    for n in range(3):
        root = f"s3://{s3.name}/killed{n}"
        pipeline = enter(Pipeline(s3.settings(root=root, **catalog)), season)
        environment = s3.environment | {"HYDRO_ROOT": root, "HYDRO_CATALOG": catalog["catalog"]}
        run_and_kill(season, environment, 120)
        assert pixels(pipeline) == expected
        assert table(pipeline) == table(reference)
