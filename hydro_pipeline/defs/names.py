"""Names and run tags that assets, schedules, sensors and the command line share."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import dagster as dg

AREA_TAG = "hydro/area"
RETRIES_TAG = "hydro/retries"
"""How often a step tries again after a retryable error; absent: `steps.RETRIES`."""

ASKED_BY_TAG = "hydro/asked_by"
"""The schedule or sensor that asked for the run."""
HOST_TAG = "hydro/host"
PROCESS_TAG = "hydro/process"
"""Process that executes the run on its host: id and time of creation."""
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

Name = Literal["composite", "field_stats", "fields", "report"]


def key(area: str, name: Name) -> dg.AssetKey:
    """`[area, name]`."""
    return dg.AssetKey([area, name])


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run cover the partitions `first` to `last`, both included."""
    return {
        RANGE_START_TAG: first.isoformat(),
        RANGE_END_TAG: last.isoformat(),
    }


def days_of(partition_keys: Sequence[str]) -> list[date]:
    """The days of daily partition keys, ascending."""
    return sorted(date.fromisoformat(k) for k in partition_keys)


def days_job(area: str) -> str:
    """Name of the job that makes composite and statistics."""
    return f"{area}_days"


def field_stats_job(area: str) -> str:
    """Name of the job that makes statistics alone."""
    return f"{area}_field_stats"


def job_assets(job_name: str) -> set[dg.AssetKey]:
    """The assets that a whole run of one of these jobs makes; none for any other job."""
    if job_name.endswith("_field_stats"):
        return {key(job_name.removesuffix("_field_stats"), "field_stats")}
    if job_name.endswith("_days"):
        area = job_name.removesuffix("_days")
        return {key(area, "composite"), key(area, "field_stats")}
    return set()
