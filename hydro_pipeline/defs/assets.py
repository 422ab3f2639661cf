"""The three assets of an area: composite, statistics, and the fields that users drop in."""

from collections.abc import Callable, Set
from datetime import timedelta

import dagster as dg

from hydro_pipeline.defs import metadata
from hydro_pipeline.defs.names import days_of, key
from hydro_pipeline.defs.steps import DaysDone, first_run_id, is_retry, told_to_dagster
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.outside.shown import plain
from hydro_pipeline.stats.update import StatsReport
from hydro_pipeline.storage.keys import fields_folder
from hydro_pipeline.usecases.pipeline import Pipeline

Progress = Callable[[DayReport | StatsReport], None]
"""Called with the report of each day, right after the day is done."""


def area_assets(
    area: str, partitions: dg.DailyPartitionsDefinition, where: Set[str]
) -> list[dg.AssetsDefinition]:
    """`[area, "composite"]`, `[area, "field_stats"]` and the observed `[area, "fields"]`."""
    tags = {"area": area}
    day_before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        key=key(area, "composite"),
        deps=[dg.AssetDep(key(area, "composite"), partition_mapping=day_before)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=f"{area}_cube",
        group_name=area,
        tags=tags,
        kinds={"zarr", "icechunk"} | where,
        description=(
            "Every variable of the area without gaps: what was seen clear on the day, else the day "
            "before's value. "
            "A day is made only after the day before it."
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=48), warn_window=timedelta(hours=30)
        ),
    )
    def composite(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        progress: dg.ResourceParam[Progress],
    ) -> None:
        days, resume = days_of(context.partition_keys), is_retry(context)
        with told_to_dagster(context), DaysDone(context, key(area, "composite")) as done:
            for report in pipeline.ingest_days(
                area, days, run_id=first_run_id(context), resume=resume
            ):
                done.add(report.day, metadata.of_composite(report, pipeline.store))
                context.log.info(f"{area} {report.day}: {report.outcome}")
                for warning in report.warnings:
                    context.log.warning(plain(f"{area} {report.day}: {warning}"))
                progress(report)

    @dg.asset(
        key=key(area, "field_stats"),
        deps=[key(area, "composite"), key(area, "fields")],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=f"{area}_field_stats",
        group_name=area,
        tags=tags,
        kinds={"parquet"} | where,
        description=(
            "One row of statistics per planted field and day. A run computes exactly what is "
            "missing or out of date in its days, from the stored cube."
        ),
    )
    def field_stats(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        progress: dg.ResourceParam[Progress],
    ) -> None:
        days, reports = days_of(context.partition_keys), []
        with told_to_dagster(context), DaysDone(context, key(area, "field_stats")) as done:
            for report in pipeline.update_field_stats(area, days):
                reports.append(report)
                done.add(report.day, metadata.of_stats(report, pipeline.store))
                progress(report)
            done.add(days[-1], metadata.of_stats_run(reports, pipeline.store))

    @dg.multi_observable_source_asset(
        name=f"{area}__fields",
        specs=[
            dg.AssetSpec(
                key(area, "fields"),
                group_name=area,
                tags=tags,
                kinds={"geojson", "parquet"} | where,
                description=(
                    "Field polygons with planting dates: any number of GeoJSON or GeoParquet files "
                    f"in {fields_folder(area)}/, dropped in at any time."
                ),
            )
        ],
    )
    def fields(pipeline: dg.ResourceParam[Pipeline]) -> dg.ObserveResult:
        state = pipeline.open(area)
        return dg.ObserveResult(
            data_version=dg.DataVersion(state.versions["fields"]),
            metadata=metadata.of_fields(state, state.stale_days()),
        )

    return [composite, field_stats, fields]
