"""How an area stands."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import CubeMeaningError, StoredObjectError
from hydro_pipeline.fields.fields import FieldsReading
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.scenes.day_record import refused_of, warnings_of
from hydro_pipeline.scenes.decisions import read_decisions
from hydro_pipeline.scenes.missing import Missing, read_missing
from hydro_pipeline.scenes.scene import Decision
from hydro_pipeline.storage.notes import Note, Step, notes
from hydro_pipeline.usecases.displaced import pending, remembered
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
    """Committed days by `observed`, `all cloud`, `no scene`, `refused`."""
    refused: dict[dt.date, int]
    """Committed days with scenes that could not be used, and how many."""
    warnings: tuple[str, ...]
    """What is wrong with the scenes of committed days, the last day first."""
    notes: tuple[Note, ...]
    """What went wrong and is not mended, by day."""
    missing: tuple[Missing, ...]
    """Scenes that days are made from, and that the catalog did not offer when asked last."""
    left_out: tuple[Decision, ...]
    """What was decided on scenes and holds."""
    problems: tuple[str, ...]
    """Stored objects about scenes that cannot be read."""
    fields: FieldsReading
    remarks: tuple[str, ...]
    """Sentences on what people gave: the area and its fields; see `AreaState.remarks`."""
    displaced: tuple[str, ...]
    """Sentences on rows that go, or went lately, because fields were edited."""
    mismatch: str | None
    """Why the cube cannot be used with the area; None if it can."""
    stale_days: tuple[dt.date, ...]
    """Committed days with a stale or unwanted row."""
    stale_pairs: int
    """Stale (field, day) pairs plus unwanted rows."""


def status(state: AreaState, today: dt.date) -> AreaStatus:
    """How an area stands; `today` decides which days are missing at the end."""
    try:
        cube, mismatch = state.cube, None
    except CubeMeaningError as error:
        cube, mismatch = None, str(error)
    stale = [] if mismatch else state.stale_days()
    pairs = in_threads(state.stale_pairs, stale, OBJECTS_AT_ONCE)
    days = cube.days if cube else []
    told = in_threads(lambda day: _told(state, day), days, OBJECTS_AT_ONCE)
    records = {day: record for day, (record, _) in zip(days, told, strict=True) if record}
    due = today - dt.timedelta(state.settings.latency_days)
    going = [row for pair in pairs for row in pair.displaced]
    if mismatch:
        start = due + dt.timedelta(1)
    elif cube is None:
        start = state.settings.start_date or due + dt.timedelta(1)
    else:
        start = cube.last_day + dt.timedelta(1)
    problems: list[str] = []
    missing = _or_told(problems, lambda: read_missing(state.store, state.name)) or ()
    decisions = _or_told(problems, lambda: read_decisions(state.store, state.name)) or {}
    return AreaStatus(
        area=state.area,
        first_day=cube.first_day if cube else None,
        last_day=cube.last_day if cube else None,
        gaps=tuple(start + dt.timedelta(i) for i in range((due - start).days + 1)),
        outcomes=_outcomes(cube, records) if cube else {},
        refused={day: len(found) for day in records if (found := refused_of(records[day]))},
        warnings=tuple(text for _, warnings in reversed(told) for text in warnings),
        notes=tuple(
            _stays(note, cube)
            for note in notes(state.store, state.name)
            if _stands(note, cube, stale)
        ),
        missing=missing,
        left_out=tuple(decisions.values()),
        problems=tuple(problems),
        fields=state.fields,
        remarks=state.remarks,
        displaced=(*remembered(state.store, state.name, today), *pending(state, going)),
        mismatch=mismatch,
        stale_days=tuple(stale),
        stale_pairs=sum(len(each.compute) + len(each.drop) for each in pairs),
    )


def _or_told[T](problems: list[str], read: Callable[[], T]) -> T | None:
    """What `read` gives; None, and a sentence more in `problems`, where it is broken."""
    try:
        return read()
    except StoredObjectError as error:
        problems.append(str(error))
        return None


def _stands(note: Note, cube: Cube | None, stale: Sequence[dt.date]) -> bool:
    """Whether what is noted is still so: not of rows that are right or not wanted any more, nor of
    a day before the cube, which will never be made.
    """
    if note.step is Step.STATISTICS:
        return note.day in stale
    return cube is None or note.day >= cube.first_day


def _stays(note: Note, cube: Cube | None) -> Note:
    """The note; of a day in the cube, that its pixels are still there."""
    if note.step is not Step.DAY or cube is None or note.day not in cube.revisions:
        return note
    return replace(note, error=f"{note.error}; what is stored of it stays")


def _told(state: AreaState, day: dt.date) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A day's record, and sentences on it; empty where there is none. A broken one says so."""
    try:
        record = state.record(day)
    except StoredObjectError as error:
        return {}, (str(error),)
    return (record, tuple(f"{day}: {text}" for text in warnings_of(record))) if record else ({}, ())


def _outcomes(cube: Cube, records: dict[dt.date, dict[str, Any]]) -> dict[str, int]:
    scenes, observed = cube.daily("scene_count"), cube.daily("observed_fraction")
    refused = sum(record["hydro:outcome"] == "refused" for record in records.values())
    return {
        "observed": int(np.count_nonzero(observed > 0)),
        "all cloud": int(np.count_nonzero((observed == 0) & (scenes > 0))),
        "no scene": int(np.count_nonzero(scenes == 0)) - refused,
        "refused": refused,
    }
