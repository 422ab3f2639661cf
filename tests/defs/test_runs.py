"""How long failed days wait, and what becomes of runs whose process was killed."""

import datetime as dt
import os
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest

from hydro_pipeline.defs import runs
from hydro_pipeline.defs.names import ASKED_BY_TAG, PROCESS_TAG, range_tags
from hydro_pipeline.defs.runs import active_run, end_lost_runs, process_tags, wait_until
from tests.support.dagster_runs import add_run, fail


def test_wait_doubles_with_each_failure_from_five_minutes_to_six_hours(instance):
    first = dt.date(2024, 4, 6)
    waits = []
    for _ in range(9):
        ended = fail(instance, first)
        waits.append(wait_until(instance, "farm", "farm_daily", first, ended) - ended)
    minutes = [wait / dt.timedelta(minutes=1) for wait in waits]
    assert minutes == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    assert wait_until(instance, "farm", "farm_daily", first, ended + waits[-1]) is None


def test_wait_ends_with_a_success_and_does_not_hold_other_days(instance):
    first = dt.date(2024, 4, 6)
    ended = fail(instance, first)
    assert wait_until(instance, "farm", "farm_daily", first + dt.timedelta(1), ended) is None
    assert wait_until(instance, "farm", "farm_late_fields", first, ended) is None
    tags = {**range_tags(first, first), ASKED_BY_TAG: "farm_daily"}
    add_run(instance, dg.DagsterRunStatus.SUCCESS, **tags)
    assert wait_until(instance, "farm", "farm_daily", first, ended) is None


@pytest.mark.parametrize(("minutes", "waits"), [(4, True), (6, False)])
def test_a_retry_that_is_to_be_queued_is_waited_for_five_minutes(
    instance, monkeypatch, minutes, waits
):
    tags = {"dagster/will_retry": "true"}
    failed = add_run(instance, dg.DagsterRunStatus.STARTED, **tags)
    instance.report_run_failed(failed)

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(minutes=minutes)

    monkeypatch.setattr(runs, "datetime", Later)
    found = active_run(instance, "farm", "composite")
    assert (found is not None and found.run_id == failed.run_id) is waits


def test_run_of_a_killed_command_line_is_ended(instance):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    mine = process_tags()
    tags = {**mine, PROCESS_TAG: f"{gone.pid} {time.time():.0f}"}
    lost = add_run(instance, dg.DagsterRunStatus.STARTED, **tags)
    alive = add_run(instance, dg.DagsterRunStatus.STARTED, **mine)
    set_clock = f"{os.getpid()} {psutil.Process().create_time() + 50:.0f}"
    moved = add_run(instance, dg.DagsterRunStatus.STARTED, **mine | {PROCESS_TAG: set_clock})
    reused = add_run(
        instance,
        dg.DagsterRunStatus.STARTED,
        **mine | {PROCESS_TAG: f"{os.getpid()} {time.time() - 7e7:.0f}"},
    )
    another = f"{os.getpid()} {psutil.Process().create_time() - 100:.0f}"
    soon = add_run(instance, dg.DagsterRunStatus.STARTED, **mine | {PROCESS_TAG: another})
    elsewhere = add_run(instance, dg.DagsterRunStatus.STARTED, **tags | {"hydro/host": "other"})
    end_lost_runs(instance)
    statuses = [
        instance.get_run_by_id(r.run_id).status.value
        for r in (lost, reused, soon, alive, moved, elsewhere)
    ]
    assert statuses == ["FAILURE"] * 3 + ["STARTED"] * 3


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
