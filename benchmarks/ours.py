"""What hydro_pipeline does in the measured processes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np

from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.kernel import load_kernel
from hydro_pipeline.usecases.pipeline import Pipeline

load_kernel()
"""Numba imports most of itself when it is first used; imports are not measured."""


def run_days(settings: Settings, days: list[dt.date], name: str = "farm") -> Any:
    """Composite and statistics of the days; seconds by stage, summed."""
    pipeline = Pipeline(settings)
    stages: defaultdict[str, float] = defaultdict(float)
    for report in pipeline.ingest_days(name, days):
        _add(stages, report.seconds)
    for stats in pipeline.update_field_stats(name, days):
        stages["statistics"] += stats.seconds
    return {"stages": dict(stages)}


def composite(settings: Settings, days: list[dt.date], name: str = "farm") -> Any:
    """The composite of the days alone."""
    stages: defaultdict[str, float] = defaultdict(float)
    written = 0
    for report in Pipeline(settings).ingest_days(name, days):
        _add(stages, report.seconds)
        written += report.bytes_written
    return {"stages": dict(stages), "bytes_written": written}


def _add(stages: defaultdict[str, float], seconds: dict[str, float]) -> None:
    for stage, value in seconds.items():
        stages[stage] += value


def catch_up(settings: Settings, name: str = "farm") -> Any:
    """What a late run does: find the stale days, compute them."""
    pipeline = Pipeline(settings)
    reports = list(pipeline.update_field_stats(name, pipeline.open(name).stale_days()))
    return {
        "pairs": sum(len(r.computed) for r in reports),
        "chunks": sum(r.chunks_read for r in reports),
    }


def table(settings: Settings, name: str = "farm") -> dict[tuple[dt.date, str], dict[str, Any]]:
    """Every stored row by day and field."""
    rows = Pipeline(settings).open(name).stats().to_pylist()
    return {(row["date"], row["field_id"]): row for row in rows}


COMPARED = {
    "mean": "ndvi_mean",
    "median": "ndvi_median",
    "std": "ndvi_std",
    "min": "ndvi_min",
    "max": "ndvi_max",
    "count": "pixel_count",
}


def largest_differences(
    ours: dict[tuple[dt.date, str], dict[str, Any]],
    theirs: dict[tuple[dt.date, str], dict[str, Any]],
    without: Collection[str] = (),
) -> dict[str, float]:
    """By statistic; raises if a pair that is in `theirs` is not in `ours`.

    Leave the median out where pixels have different weights: exactextract's jumps where rounding
    to the stored steps changes the order of two pixels.
    """
    compared = {name: column for name, column in COMPARED.items() if name not in without}
    largest = dict.fromkeys(compared, 0.0)
    for key, row in theirs.items():
        for name, column in compared.items():
            mine = ours[key][column]
            value = row[name]
            if mine is None or value is None or np.isnan(value):
                if mine is not None or not (value is None or np.isnan(value)):
                    raise AssertionError(f"{key}: {name} is {mine} here and {value} there")
                continue
            largest[name] = max(largest[name], abs(mine - value))
    return largest
