"""Make days of an area's cube: scenes to imagery to composite to commit.

While a day is committed, the composite of the day after is made in memory, and written where no
reader sees it.
"""

import datetime as dt
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.area import Area
from hydro_pipeline.composite.kernel import NEVER, USED, VALID, Block, carry_onto, dated
from hydro_pipeline.composite.tally import Piece, Tally, piece_of
from hydro_pipeline.cube.day import DayEdit
from hydro_pipeline.cube.part import WRITES, DayPart, Written
from hydro_pipeline.cube.writer import CubeWriter
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import SceneError, SceneReadError
from hydro_pipeline.grid import Pixels, Window, nothing, windows
from hydro_pipeline.imagery.load import CHUNK_PX
from hydro_pipeline.ingest.blocks import compose
from hydro_pipeline.ingest.look_ahead import DayFound
from hydro_pipeline.ingest.workers import Cluster, threads
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.product import SCALE
from hydro_pipeline.scenes.day_record import (
    clear_failure,
    day_record,
    note_failure,
    to_bytes,
    warnings_of,
)
from hydro_pipeline.scenes.scene import Refusal
from hydro_pipeline.settings import OffsetCheck, Settings
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.storage.store import Store

THREADS = 8
"""Blocks at once: they mostly wait for answers."""


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


@dataclass
class _Day:
    """A day on its way into the cube."""

    day: dt.date
    more: bool
    """Whether another day follows it."""
    found: DayFound
    base: dict[Window, Pixels] = field(default_factory=dict)
    """The day before, where the composite is made in memory, until it is written."""
    pixels: dict[Window, Pixels] = field(default_factory=dict)
    """The composite, where it is made in memory."""
    stamp: object = None
    """Of the composite; each that is made has another."""
    base_stamp: object = None
    """Of the composite that it is made on."""
    edit: DayEdit | None = None
    """Where the day before was read from, if from the cube."""
    written: list[Written] | None = None
    """The composite's windows, where they were written ahead of the commit."""
    tally: Tally | None = None
    """None as long as the composite is not made."""
    seconds: dict[str, float] = field(default_factory=dict)


