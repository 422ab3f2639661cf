"""Puts the assets, checks, jobs, schedules and sensors of all areas together."""

import logging
import warnings
from collections.abc import Sequence
from datetime import date

import dagster as dg

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.defs.alert import failure_alert
from hydro_pipeline.defs.assets import Progress, area_assets
from hydro_pipeline.defs.checks import area_checks
from hydro_pipeline.defs.names import AREA_TAG, days_job, field_stats_job, key
from hydro_pipeline.defs.report import area_report
from hydro_pipeline.defs.schedules import daily
from hydro_pipeline.defs.sensors import late_fields, late_scenes
from hydro_pipeline.defs.upkeep import weekly_upkeep
from hydro_pipeline.errors import HydroError
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.stats.update import StatsReport
from hydro_pipeline.usecases.pipeline import Pipeline


def build_defs(
    pipeline: Pipeline, areas: Sequence[str], progress: Progress | None = None
) -> dg.Definitions:
    """Dagster definitions of `areas`; `progress` gets the report of each day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.Definitions.merge(
            *(_area_defs(pipeline, area) for area in areas),
            dg.Definitions(
                sensors=failure_alert(pipeline.settings),
                resources={"pipeline": pipeline, "progress": progress or _nobody},
                executor=dg.in_process_executor,
            ),
        )


def _area_defs(pipeline: Pipeline, area: str) -> dg.Definitions:
    partitions = dg.DailyPartitionsDefinition(start_date=str(first_day(pipeline, area)))
    assets = area_assets(area, partitions, pipeline.store.backend.kinds)
    composite, stats = key(area, "composite"), key(area, "field_stats")
    jobs = [
        dg.define_asset_job(
            days_job(area),
            selection=dg.AssetSelection.assets(composite, stats),
            tags={AREA_TAG: area},
            description=f"Composite and statistics of {area} for a range of days.",
        ),
        dg.define_asset_job(
            field_stats_job(area),
            selection=dg.AssetSelection.assets(stats),
            tags={AREA_TAG: area},
            description=f"Statistics of {area} alone, from the stored cube.",
        ),
    ]
    return dg.Definitions.merge(
        dg.Definitions(
            assets=dg.with_source_code_references(assets),
            asset_checks=area_checks(area),
            jobs=jobs,
            schedules=[daily(area), weekly_upkeep(area)],
            sensors=[late_fields(area), late_scenes(area)],
        ),
        area_report(area, jobs),
    )


def first_day(pipeline: Pipeline, area: str) -> date:
    """Where the area's partitions begin: the cube's first day, else `HYDRO_START_DATE`, else the
    first day with imagery.

    A cube that cannot be opened must not hold back other areas: it is logged here, and its own
    runs fail with the reason.
    """
    try:
        cube = Cube.open(pipeline.store, area)
    except HydroError as error:
        logging.getLogger("dagster").warning("area %s: %s", area, error)
        cube = None
    settings = pipeline.settings
    start = settings.start_date or settings.product.sensor.first_day
    return cube.first_day if cube else start


def _nobody(_report: DayReport | StatsReport) -> None:
    """Nobody waits for progress when a daemon runs the days."""
