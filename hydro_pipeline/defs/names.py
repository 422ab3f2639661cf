"""Names and run tags that assets, schedules, sensors and the command line share."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import dagster as dg

AREA_TAG = "hydro/area"
RETRIES_TAG = "hydro/retries"
"""How often a step tries again after a retryable error; absent: `assets.RETRIES`."""

Name = Literal["ndvi_composite", "field_stats", "fields"]


def key(area: str, name: Name) -> dg.AssetKey:
    """`[area, name]`."""
    return dg.AssetKey([area, name])


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run cover the partitions `first` to `last`, both included."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


def days_of(partition_keys: Sequence[str]) -> list[date]:
    """The days of daily partition keys, ascending."""
    return sorted(date.fromisoformat(k) for k in partition_keys)
