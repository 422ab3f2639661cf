"""What runs of an area are under way, and how long to wait after failed ones."""

import socket
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

import dagster as dg
import psutil

from hydro_pipeline.defs.names import (
    AREA_TAG,
    ASKED_BY_TAG,
    HOST_TAG,
    PROCESS_TAG,
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
RETRY_QUEUED_WITHIN = timedelta(minutes=5)
CLOCK_STEP_S = 60
"""A process's time of creation moves by less than this while the system's clock is set."""


def active_run(instance: dg.DagsterInstance, area: str, name: Name) -> dg.DagsterRun | None:
    """A queued or running run that makes the area's asset, whoever asked for it; or None.

    A run that failed a moment ago, and whose retry Dagster has yet to queue, is one too.
    """
    end_lost_runs(instance)
    active = instance.get_runs(dg.RunsFilter(statuses=ACTIVE))
    for run in [*active, *_to_be_retried(instance)]:
        if key(area, name) in (run.asset_selection or job_assets(run.job_name)):
            return run
    return None


def _to_be_retried(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={"dagster/will_retry": "true"},
        updated_after=datetime.now(UTC) - RETRY_QUEUED_WITHIN,
    )
    return [r for r in instance.get_runs(failed) if "dagster/auto_retry_run_id" not in r.tags]


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


def process_tags() -> dict[str, str]:
    """Tags by which `end_lost_runs` sees whether the process of a run is still there."""
    me = psutil.Process()
    return {HOST_TAG: socket.gethostname(), PROCESS_TAG: f"{me.pid} {me.create_time():.0f}"}


def end_lost_runs(instance: dg.DagsterInstance) -> None:
    """Fail the runs whose process on this machine was killed, and free their pools.

    Dagster's own monitoring does so on Kubernetes; for local processes it waits for the maximum
    run time, and until then the run would hold its area's pools.
    """
    running = dg.RunsFilter(tags={HOST_TAG: socket.gethostname()}, statuses=ACTIVE)
    for run in instance.get_runs(running):
        process = run.tags.get(PROCESS_TAG, "")
        if not _is_inherited(instance, run, process) and not _is_alive(process):
            instance.report_run_failed(run, "The process of this run was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_inherited(instance: dg.DagsterInstance, run: dg.DagsterRun, process: str) -> bool:
    """Whether a retry has only its parent's tags yet, because its own process has not begun."""
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and parent.tags.get(PROCESS_TAG) == process


def _is_alive(process: str) -> bool:
    pid, created = process.split()
    try:
        started: float = psutil.Process(int(pid)).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - float(created)) < CLOCK_STEP_S
