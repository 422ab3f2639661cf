"""How an area stands."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from hydro_pipeline.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.fields.fields import FieldsReading
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.storage.notes import Note, notes
from hydro_pipeline.usecases.state import OBJECTS_AT_ONCE, AreaState


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
    notes: tuple[Note, ...]
    """What went wrong and is not mended, by day."""
    fields: FieldsReading
    stale_days: tuple[dt.date, ...]
    """Committed days with a stale or unwanted row."""
    stale_pairs: int
    """Stale (field, day) pairs plus unwanted rows."""


def status(state: AreaState, today: dt.date) -> AreaStatus:
    """How an area stands; `today` decides which days are missing at the end."""
    stale = state.stale_days()
    pairs = in_threads(state.stale_pairs, stale, OBJECTS_AT_ONCE)
    cube = state.cube
    due = today - dt.timedelta(state.settings.latency_days)
    if cube is None:
        start = state.settings.start_date or due + dt.timedelta(1)
    else:
        start = cube.last_day + dt.timedelta(1)
    return AreaStatus(
        area=state.area,
        first_day=cube.first_day if cube else None,
        last_day=cube.last_day if cube else None,
        gaps=tuple(start + dt.timedelta(i) for i in range((due - start).days + 1)),
        outcomes=_outcomes(cube) if cube else {},
        notes=tuple(notes(state.store, state.name)),
        fields=state.fields,
        stale_days=tuple(stale),
        stale_pairs=sum(len(each.compute) + len(each.drop) for each in pairs),
    )


def _outcomes(cube: Cube) -> dict[str, int]:
    scenes, observed = cube.daily("scene_count"), cube.daily("observed_fraction")
    return {
        "observed": int(np.count_nonzero(observed > 0)),
        "all cloud": int(np.count_nonzero((observed == 0) & (scenes > 0))),
        "no scene": int(np.count_nonzero(scenes == 0)),
    }
