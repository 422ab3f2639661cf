"""Runs in an instance, as if they were queued, under way or over."""

import datetime as dt

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from hydro_pipeline.defs.names import AREA_TAG, ASKED_BY_TAG, key, range_tags


def add_run(instance, status, asset="composite", area="farm", job="__ASSET_JOB", **tags):
    run = dg.DagsterRun(
        job_name=job,
        status=status,
        tags={AREA_TAG: area, **tags},
        asset_selection=frozenset([key(area, asset)]) if asset else None,
        remote_job_origin=RemoteJobOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository"), job
        ),
    )
    return instance.add_run(run)


def fail(instance, first, asked_by="farm_daily"):
    tags = {**range_tags(first, first), ASKED_BY_TAG: asked_by}
    run = add_run(instance, dg.DagsterRunStatus.STARTED, **tags)
    instance.report_run_failed(run)
    record = instance.get_run_record_by_id(run.run_id)
    return dt.datetime.fromtimestamp(record.end_time, dt.UTC)
