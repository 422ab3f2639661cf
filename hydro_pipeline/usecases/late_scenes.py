"""Which days would be made from other scenes now: late, newer, readable again, or decided on."""

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydro_pipeline.errors import SceneGoneError, SceneReadError
from hydro_pipeline.imagery.gdal import opens
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.choice import Sources, moment, usable, version
from hydro_pipeline.scenes.decisions import decide
from hydro_pipeline.scenes.scene import Decision, Selection, Verdict
from hydro_pipeline.storage.notes import Step, notes
from hydro_pipeline.usecases.sources import keep_missing, read_sources
from hydro_pipeline.usecases.state import AreaState

PROBES = 32
"""Scenes at most whose files one look tries to open; which ones is left to chance."""
SEEKER = "late scenes"
"""Who takes a skip back when the scene's files can be opened again."""


UNREAD = {SceneGoneError.__name__, SceneReadError.__name__}
"""Causes of notes on days whose files could not be read."""
Probed = str | dt.date
"""A skipped scene, by its id, or a day that could not be made again."""


@dataclass(frozen=True)
class DayLook:
    """What a look at the catalog found of a day in the cube."""

    day: dt.date
    change: str | None
    """Why the day should be made again, or None."""
    missing: tuple[str, ...]
    """Ids of scenes that it is made from, and that the catalog does not offer."""
    readable: tuple[str, ...] = ()
    """Ids of skipped scenes whose files can be opened again."""
    problem: str | None = None
    """Why there is no telling, or what keeps the day from being made again."""


def changed_days(state: AreaState, now: dt.datetime) -> dict[dt.date, str]:
    """Committed days of the last `HYDRO_LOOKBACK_DAYS` to be made again, each with why.

    One search. Scenes that would not be used make no difference, nor does it that the catalog does
    not offer one: that is kept to be shown. Skips of scenes that can be read again are taken back.
    `now` is aware. Raises what the catalog and the store raise.
    """
    area, cube = state.area, state.cube
    lookback = dt.timedelta(days=state.settings.lookback_days)
    if cube is None or not lookback:
        return {}
    first = max(cube.first_day, area.solar_day(now) - lookback)
    looks = look(state, first, cube.last_day)
    take_back(state, looks, now)
    return {each.day: each.change for each in looks if each.change}


def take_back(state: AreaState, looks: Sequence[DayLook], now: dt.datetime) -> None:
    """Take back the skips of scenes that can be read again; `now` is aware."""
    why = "its files can be opened again"
    scenes = sorted({scene for each in looks for scene in each.readable})
    decide(
        state.store,
        state.name,
        [Decision(scene, Verdict.USE, SEEKER, moment(now), why) for scene in scenes],
    )


def look(state: AreaState, first: dt.date, last: dt.date) -> list[DayLook]:
    """What one search found of the days `first` to `last` that are in the cube, in order.

    Keeps which scenes are missing, for status and page. Raises what the catalog and the store
    raise; a day whose record is broken is told of in its `problem`.
    """
    cube = state.cube
    if cube is None:
        return []
    first, last = max(first, cube.first_day), min(last, cube.last_day)
    days = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
    if not days:
        return []
    found = read_sources(state.store, open_catalog(state.settings), state.area, days)
    product = state.settings.product
    keep_missing(state.store, state.name, found, product)
    selections = {day: sources.selection(product) for day, sources in found.items()}
    failed = [
        note.day
        for note in notes(state.store, state.name)
        if note.step is Step.DAY and note.cause in UNREAD and note.day in selections
    ]
    opened = _opened(state, selections, failed)
    counts = dict(zip(cube.days, cube.daily("scene_count").tolist(), strict=True))
    return [_look(day, found[day], selections[day], counts[day], opened) for day in days]


def _opened(
    state: AreaState, selections: Mapping[dt.date, Selection], failed: Sequence[dt.date]
) -> set[Probed]:
    """Which of the skipped scenes, and of the days that failed, have files that open now."""
    files: dict[Probed, Sequence[str]] = {
        day: [href for scene in selections[day].scenes for href in scene.hrefs] for day in failed
    }
    for selection in selections.values():
        for left in selection.left_out:
            scene = usable(left.item, state.settings.product)
            if scene and left.decision.verdict is Verdict.SKIP and not left.decision.opened:
                files[scene.id] = scene.hrefs
    some = random.sample(list(files), min(PROBES, len(files)))
    opened = in_threads(lambda each: opens(files[each], state.settings), some, PROBES)
    return {each for each, is_open in zip(some, opened, strict=True) if is_open}


def _look(
    day: dt.date,
    sources: Sources,
    selection: Selection,
    scene_count: int,
    opened: set[Probed],
) -> DayLook:
    if sources.recorded.record is None:
        why = sources.recorded.problem or "it has no record of its scenes"
        if len(selection.scenes) < scene_count:
            problem = (
                f"{why}; it was made from {scene_count} scenes, and the catalog offers "
                f"{len(selection.scenes)}"
            )
            return DayLook(day, None, (), problem=problem)
        return DayLook(day, str(why), ())
    readable = tuple(left.item.id for left in selection.left_out if left.item.id in opened)
    told = [_told(verb, ids) for verb, ids in _differences(sources, selection).items() if ids]
    if readable:
        told.append(_told("can be read again", readable))
    if not told and day in opened:
        told.append("its files can be read again")
    return DayLook(day, "; ".join(told) or None, selection.missing, readable)


def _differences(sources: Sources, selection: Selection) -> dict[str, list[str]]:
    """What sets the selection apart from what the day was made from: ids of scenes by verb."""
    used = sources.recorded.used
    before = {i: (u["baseline"], u["updated"], u["offset"]) for i, u in used.items()}
    now = {scene.id: version(scene) for scene in selection.scenes}
    left_out = {left.item.id: left.decision.verdict for left in selection.left_out}
    gone = sorted(before.keys() - now.keys())
    return {
        "is new": sorted(now.keys() - before.keys()),
        "has changed": sorted(i for i in now.keys() & before.keys() if now[i] != before[i]),
        "is dropped": [i for i in gone if left_out.get(i) is Verdict.DROP],
        "is skipped": [i for i in gone if left_out.get(i) is Verdict.SKIP],
        "is replaced": [i for i in gone if i not in left_out],
    }


def _told(verb: str, ids: Sequence[str]) -> str:
    return f"{', '.join(ids)} {verb}"
