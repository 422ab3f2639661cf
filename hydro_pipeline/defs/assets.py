"""The three assets of an area: composite, statistics, and the fields that users drop in."""

import contextlib
from collections.abc import Callable, Iterator

import dagster as dg

from hydro_pipeline.defs import metadata
from hydro_pipeline.defs.names import RETRIES_TAG, days_of, key
from hydro_pipeline.errors import HydroError
from hydro_pipeline.field_stats import StatsReport
from hydro_pipeline.fields import fields_etag
from hydro_pipeline.ingest import DayReport
from hydro_pipeline.pipeline import Pipeline

RETRIES = 3
RETRY_WAIT_S = 15.0
"""Wait before the first retry; each further one waits four times longer."""

Progress = Callable[[DayReport | StatsReport], None]
"""Called with the report of each day, right after the day is done."""


def area_assets(
    area: str, partitions: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition | dg.SourceAsset]:
    """`[area, "ndvi_composite"]`, `[area, "field_stats"]` and the observed `[area, "fields"]`."""
    day_before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        key=key(area, "ndvi_composite"),
        deps=[dg.AssetDep(key(area, "ndvi_composite"), partition_mapping=day_before)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=f"{area}_cube",
        group_name=area,
        kinds={"zarr", "icechunk"},
        description=(
            "Daily NDVI without gaps: what was seen clear on the day, else the day before's value. "
            "A day is made only after the day before it."
        ),
    )
    def ndvi_composite(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        progress: dg.ResourceParam[Progress],
    ) -> None:
        with told_to_dagster(context):
            days = days_of(context.partition_keys)
            for report in pipeline.ingest_days(
                area, days, run_id=_first_run_id(context), resume=_is_retry(context)
            ):
                context.add_asset_metadata(
                    metadata.of_composite(report, pipeline.store),
                    partition_key=report.day.isoformat(),
                )
                context.log.info(f"{area} {report.day}: {report.outcome}")
                for warning in report.warnings:
                    context.log.warning(f"{area} {report.day}: {warning}")
                progress(report)

    @dg.asset(
        key=key(area, "field_stats"),
        deps=[key(area, "ndvi_composite"), key(area, "fields")],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=f"{area}_field_stats",
        group_name=area,
        kinds={"parquet"},
        description=(
            "One row of NDVI statistics per planted field and day. A run computes exactly what is "
            "missing or out of date in its days, from the stored cube."
        ),
    )
    def field_stats(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        progress: dg.ResourceParam[Progress],
    ) -> None:
        with told_to_dagster(context):
            days = days_of(context.partition_keys)
            for report in pipeline.update_field_stats(area, days):
                context.add_asset_metadata(
                    metadata.of_stats(report, pipeline.store),
                    partition_key=report.day.isoformat(),
                )
                progress(report)

    @dg.observable_source_asset(
        key=key(area, "fields"),
        group_name=area,
        description=(
            f"Field polygons with planting dates: any number of GeoJSON or GeoParquet files in "
            f"inputs/{area}/fields/, dropped in at any time."
        ),
    )
    def fields(pipeline: dg.ResourceParam[Pipeline]) -> dg.ObserveResult:
        return dg.ObserveResult(
            data_version=dg.DataVersion(fields_etag(pipeline.store, area)),
            metadata=metadata.of_fields(pipeline.fields(area)),
        )

    return [ndvi_composite, field_stats, fields]


@contextlib.contextmanager
def told_to_dagster(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Ask for a retry where one can help; else fail with the error's own sentence."""
    try:
        yield
    except HydroError as error:
        retries = int(context.run.tags.get(RETRIES_TAG, RETRIES))
        if error.retryable and context.retry_number < retries:
            context.log.warning(f"{error}; trying again")
            raise dg.RetryRequested(
                max_retries=retries, seconds_to_wait=RETRY_WAIT_S * 4**context.retry_number
            ) from error
        raise dg.Failure(str(error), allow_retries=False) from error


def _first_run_id(context: dg.AssetExecutionContext) -> str:
    return context.run.root_run_id or context.run.run_id


def _is_retry(context: dg.AssetExecutionContext) -> bool:
    """True where the same run, or one re-executed from its failure, tries the same days again."""
    return context.retry_number > 0 or context.run.tags.get("dagster/is_resume_retry") == "true"
