"""One day of a cube being written: nothing is visible to a reader before `DayEdit.commit`."""

import asyncio
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from hydro_pipeline.composite import NODATA, Int16, carry_block
from hydro_pipeline.cube import (
    BRANCH,
    Window,
    day_number,
    number_day,
    translated,
    windows,
)
from hydro_pipeline.cube_layout import (
    DAILY,
    MEANING,
    check_meaning,
    create_arrays,
)
from hydro_pipeline.cube_recent import Pixels, Recent
from hydro_pipeline.cube_repeat import Position, repeat
from hydro_pipeline.cube_target import Target

THREADS = 8


@dataclass(frozen=True)
class Commit:
    """What a commit changed."""

    revision: int
    """Revision of the day after the commit."""
    changed: bool
    """Whether any pixel of the day changed."""
    refreshed: tuple[dt.date, ...]
    """Later days whose pixels changed with it."""
    bytes_written: int
    """Encoded bytes of the chunks written."""


@dataclass
class DayEdit:
    """A writable session on one day. `previous` and `write` may be called from several threads,
    on windows that are whole chunks and do not overlap.
    """

    target: Target
    repository: icechunk.Repository
    day: dt.date
    recent: Recent
    """The day that was committed last; becomes this day if it is a new one."""
    is_new: bool = field(init=False)
    """True if the day was not in the cube before."""

    def __post_init__(self) -> None:
        self._session = self.repository.writable_session(BRANCH)
        self._number = day_number(self.day)
        group = self._open_group()
        self._arrays: dict[str, Any] = dict(group.arrays())
        self._side = int(self._arrays["ndvi"].chunks[1])
        time = self._arrays["time"]
        length = int(time.shape[0])
        first = number_day(time[0]) if length else None
        self._index = self.target.position(self.day, first, length)
        self.is_new = self._index == length
        if self.is_new:
            for array in (self._arrays[n] for n in ("ndvi", "observed_on", "time", *DAILY)):
                array.resize((length + 1, *array.shape[1:]))
        self._length = max(length, self._index + 1)
        self._lock = Lock()
        self._recent = self.recent.at(self._session.snapshot_id) if self.is_new else {}
        self._before: dict[Window, Pixels] = {}
        self._made: dict[Window, Pixels] = {}
        self._keeps = self.is_new and self.recent.holds(self._arrays["ndvi"].shape[1:])
        self._repeated: dict[str, set[Position]] = {"ndvi": set(), "observed_on": set()}
        self._written: list[tuple[str, int, Window]] = []
        self._changed: list[Window] = []
        self._valid = 0
        self._observed = 0

    @property
    def chunk(self) -> int:
        """Side of a chunk in pixels."""
        return self._side

    def previous(self, window: Window) -> Pixels:
        """NDVI and observed_on of the day before in a window; all nodata before the first day."""
        if self._index == 0:
            shape = (window[0].stop - window[0].start, window[1].stop - window[1].start)
            return np.full(shape, NODATA, np.int16), np.full(shape, NODATA, np.int16)
        before = self._recent.get(window) or self._read(self._index - 1, window)
        if self.is_new:
            self._before[window] = before
        return before

    def write(self, window: Window, ndvi: Int16, observed_on: Int16) -> None:
        """Put a window of the day's composite. Chunks that are already so are left alone, and
        those that are the day before's are stored as a reference to them.
        """
        before = self._before.pop(window, None)

        def write(chunk: Window) -> None:
            inner = tuple(
                slice(c.start - w.start, c.stop - w.start)
                for c, w in zip(chunk, window, strict=True)
            )
            if not self.is_new:
                stored = self._read(self._index, chunk)
            elif before is not None:
                stored = before[0][inner], before[1][inner]
            else:
                stored = None
            self._put(self._index, chunk, (ndvi[inner], observed_on[inner]), stored)

        _in_threads(write, self._chunks(window))
        with self._lock:
            if self._keeps:
                self._made[window] = ndvi, observed_on
            self._valid += int(np.count_nonzero(ndvi != NODATA))
            self._observed += int(np.count_nonzero(observed_on == self._number))

    def commit(self, scene_count: int, metadata: dict[str, Any]) -> Commit:
        """Refresh the days after, then make all of it visible at once.

        Call after every window was written. Nothing is committed if nothing changed. Raises
        `ConflictError` if another run committed in the meantime.
        """
        with translated(self.target.url):
            revision = 1 if self.is_new else int(self._arrays["revision"][self._index])
            changed = self.is_new or bool(self._changed)
            for name, chunks in self._repeated.items():
                repeat(self._session, name, self._index, chunks)
            refreshed = self._refresh_tail()
            if changed and not self.is_new:
                revision += 1
            dailies_changed = self._set_daily(revision, scene_count)
            if changed or dailies_changed:
                bytes_written = sync(self._encoded_bytes())
                days = [str(d) for d in refreshed]
                with self.target.store.lock(self.target.key):
                    snapshot = self._session.commit(
                        f"{self.target.area.name} {self.day}",
                        metadata={
                            "area": self.target.area.name,
                            "day": str(self.day),
                            "refreshed": days,
                            **metadata,
                        },
                    )
                if self._keeps:
                    self.recent.keep(snapshot, self._made)
            else:
                bytes_written = 0
        return Commit(revision, changed, refreshed, bytes_written)

    def _open_group(self) -> zarr.Group:
        store = self._session.store
        try:
            group = zarr.open_group(store, mode="r+")
        except (zarr.errors.GroupNotFoundError, FileNotFoundError):
            group = None
        if group is None or "time" not in group:
            create_arrays(store, self.target.area, self.target.meaning)
            return zarr.open_group(store, mode="r+")
        stored: Any = group.attrs.get(MEANING, {})
        check_meaning(stored, self.target.meaning, self.target.url)
        return group

    def _chunks(self, window: Window) -> list[Window]:
        rows, cols = window
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        return [
            (
                slice(r.start + rows.start, r.stop + rows.start),
                slice(c.start + cols.start, c.stop + cols.start),
            )
            for r, c in windows(shape, self._side)
        ]

    def _read(self, index: int, window: Window) -> Pixels:
        with translated(self.target.url):
            return (
                np.asarray(self._arrays["ndvi"][index, *window]),
                np.asarray(self._arrays["observed_on"][index, *window]),
            )

    def _put(
        self,
        index: int,
        chunk: Window,
        new: Pixels,
        stored: Pixels | None,
    ) -> None:
        """Write a chunk of one day where it differs from `stored`: what is there, or for a new
        day, what the day before holds.
        """
        changed = False
        for which, name in enumerate(("ndvi", "observed_on")):
            if stored is not None and np.array_equal(stored[which], new[which]):
                if self.is_new:
                    with self._lock:
                        self._repeated[name].add(self._position(chunk))
                continue
            changed = True
            with translated(self.target.url):
                self._arrays[name][index, *chunk] = new[which]
            with self._lock:
                self._written.append((name, index, chunk))
        if changed and index == self._index:
            with self._lock:
                self._changed.append(chunk)

    def _position(self, chunk: Window) -> Position:
        rows, cols = chunk
        return rows.start // self._side, cols.start // self._side

    def _refresh_tail(self) -> tuple[dt.date, ...]:
        """Carry the changed chunks into the days after, each until a day comes out unchanged."""
        if self.is_new or not self._changed or self._index + 1 == self._length:
            return ()
        gained = np.zeros(self._length, np.int64)
        touched = np.zeros(self._length, np.bool_)

        def refresh(chunk: Window) -> None:
            before = self._read(self._index, chunk)
            for index in range(self._index + 1, self._length):
                stored = self._read(index, chunk)
                number = self._number + index - self._index
                new = carry_block(*stored, *before, number, self.target.max_age)
                if all(np.array_equal(a, b) for a, b in zip(stored, new, strict=True)):
                    return
                self._put(index, chunk, new, stored)
                with self._lock:
                    touched[index] = True
                    gained[index] += np.count_nonzero(new[0] != NODATA)
                    gained[index] -= np.count_nonzero(stored[0] != NODATA)
                before = new

        _in_threads(refresh, self._changed)
        self._bump(touched, gained)
        first = self._number - self._index
        return tuple(number_day(first + int(i)) for i in np.flatnonzero(touched))

    def _bump(self, touched: NDArray[np.bool_], gained: NDArray[np.int64]) -> None:
        pixels = np.prod(self._arrays["ndvi"].shape[1:])
        revision, valid = self._arrays["revision"], self._arrays["valid_fraction"]
        revision[:] = revision[:] + touched.astype(np.int32)
        valid[:] = np.where(gained, (np.rint(valid[:] * pixels) + gained) / pixels, valid[:])

    def _set_daily(self, revision: int, scene_count: int) -> bool:
        pixels = int(np.prod(self._arrays["ndvi"].shape[1:]))
        values = {
            "time": self._number,
            "revision": revision,
            "scene_count": scene_count,
            "observed_fraction": self._observed / pixels,
            "valid_fraction": self._valid / pixels,
        }
        changed = False
        for name, value in values.items():
            array = self._arrays[name]
            if self.is_new or array[self._index] != value:
                array[self._index] = value
                changed = True
        return changed

    async def _encoded_bytes(self) -> int:
        async def size(name: str, index: int, chunk: Window) -> int:
            key = f"{name}/c/" + "/".join(map(str, (index, *self._position(chunk))))
            store = self._session.store
            return await store.getsize(key) if await store.exists(key) else 0

        return sum(await asyncio.gather(*(size(*w) for w in self._written)))


def _in_threads(work: Callable[[Window], None], items: list[Window]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work, items):
            pass
