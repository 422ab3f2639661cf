"""An area set up and run under some root, and what is stored of it then, for tests to compare."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.stats.update import StatsReport
from hydro_pipeline.usecases.pipeline import Pipeline

AREA = "farm"


def days_of(season: Season) -> list[dt.date]:
    """Every day of a season."""
    return [season.first_day + dt.timedelta(n) for n in range(season.days)]


def set_up(
    season: Season, root: Path | str | None = None, name: str = AREA, **overrides: Any
) -> Pipeline:
    """A pipeline under `root`, None: `HYDRO_ROOT`, that knows a season's area and fields.

    The catalog is the season's own file where none is given.
    """
    given = {"catalog": str(season.directory / "items.json"), **overrides}
    if root is not None:
        given["root"] = str(root)
    return enter(Pipeline(Settings.load(**given)), season, name)


def enter(pipeline: Pipeline, season: Season, name: str = AREA) -> Pipeline:
    """The pipeline, which knows a season's area and fields then."""
    pipeline.put_area(season.area(name))
    put_fields(pipeline.store, season.area(name), "fields.geojson", season.fields_geojson)
    return pipeline


def put_late_fields(pipeline: Pipeline, season: Season, name: str = AREA) -> None:
    """Enter the season's late fields."""
    put_fields(pipeline.store, season.area(name), "late.geojson", season.late_fields_geojson)


def run(
    pipeline: Pipeline, days: Sequence[dt.date], name: str = AREA
) -> tuple[list[DayReport], list[StatsReport]]:
    """Make days and their statistics."""
    made = list(pipeline.ingest_days(name, days))
    return made, list(pipeline.update_field_stats(name, days))


def pixels(pipeline: Pipeline, name: str = AREA) -> list[tuple[bytes, ...]]:
    """NDVI and observed_on of every committed day, as they are in the store now."""
    cube = Cube.open(pipeline.store, name)
    if cube is None:
        return []
    return [tuple(a.tobytes() for a in cube.read(day)) for day in cube.days]


def table(pipeline: Pipeline, name: str = AREA) -> list[dict[str, Any]]:
    """Every row of statistics, without the time when it was computed."""
    return pipeline.open(name).stats().drop_columns(["computed_at"]).to_pylist()


def content(pipeline: Pipeline, name: str = AREA) -> tuple[Any, Any]:
    """Pixels and rows of an area."""
    return pixels(pipeline, name), table(pipeline, name)


def stored(pipeline: Pipeline) -> dict[str, str]:
    """Every object that holds data, by key, with its ETag."""
    return {
        o.key: o.etag
        for folder in ("inputs", "cubes", "scenes", "field_stats")
        for o in pipeline.store.listing(folder)
    }
