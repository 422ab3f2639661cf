"""The simulated season that most tests run on."""

import datetime as dt
from pathlib import Path

from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.usecases.pipeline import Pipeline


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
    pipeline = Pipeline(settings.model_copy(update={"catalog": catalog}))
    area = season.area("demo")
    pipeline.put_area(area)
    put_fields(pipeline.store, area, "fields.geojson", season.fields_geojson)
    days = [season.first_day + dt.timedelta(n) for n in range(season.days)]
    for _ in pipeline.ingest_days("demo", days, run_id="a-run"):
        pass
    put_fields(pipeline.store, area, "late.geojson", season.late_fields_geojson)
    for _ in pipeline.update_field_stats("demo", days):
        pass
    return pipeline
