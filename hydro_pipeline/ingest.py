"""Make one day of an area's cube: scenes to imagery to composite to commit."""

import datetime as dt
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any

import dask
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from hydro_pipeline.area import Area
from hydro_pipeline.composite import NODATA, SCALE, USED, VALID, Block, composite_block
from hydro_pipeline.cube import Window, day_number
from hydro_pipeline.cube_edit import DayEdit
from hydro_pipeline.cube_writer import CubeWriter
from hydro_pipeline.day_record import day_record, to_bytes, warnings_of
from hydro_pipeline.errors import SceneError, SceneReadError
from hydro_pipeline.imagery import Imagery
from hydro_pipeline.look_ahead import DayImagery
from hydro_pipeline.selection import Refusal
from hydro_pipeline.settings import OffsetCheck, Settings
from hydro_pipeline.store import Store

THREADS = 8
"""Reads at once: they mostly wait for answers."""
PREVIEW_PX = 300


@dataclass(frozen=True)
class DayReport:
    """What was done for one day."""

    area: str
    day: dt.date
    outcome: str
    """`observed`, `all cloud` or `no scene`."""
    scenes: tuple[str, ...]
    """Ids of the scenes used, in order of priority."""
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    observed_fraction: float
    """Share of the area's pixels seen clear on this very day."""
    valid_fraction: float
    """Share of the area's pixels that have a value."""
    mean_age_days: float | None
    """Mean age of the values; None where there are none."""
    mean_ndvi: float | None
    revision: int
    changed: bool
    """Whether any pixel of the day changed."""
    refreshed: tuple[dt.date, ...]
    """Later days whose pixels changed with it."""
    bytes_written: int
    """Encoded bytes of the chunks written."""
    seconds: dict[str, float]
    """Per stage."""
    preview: NDArray[np.int16]
    """NDVI thinned to at most 300 pixels on a side, units of 1e-4, nodata -32768."""
    preview_age: NDArray[np.int16]
    """Age thinned the same way, days, -1 where there is no value."""


