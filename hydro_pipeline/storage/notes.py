"""Notes on what went wrong with an area's days: kept until it is mended, for status and page."""

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from hydro_pipeline.errors import ConflictError, DamagedCubeError, HydroError, MissingDayError
from hydro_pipeline.storage.keys import note_key, noted, scenes_folder
from hydro_pipeline.storage.store import Store


class Step(StrEnum):
    """What was being done to a day when it failed; each has a note of its own."""

    DAY = "day"
    """Making the day from its scenes."""
    STATISTICS = "statistics"
    """Bringing the day's rows up to date."""
    CUBE = "cube"
    """Reading what is stored of the day: its pixels and rows."""


FAILED = {
    Step.DAY: "could not be made",
    Step.STATISTICS: "could not be sampled",
    Step.CUBE: "is damaged",
}


@dataclass(frozen=True)
class Note:
    """What went wrong with one step of one day, last."""

    area: str
    day: dt.date
    step: Step
    error: str
    """The sentence that the error says."""
    cause: str = ""
    """The error's class, for example `SceneGoneError`; empty in notes of 0.1.0."""
    times: int = 1
    """How often in a row the step failed by this cause."""
    run_id: str = ""

    @property
    def told(self) -> str:
        """The note as a sentence."""
        often = f" ({self.times} times in a row)" if self.times > 1 else ""
        return f"{self.day} {FAILED[self.step]}: {self.error}{often}"


def note(
    store: Store, area_name: str, day: dt.date, step: Step, error: HydroError, run_id: str = ""
) -> Note:
    """Leave a note in place of the last one of the same step."""
    cause = type(error).__name__
    last = read_note(store, area_name, day, step)
    times = last.times + 1 if last is not None and last.cause == cause else 1
    made = Note(area_name, day, step, str(error), cause, times, run_id)
    told = asdict(made) | {"day": str(day)}
    store.put(note_key(area_name, day, step), json.dumps(told, indent=1).encode())
    return made


@contextlib.contextmanager
def noting(
    store: Store, area_name: str, day: dt.date, step: Step, run_id: str = ""
) -> Iterator[None]:
    """Leave a note of the error that what is done here on a day ends with; it is raised on.

    Of a `DamagedCubeError` the note is on the day that is damaged, if the damage is one day's. None
    is left of a `MissingDayError` or a `ConflictError`: no day was begun, or another run made it. A
    note that cannot be left hides nothing.
    """
    try:
        yield
    except (MissingDayError, ConflictError):
        raise
    except HydroError as error:
        if isinstance(error, DamagedCubeError) and error.day is not None:
            day, step = error.day, Step.CUBE
        with contextlib.suppress(HydroError):
            note(store, area_name, day, step, error, run_id)
        raise


def clear(store: Store, area_name: str, day: dt.date, step: Step) -> None:
    """Take the note of a step away, if there is one."""
    store.delete(note_key(area_name, day, step))


def noted_days(store: Store, area_name: str, step: Step) -> frozenset[dt.date]:
    """The days with a note of a step; one listing."""
    return frozenset(day for day, noted in _kept(store, area_name) if noted is step)


def notes(store: Store, area_name: str) -> list[Note]:
    """All notes on an area, by day; a note that cannot be read says so itself."""
    read = (read_note(store, area_name, day, step) for day, step in _kept(store, area_name))
    return sorted((each for each in read if each is not None), key=lambda n: (n.day, n.step))


def _kept(store: Store, area_name: str) -> list[tuple[dt.date, Step]]:
    found = [noted(o.key) for o in store.listing(scenes_folder(area_name))]
    return [(day, Step(step)) for day, step in filter(None, found) if step in Step]


def read_note(store: Store, area_name: str, day: dt.date, step: Step) -> Note | None:
    """The note of a step, or None; one that cannot be read says so itself."""
    key = note_key(area_name, day, step)
    data = store.get(key)
    if data is None:
        return None
    try:
        told = json.loads(data)
        return Note(
            area_name, day, step, str(told["error"]), str(told.get("cause", "")),
            int(told.get("times", 1)), str(told.get("run_id", "")),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return Note(area_name, day, step, f"{store.url(key)} cannot be read ({error}); remove it")
