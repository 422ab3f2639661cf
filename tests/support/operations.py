"""What is done with an area, each as one call, and the states that it is done from.

The season has three days. Of a begun area two are made, and the first has its rows; a late field
has been entered since. So there is something to do for each operation.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.report.page import write_report
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.usecases.late_scenes import changed_days
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import AREA, put_late_fields, set_up

FIRST = dt.date(2024, 4, 1)
DAYS = [FIRST + dt.timedelta(n) for n in range(3)]
NOW = dt.datetime(2024, 4, 4, tzinfo=dt.UTC)


def tiny_season(folder: Path) -> Season:
    """Three days, the first and the last with scenes, two fields and a late one."""
    return simulate(folder, first_day=FIRST, days=3, size_km=0.8, n_fields=2, n_late=1)


def begun(season: Season, root: Path) -> Pipeline:
    """The area as every operation finds it."""
    pipeline = set_up(season, root)
    list(pipeline.ingest_days(AREA, DAYS[:2]))
    list(pipeline.update_field_stats(AREA, DAYS[:1]))
    put_late_fields(pipeline, season)
    return pipeline


def open_area(pipeline: Pipeline) -> None:
    assert pipeline.open(AREA).read().made_cube.length


def read(pipeline: Pipeline) -> None:
    cube = pipeline.open(AREA).made_cube
    for day in cube.days:
        cube.read(day)


def commit(pipeline: Pipeline) -> None:
    list(pipeline.ingest_days(AREA, DAYS[2:], run_id="a-run"))


def statistics(pipeline: Pipeline) -> None:
    list(pipeline.update_field_stats(AREA, DAYS[1:2]))


def catch_up(pipeline: Pipeline) -> None:
    list(pipeline.update_field_stats(AREA, pipeline.open(AREA).stale_days()))


def tidy(pipeline: Pipeline) -> None:
    maintain(pipeline.store, AREA, dt.datetime.now(dt.UTC) + dt.timedelta(2), keep_days=1)


def report(pipeline: Pipeline) -> None:
    write_report(pipeline.open(AREA))


def look_for_late_scenes(pipeline: Pipeline) -> None:
    assert changed_days(pipeline.open(AREA), NOW) == {}


@dataclass(frozen=True)
class Operation:
    """One thing that is done with an area."""

    run: Callable[[Pipeline], None]
    asks: Callable[[str, str], bool]
    """Which requests to a bucket it is about, by method and path."""


def _reads(part: str) -> Callable[[str, str], bool]:
    return lambda method, path: method == "GET" and part in path


OPERATIONS = {
    "open": Operation(open_area, lambda method, path: "/cubes/" in path),
    "read": Operation(read, _reads("/chunks/")),
    "commit": Operation(commit, lambda method, path: method != "GET" and "/cubes/" in path),
    "statistics": Operation(statistics, lambda method, path: "/field_stats/" in path),
    "catch-up": Operation(catch_up, _reads("/chunks/")),
    "maintain": Operation(tidy, lambda method, path: True),
    "report": Operation(report, lambda method, path: "/scenes/" in path or "/reports/" in path),
}
"""On a bucket."""
