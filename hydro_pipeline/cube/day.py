"""One day of a cube being written: nothing is visible to a reader before `DayEdit.commit`."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

import icechunk
import numpy as np
import zarr
from zarr.core.sync import sync
from zarr.storage import StorePath

from hydro_pipeline.composite.kernel import carry_block
from hydro_pipeline.cube.layout import (
    ARRAYS,
    DAILY,
    MEANING,
    check_meaning,
    create_arrays,
)
from hydro_pipeline.cube.part import DayPart, Written
from hydro_pipeline.cube.read import translated
from hydro_pipeline.cube.repeat import repeat
from hydro_pipeline.cube.target import Target
from hydro_pipeline.days import day_number, number_day
from hydro_pipeline.grid import Window
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.product import NODATA

_Chunk = tuple[str, int, Window]
"""Array, position on the time axis, window."""


class _Carried(NamedTuple):
    """A chunk of a later day that was written anew."""

    at: int
    """The day's position."""
    chunk: Window
    names: list[str]
    gained: int
    """Pixels that have a value now and had none."""


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
    valid: int
    """Pixels of the day with a value."""
    observed: int
    """Pixels seen on this very day."""


@dataclass
class DayEdit:
    """A writable session on one day: write every window to `part`, then `commit`."""

    target: Target
    session: icechunk.Session
    """Writable, at the newest committed state; used for this day alone."""
    day: dt.date
    last: InitVar["DayEdit | None"] = None
    """The edit before; what it knows of the cube is used if nothing was committed since."""
    part: DayPart = field(init=False)
    """Where the day's windows are read and written."""
    base: str = field(init=False)
    """Id of the cube's state that the day is written on."""
    snapshot: str = ""
    """Id of the cube's state that was committed."""

    def __post_init__(self, last: "DayEdit | None") -> None:
        self.base = self.session.snapshot_id
        self._arrays: dict[str, Any]
        self._first: dt.date | None
        self._visited = dict.fromkeys(ARRAYS, 0)  # See `repeat.repeat`.
        if last and last.snapshot == self.base:
            self._arrays = {n: _bound(a, self.session) for n, a in last._arrays.items()}
            self._first = last._first
            self._visited = last._visited
        else:
            self._arrays = dict(self._open_group().arrays())
            time = self._arrays["time"]
            self._first = number_day(time[0]) if time.shape[0] else None
        length = int(self._arrays["time"].shape[0])
        index = self.target.position(self.day, self._first, length)
        if index == length:
            sync(_grow(self._arrays, (*ARRAYS, "time", *DAILY), length + 1))
        self._first = self._first or self.day
        self._length = max(length, index + 1)
        self.part = DayPart(
            self.session, self.target.url, index, day_number(self.day), index == length
        )
        self.part.arrays = self._arrays

    def ahead(self, fork: icechunk.ForkSession, day: dt.date) -> DayPart | None:
        """A later day that is not in the cube yet, as a part of `fork`; None if it is there."""
        assert self._first is not None
        index = (day - self._first).days
        if index < self._length:
            return None
        part = DayPart(fork, self.target.url, index, day_number(day), is_new=True)
        part.arrays = {name: _bound(self._arrays[name], fork) for name in ARRAYS}
        sync(_grow(part.arrays, ARRAYS, index + 1))
        return part

    def commit(
        self, written: Sequence[Written], scene_count: int, metadata: dict[str, Any]
    ) -> Commit:
        """Refresh the days after, then make all of it visible at once.

        `written` is what `DayPart.write` gave, for windows that make up the whole grid. Nothing is
        committed if nothing changed. Raises `ConflictError` if another run committed in the
        meantime.
        """
        part = self.part
        with translated(self.target.url):
            forks = {id(done.fork): done.fork for done in written if done.fork is not None}
            if forks:
                self.session.merge(*forks.values())
            chunks = [(name, part.index, chunk) for done in written for name, chunk in done.chunks]
            for name in ARRAYS:
                same = {at for done in written for of, at in done.repeated if of == name}
                repeat(self.session, name, part.index, same, self._visited[name])
                if same or part.index < self._visited[name]:
                    self._visited[name] = part.index
            revision = 1 if part.is_new else int(self._arrays["revision"][part.index])
            changed = part.is_new or bool(chunks)
            refreshed, carried = self._refresh_tail(
                list(dict.fromkeys(chunk for _, _, chunk in chunks))
            )
            if changed and not part.is_new:
                revision += 1
            valid = sum(done.valid for done in written)
            observed = sum(done.observed for done in written)
            dailies_changed = self._set_daily(revision, scene_count, valid, observed)
            snapshot, bytes_written = self.base, 0
            if changed or dailies_changed:
                bytes_written = sync(self._encoded_bytes(chunks + carried))
                with self.target.store.lock(self.target.key):
                    snapshot = self.session.commit(
                        f"{self.target.area.name} {self.day}",
                        metadata={
                            "area": self.target.area.name,
                            "day": str(self.day),
                            "refreshed": [str(d) for d in refreshed],
                            **metadata,
                        },
                    )
            self.snapshot = snapshot
        return Commit(revision, changed, refreshed, bytes_written, valid, observed)

    def _open_group(self) -> zarr.Group:
        store = self.session.store
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

    def _refresh_tail(self, changed: list[Window]) -> tuple[tuple[dt.date, ...], list[_Chunk]]:
        """Carry the changed chunks into the days after, each until a day comes out unchanged.

        Returns the days whose pixels changed, and the chunks that were written.
        """
        part = self.part
        if part.is_new or not changed or part.index + 1 == self._length:
            return (), []

        def refresh(chunk: Window) -> list[_Carried]:
            carried = []
            before = part.read(part.index, chunk)
            for index in range(part.index + 1, self._length):
                there = part.read(index, chunk)
                number = part.number + index - part.index
                new = carry_block(*there, *before, number, self.target.max_age)
                differing = [
                    (name, chunk, mine)
                    for name, mine, other in zip(ARRAYS, new, there, strict=True)
                    if not np.array_equal(mine, other)
                ]
                if not differing:
                    break
                part.put(index, differing)
                gained = np.count_nonzero(new[0] != NODATA) - np.count_nonzero(there[0] != NODATA)
                carried.append(
                    _Carried(index, chunk, [name for name, _, _ in differing], int(gained))
                )
                before = new
            return carried

        every = [carried for chunk in in_threads(refresh, changed) for carried in chunk]
        self._bump(every)
        first = part.number - part.index
        return (
            tuple(number_day(first + index) for index in sorted({c.at for c in every})),
            [(name, c.at, c.chunk) for c in every for name in c.names],
        )

    def _bump(self, every: list[_Carried]) -> None:
        pixels = np.prod(self._arrays["ndvi"].shape[1:])
        touched = np.zeros(self._length, np.int32)
        gained = np.zeros(self._length, np.int64)
        for carried in every:
            touched[carried.at] = 1
            gained[carried.at] += carried.gained
        revision, valid = self._arrays["revision"], self._arrays["valid_fraction"]
        revision[:] = revision[:] + touched
        valid[:] = np.where(gained, (np.rint(valid[:] * pixels) + gained) / pixels, valid[:])

    def _set_daily(self, revision: int, scene_count: int, valid: int, observed: int) -> bool:
        pixels = int(np.prod(self._arrays["ndvi"].shape[1:]))
        values = {
            "time": self.part.number,
            "revision": revision,
            "scene_count": scene_count,
            "observed_fraction": observed / pixels,
            "valid_fraction": valid / pixels,
        }
        index = self.part.index
        changed = [
            (self._arrays[name].async_array, value)
            for name, value in values.items()
            if self.part.is_new or self._arrays[name][index] != value
        ]

        async def put() -> None:
            await asyncio.gather(*(array.setitem(index, value) for array, value in changed))

        sync(put())
        return bool(changed)

    async def _encoded_bytes(self, chunks: list[_Chunk]) -> int:
        store = self.session.store

        async def size(name: str, index: int, chunk: Window) -> int:
            key = f"{name}/c/" + "/".join(map(str, (index, *self.part.place(chunk))))
            try:
                return await store.getsize(key)
            except FileNotFoundError:  # A chunk of nothing but nodata is not stored.
                return 0

        return sum(await asyncio.gather(*(size(*chunk) for chunk in chunks)))


async def _grow(arrays: dict[str, Any], names: Sequence[str], length: int) -> None:
    """Make room for days up to `length` of them."""
    some = [arrays[name] for name in names]
    await asyncio.gather(*(a.async_array.resize((length, *a.shape[1:])) for a in some))


def _bound(array: zarr.Array[Any], session: icechunk.Session) -> zarr.Array[Any]:
    """The array as `session` holds it, without asking what it looks like."""
    config = array.async_array.config
    return zarr.Array(zarr.AsyncArray(array.metadata, StorePath(session.store, array.path), config))
