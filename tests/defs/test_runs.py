"""How long failed days wait, and what becomes of runs whose process was killed."""

import datetime as dt
import os
import subprocess
import sys
import time

import dagster as dg

from hydro_pipeline.defs.names import ASKED_BY_TAG, PROCESS_TAG, range_tags
from hydro_pipeline.defs.runs import (
    FIRST_WAIT,
    LONGEST_WAIT,
    end_lost_runs,
    process_tags,
    wait_until,
)
from tests.support.dagster_runs import add_run, fail


def test_wait_doubles_with_each_failure_and_is_bounded(instance):
    first = dt.date(2024, 4, 6)
    waits = []
    for _ in range(9):
        ended = fail(instance, first)
        waits.append(wait_until(instance, "farm", "farm_daily", first, ended) - ended)
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert wait_until(instance, "farm", "farm_daily", first, ended + LONGEST_WAIT) is None


def test_wait_ends_with_a_success_and_does_not_hold_other_days(instance):
    first = dt.date(2024, 4, 6)
    ended = fail(instance, first)
    assert wait_until(instance, "farm", "farm_daily", first + dt.timedelta(1), ended) is None
    assert wait_until(instance, "farm", "farm_late_fields", first, ended) is None
    tags = {**range_tags(first, first), ASKED_BY_TAG: "farm_daily"}
    add_run(instance, dg.DagsterRunStatus.SUCCESS, **tags)
    assert wait_until(instance, "farm", "farm_daily", first, ended) is None


def test_run_of_a_killed_command_line_is_ended(instance):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    mine = process_tags()
    tags = {**mine, PROCESS_TAG: f"{gone.pid} {time.time():.0f}"}
    lost = add_run(instance, dg.DagsterRunStatus.STARTED, **tags)
    alive = add_run(instance, dg.DagsterRunStatus.STARTED, **mine)
    reused = add_run(
        instance, dg.DagsterRunStatus.STARTED, **mine | {PROCESS_TAG: f"{os.getpid()} 1000000000"}
    )
    elsewhere = add_run(instance, dg.DagsterRunStatus.STARTED, **tags | {"hydro/host": "other"})
    end_lost_runs(instance)
    statuses = [
        instance.get_run_by_id(r.run_id).status.value for r in (lost, reused, alive, elsewhere)
    ]
    assert statuses == ["FAILURE", "FAILURE", "STARTED", "STARTED"]


def test_retry_of_a_killed_run_is_left_to_begin(instance):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    tags = process_tags() | {PROCESS_TAG: f"{gone.pid} {time.time():.0f}"}
    killed = add_run(instance, dg.DagsterRunStatus.FAILURE, **tags)
    retry = instance.add_run(
        dg.DagsterRun(
            job_name=killed.job_name,
            status=dg.DagsterRunStatus.STARTING,
            tags=killed.tags,
            parent_run_id=killed.run_id,
            root_run_id=killed.run_id,
        )
    )
    end_lost_runs(instance)
    assert instance.get_run_by_id(retry.run_id).status is dg.DagsterRunStatus.STARTING
