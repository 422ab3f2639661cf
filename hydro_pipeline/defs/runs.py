"""What runs of an area are under way, and how long to wait after failed ones."""

import os
import socket
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

import dagster as dg

from hydro_pipeline.defs.names import (
    AREA_TAG,
    ASKED_BY_TAG,
    HOST_TAG,
    PID_TAG,
    RANGE_START_TAG,
    Name,
    job_assets,
    key,
)

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)


def active_run(instance: dg.DagsterInstance, area: str, name: Name) -> dg.DagsterRun | None:
    """A queued or running run that makes the area's asset, whoever asked for it; or None."""
    end_lost_runs(instance)
    for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE)):
        if key(area, name) in (run.asset_selection or job_assets(run.job_name)):
            return run
    return None


def wait_until(
    instance: dg.DagsterInstance, area: str, asked_by: str, first: date, now: datetime
) -> datetime | None:
    """When a run that begins on `first` may be asked for again, or None if it may now.

    The wait doubles with every failure in a row, from `FIRST_WAIT` to `LONGEST_WAIT`. A run that
    got further fails with another first day, and is not waited for.
    """
    tags = {AREA_TAG: area, ASKED_BY_TAG: asked_by, RANGE_START_TAG: first.isoformat()}
    records = instance.get_run_records(dg.RunsFilter(tags=tags), limit=10)
    failed = list(takewhile(lambda r: r.dagster_run.status is dg.DagsterRunStatus.FAILURE, records))
    if not failed:
        return None
    ended = datetime.fromtimestamp(failed[0].end_time or 0, UTC)
    until = ended + min(FIRST_WAIT * 2 ** (len(failed) - 1), LONGEST_WAIT)
    return until if now < until else None


def lost_if_killed() -> dict[str, str]:
    """Tags by which `end_lost_runs` finds a run of this process after it was killed."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}


def end_lost_runs(instance: dg.DagsterInstance) -> None:
    """Fail the runs of command lines on this machine that were killed, and free their pools."""
    filters = dg.RunsFilter(tags={HOST_TAG: socket.gethostname()}, statuses=ACTIVE)
    for run in instance.get_runs(filters):
        if not _is_alive(int(run.tags[PID_TAG])):
            instance.report_run_failed(run, "The process of this run was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
