"""The simulated season that most tests run on."""

import datetime as dt
from pathlib import Path

from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import days_of, enter, put_late_fields


def small_season(folder: Path) -> Season:
    """The season of the fixture `season`, in a folder."""
    return simulate(
        folder,
        first_day=dt.date(2024, 4, 1),
        days=10,
        size_km=1.2,
        n_fields=5,
        n_late=1,
    )


def make_season(season: Season, settings: Settings) -> Pipeline:
    """Run the season as area demo under the settings' root, the late field entered last."""
    catalog = str(season.directory / "items.json")
    pipeline = enter(Pipeline(settings.model_copy(update={"catalog": catalog})), season, "demo")
    days = days_of(season)
    for _ in pipeline.ingest_days("demo", days, run_id="a-run"):
        pass
    put_late_fields(pipeline, season, "demo")
    for _ in pipeline.update_field_stats("demo", days):
        pass
    return pipeline
