"""What operators see of the scenes of an area's days, and decide on them."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pystac

from hydro_pipeline.days import ranges
from hydro_pipeline.errors import InputError, StoredObjectError
from hydro_pipeline.imagery.gdal import opens
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.choice import moment, skip, usable
from hydro_pipeline.scenes.decisions import decide, read_decisions
from hydro_pipeline.scenes.missing import read_missing
from hydro_pipeline.scenes.recorded import read_recorded
from hydro_pipeline.scenes.scene import Decision, Verdict
from hydro_pipeline.storage.notes import notes
from hydro_pipeline.usecases.state import OBJECTS_AT_ONCE, AreaState

ONE_DAY = dt.timedelta(1)


@dataclass(frozen=True)
class SceneUse:
    """A scene of a day, and what became of it."""

    day: dt.date
    scene: str
    """Its id; empty where the day has no scene, or no record that can be read."""
    used_share: float | None
    """Share of the area's pixels that the day took from it; None if it is not used."""
    state: str
    """`used`, `missing` (used, and not offered any more), `dropped`, `skipped`, `refused`, `no
    scene` or `no record`."""
    why: str


def scene_uses(
    state: AreaState, first: dt.date | None = None, last: dt.date | None = None
) -> list[SceneUse]:
    """What the days of the cube from `first` to `last` are made from, by day and scene.

    None is no bound. Reads records only. Raises `StoredObjectError` where the decisions are broken.
    """
    days = [
        day
        for day in (state.cube.days if state.cube else [])
        if (first is None or day >= first) and (last is None or day <= last)
    ]
    missing = {(each.day, each.scene) for each in read_missing(state.store, state.name)}
    decisions = read_decisions(state.store, state.name)
    of_days = in_threads(lambda day: _uses(state, day), days, OBJECTS_AT_ONCE)
    found = []
    for each in (use for uses in of_days for use in uses):
        decision = decisions.get(each.scene)
        if each.state != "used":
            found.append(each)
        elif decision is not None and decision.verdict is Verdict.DROP:
            found.append(_as(each, "used", f"still: {decision.told}"))
        elif (each.day, each.scene) in missing:
            found.append(_as(each, "missing", "the catalog does not offer it any more"))
        else:
            found.append(each)
    return found


def drop(state: AreaState, scene: str, by: str, now: dt.datetime, why: str = "") -> list[dt.date]:
    """Decide to do without a scene, whatever version is offered; the days to be made again for it.

    Raises `InputError` if no such scene is known, and what the store and the catalog raise.
    """
    days, _ = _known(state, scene)
    decide(state.store, state.name, [Decision(scene, Verdict.DROP, by, moment(now), why)])
    return days


def skip_scene(state: AreaState, scene: str, by: str, now: dt.datetime, why: str) -> list[dt.date]:
    """Decide to do without a scene until it is another; the days to be made again for it.

    Raises `InputError` if no such scene is known, and what the store and the catalog raise.
    """
    days, item = _known(state, scene)
    product = state.settings.product
    found = usable(item, product)
    opened = found is None or opens(found.hrefs, state.settings)
    decide(state.store, state.name, [skip(item, product, by, now, why, opened)])
    return days


def undo(
    state: AreaState, scene: str, verdict: Verdict, by: str, now: dt.datetime, why: str = ""
) -> list[dt.date]:
    """Take the last decision on a scene back; the days to be made again for it.

    Raises `InputError` if that was not decided.
    """
    decision = read_decisions(state.store, state.name).get(scene)
    if decision is None or decision.verdict is not verdict:
        found = decision.told if decision else "nothing is decided on it"
        raise InputError(f"{state.name}: {scene} has no {verdict.value} to undo: {found}")
    decide(state.store, state.name, [Decision(scene, Verdict.USE, by, moment(now), why)])
    return [day for day, _ in _in_records(state, scene)]


def _known(state: AreaState, scene: str) -> tuple[list[dt.date], pystac.Item]:
    """The days of the cube whose records know a scene, and its newest known item."""
    recorded = _in_records(state, scene)
    if recorded:
        return [day for day, _ in recorded], recorded[-1][1]
    cube = state.cube
    days = {note.day for note in notes(state.store, state.name)}.union(_named_days(scene))
    catalog = open_catalog(state.settings)
    for first, last in ranges(days):
        for day, offer in catalog.scenes(state.area, first, last).items():
            for item in offer.known:
                if item.id == scene:
                    return ([day] if cube and day in cube.revisions else []), item
    raise InputError(
        f"{state.name}: no scene {scene!r} is in its records, nor offered for the days that "
        f"failed; hydro scenes list {state.name} shows those that are"
    )


def _in_records(state: AreaState, scene: str) -> list[tuple[dt.date, pystac.Item]]:
    """The days of the cube whose records keep a scene, with its item."""
    days = state.cube.days if state.cube else []
    recorded = read_recorded(state.store, state.area, state.settings.collection, days)
    return [
        (day, item) for day, each in recorded.items() for item in each.items if item.id == scene
    ]


def _named_days(scene: str) -> list[dt.date]:
    """The days around the one that a scene's id names, if it names one."""
    for text in re.findall(r"(?<!\d)\d{8}(?!\d)", scene):
        try:
            day = dt.datetime.strptime(text, "%Y%m%d").date()
        except ValueError:
            continue
        return [day - ONE_DAY, day, day + ONE_DAY]
    return []


def _uses(state: AreaState, day: dt.date) -> Sequence[SceneUse]:
    try:
        record = state.record(day)
    except StoredObjectError as error:
        return [SceneUse(day, "", None, "no record", str(error))]
    if record is None:
        return [SceneUse(day, "", None, "no record", "it is not there")]
    done = {Verdict.DROP.value: "dropped", Verdict.SKIP.value: "skipped"}
    uses = [SceneUse(day, u["id"], u["used_share"], "used", "") for u in record["hydro:used"]]
    uses += [
        SceneUse(day, left["id"], None, done[left["verdict"]], f"by {left['by']}: {left['why']}")
        for left in record.get("hydro:left_out", [])
    ]
    uses += [SceneUse(day, r["id"], None, "refused", r["reason"]) for r in record["hydro:refused"]]
    return uses or [SceneUse(day, "", None, "no scene", "")]


def _as(use: SceneUse, state: str, why: str) -> SceneUse:
    return SceneUse(use.day, use.scene, use.used_share, state, why)
