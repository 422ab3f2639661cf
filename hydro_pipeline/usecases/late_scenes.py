"""Which days were made from other scenes than the catalog offers for them now."""

import datetime as dt
from typing import Any

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.scene import Selection
from hydro_pipeline.scenes.selection import select
from hydro_pipeline.usecases.state import AreaState

Version = tuple[str, str | None, str | None, float]
"""What tells a scene from its later self: id, baseline, updated, offset."""


def changed_days(state: AreaState, now: dt.datetime) -> dict[dt.date, str]:
    """Committed days of the last `HYDRO_LOOKBACK_DAYS` with late scenes, each with what differs.

    One search. Scenes that would not be used make no difference; a day without a record counts as
    changed. `now` is aware. Raises what the catalog and the store raise.
    """
    area, cube = state.area, state.cube
    lookback = dt.timedelta(days=state.settings.lookback_days)
    if cube is None or not lookback:
        return {}
    first = max(cube.first_day, area.solar_day(now) - lookback)
    if first > cube.last_day:
        return {}
    offered = open_catalog(state.settings).scenes(area, first, cube.last_day)
    changes = {day: _change(_record(state, day), select(items)) for day, items in offered.items()}
    return {day: change for day, change in sorted(changes.items()) if change}


def _record(state: AreaState, day: dt.date) -> dict[str, Any] | None:
    """A day's record; None if there is none, or it cannot be read."""
    try:
        return state.record(day)
    except StoredObjectError:
        return None


def _change(record: dict[str, Any] | None, selection: Selection) -> str | None:
    """What is new, changed or gone since the day was made, or None."""
    if record is None:
        return "it has no record of its scenes that can be read"
    recorded = {
        used["id"]: (used["id"], used["baseline"], used["updated"], used["offset"])
        for used in record["hydro:used"]
    }
    offered: dict[str, Version] = {
        s.id: (s.id, s.baseline, s.updated, s.offset) for s in selection.scenes
    }
    new = offered.keys() - recorded.keys()
    gone = recorded.keys() - offered.keys()
    changed = {i for i in offered.keys() & recorded.keys() if offered[i] != recorded[i]}
    told = [
        f"{', '.join(sorted(ids))} {verb}"
        for ids, verb in ((new, "is new"), (changed, "has changed"), (gone, "is gone"))
        if ids
    ]
    return "; ".join(told) or None
