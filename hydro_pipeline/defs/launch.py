"""One range run in this process, for the command line."""

import os
import warnings
from datetime import date
from typing import Literal

import dagster as dg

from hydro_pipeline.defs.assets import Progress
from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.names import AREA_TAG, RETRIES_TAG, Name, key, range_tags
from hydro_pipeline.defs.runs import end_lost_runs, process_tags
from hydro_pipeline.errors import HydroError, InputError
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline


def materialize(
    area: str,
    first: date,
    last: date,
    assets: Literal["all", "field_stats"] = "all",
    on_report: Progress | None = None,
    settings: Settings | None = None,
) -> None:
    """Materialize the days `first` to `last` of an area in one ordered run, in this process.

    The run is recorded in the instance of `DAGSTER_HOME` where that is set, else nowhere.
    `on_report` gets the report of each day, right after it is done. Raises the `HydroError` that
    stopped the run, and `KeyboardInterrupt` on Ctrl-C; what was committed before it stays.
    """
    pipeline = Pipeline(settings or Settings.load())
    pipeline.area(area)
    defs = build_defs(pipeline, (area,), on_report)
    names: tuple[Name, ...] = ("composite", "field_stats") if assets == "all" else ("field_stats",)
    _check_range(defs, area, first, last)
    try:
        with _instance() as instance:
            end_lost_runs(instance)
            defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=[key(area, name) for name in names],
                tags={
                    **range_tags(first, last),
                    AREA_TAG: area,
                    RETRIES_TAG: "0",
                    **process_tags(),
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    except dg.Failure as failure:
        if isinstance(failure.__cause__, HydroError):
            raise failure.__cause__ from None
        raise
    except dg.DagsterError as error:
        said = " ".join(str(error).split())
        raise HydroError(f"{area}: Dagster stopped the run of {first} to {last}: {said}") from error
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None


def _instance() -> dg.DagsterInstance:
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    return dg.DagsterInstance.ephemeral()


def _check_range(defs: dg.Definitions, area: str, first: date, last: date) -> None:
    if last < first:
        raise InputError(f"--from {first} is after --to {last}: give the earlier day first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        partitions = defs.resolve_assets_def(key(area, "composite")).partitions_def
    assert partitions is not None
    earliest, latest = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if str(first) < str(earliest) or str(last) > str(latest):
        raise InputError(
            f"area {area}: days {first} to {last} must lie within {earliest} "
            f"(HYDRO_START_DATE, or Sentinel-2's first day) and {latest} (yesterday)"
        )
