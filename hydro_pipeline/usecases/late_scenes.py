"""Which days were made from other scenes than the catalog offers for them now."""

import datetime as dt

from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.day_record import from_bytes
from hydro_pipeline.scenes.scene import Selection
from hydro_pipeline.scenes.selection import select
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.usecases.pipeline import Pipeline

Version = tuple[str, str | None, str | None, float]
"""What tells a scene from its later self: id, baseline, updated, offset."""


def changed_days(pipeline: Pipeline, name: str, now: dt.datetime) -> dict[dt.date, str]:
    """Committed days of the last `HYDRO_LOOKBACK_DAYS` with late scenes, each with what differs.

    One search. Scenes that would not be used make no difference; a day without a record counts as
    changed. `now` is aware. Raises what the catalog and the store raise.
    """
    area, cube = pipeline.area(name), pipeline.cube(name)
    lookback = dt.timedelta(days=pipeline.settings.lookback_days)
    if cube is None or not lookback:
        return {}
    first = max(cube.first_day, area.solar_day(now) - lookback)
    if first > cube.last_day:
        return {}
    offered = open_catalog(pipeline.settings).scenes(area, first, cube.last_day)
    changes = {day: _change(pipeline, name, day, select(items)) for day, items in offered.items()}
    return {day: change for day, change in sorted(changes.items()) if change}


def _change(pipeline: Pipeline, name: str, day: dt.date, selection: Selection) -> str | None:
    """What is new, changed or gone since the day was made, or None."""
    data = pipeline.store.get(scenes_key(name, day))
    if data is None:
        return "it has no record of its scenes"
    recorded = {
        used["id"]: (used["id"], used["baseline"], used["updated"], used["offset"])
        for used in from_bytes(data)["hydro:used"]
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