class _Summary:
    """Sums over the blocks of a day, filled from several threads."""

    def __init__(self, shape: tuple[int, int], scenes: int, day: int) -> None:
        self.pixels = shape[0] * shape[1]
        self.counts = np.zeros((scenes, 5), np.int64)
        self.valid = self.observed = 0
        self.age_sum = self.ndvi_sum = 0
        self.step = -(-max(shape) // PREVIEW_PX)
        thinned = tuple(-(-side // self.step) for side in shape)
        self.preview = np.full(thinned, NODATA, np.int16)
        self.preview_age = np.full(thinned, -1, np.int16)
        self._day = day
        self._lock = Lock()

    def add(self, window: Window, block: Block) -> None:
        """Take in one block of the composite."""
        has_value = block.ndvi != NODATA
        age = np.where(has_value, self._day - block.observed_on, -1).astype(np.int16)
        starts = [-(-s.start // self.step) for s in window]
        inner = tuple(
            slice(start * self.step - s.start, None, self.step)
            for start, s in zip(starts, window, strict=True)
        )
        thin = block.ndvi[inner]
        outer = tuple(
            slice(start, start + size) for start, size in zip(starts, thin.shape, strict=True)
        )
        self.preview[outer] = thin
        self.preview_age[outer] = age[inner]
        with self._lock:
            self.counts += block.counts
            self.valid += int(np.count_nonzero(has_value))
            self.observed += int(np.count_nonzero(age == 0))
            self.age_sum += int(age.sum(where=has_value, dtype=np.int64))
            self.ndvi_sum += int(block.ndvi.sum(where=has_value, dtype=np.int64))


def ingest_day(
    store: Store,
    area: Area,
    settings: Settings,
    writer: CubeWriter,
    day: dt.date,
    reading: "Future[DayImagery]",
    run_id: str,
) -> DayReport:
    """Make `day` from its imagery and commit it.

    Raises `SceneReadError` where pixels cannot be read, and what `CubeWriter.begin` and
    `DayEdit.commit` raise; nothing is stored then.
    """
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    found = reading.result()
    selection, imagery = found.selection, found.imagery
    seconds["read"] = time.perf_counter() - started
    started = time.perf_counter()
    edit = writer.begin(day)
    summary = _Summary(area.grid.shape.yx, len(selection.scenes), day_number(day))
    _compute(edit, imagery, summary, writer.target.max_age)
    seconds["compute"] = time.perf_counter() - started
    outcome = _outcome(summary.counts)
    record = day_record(
        area.name,
        day,
        selection,
        summary.counts,
        summary.pixels,
        outcome,
        run_id,
        settings.offset_check,
    )
    warnings = warnings_of(record)
    if warnings and settings.offset_check is OffsetCheck.FAIL:
        raise SceneError(f"{area.name} {day}: {'; '.join(warnings)} (HYDRO_OFFSET_CHECK=fail)")
    started = time.perf_counter()
    ids = [scene.id for scene in selection.scenes]
    with_data = int(np.count_nonzero(summary.counts[:, VALID]))
    commit = edit.commit(with_data, {"scenes": ids, "run_id": run_id, "outcome": outcome})
    store.put(scenes_key(area.name, day), to_bytes(record))
    seconds["commit"] = time.perf_counter() - started
    return DayReport(
        area=area.name,
        day=day,
        outcome=outcome,
        scenes=tuple(ids),
        refused=selection.refused,
        warnings=warnings,
        observed_fraction=summary.observed / summary.pixels,
        valid_fraction=summary.valid / summary.pixels,
        mean_age_days=summary.age_sum / summary.valid if summary.valid else None,
        mean_ndvi=summary.ndvi_sum * SCALE / summary.valid if summary.valid else None,
        revision=commit.revision,
        changed=commit.changed,
        refreshed=commit.refreshed,
        bytes_written=commit.bytes_written,
        seconds=seconds,
        preview=summary.preview,
        preview_age=summary.preview_age,
    )


def scenes_key(area_name: str, day: dt.date) -> str:
    """Where the record of a day's scenes is, under the root."""
    return f"scenes/{area_name}/{day}.json"


def note_failure(
    store: Store, area_name: str, day: dt.date, error: SceneReadError, run_id: str
) -> None:
    """Leave a note beside the day's record that its scenes could not be read."""
    note = {"area": area_name, "day": str(day), "error": str(error), "run_id": run_id}
    store.put(failure_key(area_name, day), json.dumps(note, indent=1).encode())


def clear_failure(store: Store, area_name: str, day: dt.date) -> None:
    """Take the note of an earlier failure away."""
    store.delete(failure_key(area_name, day))


def failure_key(area_name: str, day: dt.date) -> str:
    """Where the note of a failed day is, under the root."""
    return f"scenes/{area_name}/{day}.failed.json"


def _compute(edit: DayEdit, imagery: Imagery, summary: _Summary, max_age: int) -> None:
    """Make and write the composite block by block, each of the imagery's blocks read once."""

    def block(red: _Planes, nir: _Planes, clear: _Planes, window: Window) -> None:
        size = tuple(s.stop - s.start for s in window)
        made = composite_block(
            np.stack(red) if red else np.empty((0, *size), np.uint16),
            np.stack(nir) if nir else np.empty((0, *size), np.uint16),
            np.stack(clear) if clear else np.empty((0, *size), np.bool_),
            imagery.offset,
            *edit.previous(window),
            day_number(edit.day),
            max_age,
        )
        edit.write(window, made.ndvi, made.observed_on)
        summary.add(window, made)

    dask.compute(
        *(delayed(block)(*pixels, window) for window, pixels in _parts(imagery)),
        scheduler="threads",
        num_workers=THREADS,
    )


_Planes = list[NDArray[Any]]
"""One (y, x) array a scene."""


def _parts(imagery: Imagery) -> Iterator[tuple[Window, list[Any]]]:
    """Windows of the grid, with red, nir and clear in each as one lazy (y, x) array a scene."""
    bands = [
        [scene.to_delayed() for scene in array]
        for array in (imagery.red, imagery.nir, imagery.clear)
    ]
    _, heights, widths = imagery.red.chunks
    for row, (top, height) in enumerate(_spans(heights)):
        for col, (left, width) in enumerate(_spans(widths)):
            window = slice(top, top + height), slice(left, left + width)
            yield window, [[scene[row, col] for scene in band] for band in bands]


def _spans(sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)


def _outcome(counts: NDArray[np.int64]) -> str:
    if not counts[:, VALID].any():
        return "no scene"
    return "observed" if counts[:, USED].any() else "all cloud"
