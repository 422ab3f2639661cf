"""Puts the assets, jobs, schedules, sensors and checks of all areas together."""

import warnings
from collections.abc import Sequence
from datetime import date

import dagster as dg

from hydro_pipeline.defs.assets import Progress, area_assets
from hydro_pipeline.field_stats import StatsReport
from hydro_pipeline.ingest import DayReport
from hydro_pipeline.pipeline import Pipeline

EARLIEST = date(2015, 7, 1)
"""First day with Sentinel-2 imagery: where partitions begin while there is no cube."""


def build_defs(
    pipeline: Pipeline, areas: Sequence[str], progress: Progress | None = None
) -> dg.Definitions:
    """Dagster definitions of `areas`; `progress` gets the report of each day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        partitions = dg.DailyPartitionsDefinition(
            start_date=str(pipeline.settings.start_date or EARLIEST)
        )
        return dg.Definitions(
            assets=[asset for area in areas for asset in area_assets(area, partitions)],
            resources={"pipeline": pipeline, "progress": progress or _nobody},
            executor=dg.in_process_executor,
        )


def _nobody(_report: DayReport | StatsReport) -> None:
    """Nobody waits for progress when a daemon runs the days."""
