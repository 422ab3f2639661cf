"""How an area stands."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from hydro_pipeline.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.fields.fields import FieldsReading


@dataclass(frozen=True)
class AreaStatus:
    """How an area stands."""

    area: Area
    first_day: dt.date | None
    last_day: dt.date | None
    """Range of the committed days; None without a cube."""
    gaps: tuple[dt.date, ...]
    """Days up to yesterday's latency that are not in the cube, oldest first."""
    outcomes: dict[str, int]
    """Committed days by `observed`, `all cloud`, `no scene`."""
    failed: dict[dt.date, str]
    """Days whose last attempt failed to read a scene, with the error."""
    fields: FieldsReading
    stale_days: tuple[dt.date, ...]
    """Committed days with a stale or unwanted row."""
    stale_pairs: int
    """Stale (field, day) pairs plus unwanted rows."""


def _outcomes(cube: Cube) -> dict[str, int]:
    scenes, observed = cube.daily("scene_count"), cube.daily("observed_fraction")
    return {
        "observed": int(np.count_nonzero(observed > 0)),
        "all cloud": int(np.count_nonzero((observed == 0) & (scenes > 0))),
        "no scene": int(np.count_nonzero(scenes == 0)),
    }