class Ingest:
    """Makes days of one area's cube, each after the one before."""

    def __init__(self, store: Store, area: Area, settings: Settings, run_id: str = "") -> None:
        self.store, self.area, self.settings, self.run_id = store, area, settings, run_id
        self.writer = CubeWriter(store, area, settings)
        self._cluster: Cluster | None = None
        self._windows = windows(area.grid.shape.yx, CHUNK_PX)
        self._made: dict[Window, Pixels] = {}
        """The composite that was made last."""
        self._made_stamp: object = None
        self._stored_stamp: object = None
        """Of the composite that was committed last, as the cube's state `_snapshot`."""
        self._snapshot = ""

    def run(
        self, days: Iterable[tuple[dt.date, "Future[DayFound]"]], last: dt.date
    ) -> Iterator[DayReport]:
        """Make and commit `days` in order, up to `last`; a report follows each commit.

        Nothing is being committed while a report is looked at. Raises `SceneReadError` where
        pixels cannot be read, `ClusterError`, and what `CubeWriter.begin` and `DayEdit.commit`
        raise; of that day nothing is stored then but a note of scenes that cannot be read, and the
        days before stay.
        """
        with ExitStack() as stack:
            if address := self.settings.dask_scheduler:
                self._cluster = stack.enter_context(closing(Cluster(address)))
            making = stack.enter_context(ThreadPoolExecutor(1, "make"))
            storing = stack.enter_context(ThreadPoolExecutor(1, "store"))
            report: Future[DayReport] | None = None
            for day, reading in days:
                made = making.submit(self._make, day, reading, day < last)
                if report is not None:
                    yield report.result()
                report = storing.submit(self._store, day, made)
            if report is not None:
                yield report.result()

    def _make(self, day: dt.date, reading: "Future[DayFound]", more: bool) -> _Day:
        """The day's composite in memory; a large one is left to be made where it is stored."""
        started = time.perf_counter()
        made = _Day(day, more, reading.result())
        made.seconds["read"] = time.perf_counter() - started
        if made.found.observed is not None:
            if self._made:
                made.base, made.base_stamp = self._made, self._made_stamp
            else:
                made.edit = self.writer.begin(day)
                made.base = self._before(made.edit)
            self._carry(made)
            self._made, self._made_stamp = made.pixels, made.stamp
            part = made.edit.part if made.edit else self.writer.ahead(day)
            if part is not None:
                made.written = self._write(made, part)
        return made

    def _store(self, day: dt.date, making: "Future[_Day]") -> DayReport:
        try:
            made = making.result()
            started = time.perf_counter()
            edit = made.edit or self.writer.begin(day)
            if made.found.observed is None:
                written = self._compose(made, edit.part)
                started += made.seconds["compute"]
            else:
                if made.edit is None and not self._follows(made, edit):
                    made.base = self._before(edit)
                    self._carry(made)
                    made.written = None
                written = made.written or self._write(made, edit.part)
            return self._commit(made, edit, written, started)
        except SceneReadError as error:
            note_failure(self.store, self.area.name, day, error, self.run_id)
            raise

    def _follows(self, made: _Day, edit: DayEdit) -> bool:
        """Whether the composite was made on what is now the cube's day before."""
        return made.base_stamp is self._stored_stamp and edit.base == self._snapshot

    def _before(self, edit: DayEdit) -> dict[Window, Pixels]:
        """The day before, as it is stored."""
        return dict(zip(self._windows, in_threads(edit.part.previous, self._windows), strict=True))

    def _carry(self, made: _Day) -> None:
        """The composite in memory, on `made.base`: put into the arrays of what was observed. Its
        `observed_on` still says what that is, should it have to be carried anew.
        """
        observed = made.found.observed or {}
        started = time.perf_counter()
        day, max_age = day_number(made.day), self.writer.target.max_age
        tally = Tally(self.area.grid.shape.yx, len(made.found.selection.scenes))

        def carry(window: Window) -> tuple[Pixels, Piece]:
            before, seen = made.base[window], observed.get(window)
            counts = seen.counts if seen else np.zeros_like(tally.counts)
            if seen is None and max_age == NEVER:
                pixels = before
            else:
                new = (seen.ndvi, dated(seen.ndvi, day)) if seen else nothing(window)
                pixels = made.pixels.get(window, new)
                carry_onto(*pixels, *before, day, max_age)
            return pixels, piece_of(Block(*pixels, counts), window, day, tally.step)

        done = in_threads(carry, self._windows)
        for _, piece in done:
            tally.add(piece)
        made.pixels = {w: pixels for w, (pixels, _) in zip(self._windows, done, strict=True)}
        made.tally, made.stamp = tally, object()
        made.seconds["compute"] = time.perf_counter() - started

    def _write(self, made: _Day, part: DayPart) -> list[Written]:
        """Write a composite that was made in memory, and let go of the day before."""
        written = in_threads(
            lambda window: part.write(window, made.pixels[window], made.base[window]),
            self._windows,
            WRITES,
        )
        made.base = {}
        return written

    def _compose(self, made: _Day, part: DayPart) -> list[Written]:
        """Make the composite from the stored day before, and write each window as it is made."""
        started = time.perf_counter()
        if self._cluster is not None:
            scenes = made.found.selection.scenes
            self._cluster.forget(href for scene in scenes for href in scene.hrefs)
            part = part.fork()
        get = self._cluster.get if self._cluster else threads(THREADS)
        day, max_age = day_number(made.day), self.writer.target.max_age
        made.tally, written = compose(
            made.found.imagery, day, max_age, part.previous, part.write, get
        )
        made.seconds["compute"] = time.perf_counter() - started
        return written

    def _commit(
        self, made: _Day, edit: DayEdit, written: list[Written], started: float
    ) -> DayReport:
        """Make the day visible, and say so."""
        area, day, tally, selection = self.area.name, made.day, made.tally, made.found.selection
        assert tally is not None
        outcome = _outcome(tally.counts)
        record = day_record(
            area, day, selection, tally.counts, tally.pixels, outcome, self.run_id,
            self.settings.offset_check,
        )  # fmt: skip
        warnings = warnings_of(record)
        if warnings and self.settings.offset_check is OffsetCheck.FAIL:
            raise SceneError(f"{area} {day}: {'; '.join(warnings)} (HYDRO_OFFSET_CHECK=fail)")
        ids = [scene.id for scene in selection.scenes]
        with_data = int(np.count_nonzero(tally.counts[:, VALID]))
        facts = {"scenes": ids, "run_id": self.run_id, "outcome": outcome}
        commit = edit.commit(written, with_data, facts)
        self._stored_stamp, self._snapshot = made.stamp, edit.snapshot
        with ThreadPoolExecutor(2) as pool:
            if made.more:  # If it fails, the next `begin` asks itself.
                pool.submit(self.writer.prepare)
            clearing = pool.submit(clear_failure, self.store, area, day)
            self.store.put(scenes_key(area, day), to_bytes(record))
            clearing.result()
        made.seconds["store"] = time.perf_counter() - started
        return DayReport(
            area=area,
            day=day,
            outcome=outcome,
            scenes=tuple(ids),
            refused=selection.refused,
            warnings=warnings,
            observed_fraction=commit.observed / tally.pixels,
            valid_fraction=commit.valid / tally.pixels,
            mean_age_days=tally.age / commit.valid if commit.valid else None,
            mean_ndvi=tally.ndvi * SCALE / commit.valid if commit.valid else None,
            revision=commit.revision,
            changed=commit.changed,
            refreshed=commit.refreshed,
            bytes_written=commit.bytes_written,
            seconds=made.seconds,
            preview=tally.preview,
            preview_age=tally.preview_age,
        )


def _outcome(counts: NDArray[np.int64]) -> str:
    if not counts[:, VALID].any():
        return "no scene"
    return "observed" if counts[:, USED].any() else "all cloud"
