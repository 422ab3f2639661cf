"""The report page of an area, written anew whenever a run has changed its days or statistics."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from hydro_pipeline.defs.names import AREA_TAG, key
from hydro_pipeline.defs.steps import told_to_dagster
from hydro_pipeline.report.page import write_report
from hydro_pipeline.usecases.pipeline import Pipeline

MINUTE = 60


def area_report(area: str, after: Sequence[Any]) -> dg.Definitions:
    """`[area, "report"]`, a job for it, and a sensor that runs it when a job of `after` is done."""

    @dg.asset(
        key=key(area, "report"),
        deps=[key(area, "field_stats")],
        pool=f"{area}_report",
        group_name=area,
        kinds={"html"},
        description=(
            "One page to look at: map, table and series of all fields and days, made from what is "
            "stored. It needs no network."
        ),
    )
    def report(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        with told_to_dagster(context):
            made = write_report(pipeline.open(area))
        context.add_asset_metadata(
            {
                "page": dg.MetadataValue.path(made.url),
                "bytes": made.size,
                "fields": made.fields,
                "days": made.days,
                "warnings": made.warnings,
            }
        )

    job = dg.define_asset_job(
        f"{area}_report",
        selection=dg.AssetSelection.assets(key(area, "report")),
        tags={AREA_TAG: area},
        description=f"The report page of {area}.",
    )

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name=f"{area}_report",
        monitored_jobs=list(after),
        request_job=job,
        minimum_interval_seconds=MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Writes the report of {area} after each run that made days or statistics.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags={AREA_TAG: area})

    return dg.Definitions(assets=[report], jobs=[job], sensors=[sensor])
