"""Simulated seasons, made once and kept."""

import datetime as dt
import pickle
from pathlib import Path
from typing import Any

from hydro_pipeline.area.area import Area
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.usecases.pipeline import Pipeline

FIRST_DAY = dt.date(2024, 4, 1)
GRAIN = 0.02
"""Makes a pixel take about 1.5 bytes in its file, as in real scenes."""


def season(folder: Path, name: str, **arguments: Any) -> Season:
    """The season of that name, simulated at the first call. Its `land` is left out."""
    directory = folder / name
    kept = directory / "season.pickle"
    arguments = {"first_day": FIRST_DAY, "grain": GRAIN, **arguments}
    if kept.exists():
        known, stored = pickle.loads(kept.read_bytes())
        if known == arguments and isinstance(stored, Season):
            return stored
    made = simulate(directory, **arguments)
    object.__setattr__(made, "land", None)
    kept.write_bytes(pickle.dumps((arguments, made)))
    return made


def days_of(made: Season) -> list[dt.date]:
    """Every day of a season."""
    return [made.first_day + dt.timedelta(n) for n in range(made.days)]


def prepare(settings: Settings, made: Season, name: str = "farm") -> Area:
    """Store the season's area and the fields known from the start."""
    pipeline = Pipeline(settings)
    area = made.area(name)
    pipeline.put_area(area)
    pipeline.store.put(f"inputs/{name}/fields/fields.geojson", made.fields_geojson)
    return area
