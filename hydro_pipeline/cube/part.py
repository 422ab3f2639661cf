"""Windows of one day of a cube, read and written: by threads, or by the workers of a cluster."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.core.sync import sync

from hydro_pipeline.composite.kernel import count
from hydro_pipeline.cube.layout import ARRAYS
from hydro_pipeline.cube.read import read_parts, translated
from hydro_pipeline.cube.repeat import Position
from hydro_pipeline.grid import Pixels, Window, nothing, shape_of, windows
from hydro_pipeline.product import Int16

THREADS = 8
WRITES = 2
"""Windows that are written at once."""
CHUNKS = 8
"""Chunks of a window that are written at once: each is held as pixels and as it is stored."""


@dataclass(frozen=True)
class Written:
    """What was done to one window."""

    chunks: list[tuple[str, Window]]
    """Array and window of each chunk that was written."""
    repeated: list[tuple[str, Position]]
    """Array and place of each chunk that is the day before's."""
    valid: int
    """Pixels with a value."""
    observed: int
    """Pixels seen on this very day."""
    fork: icechunk.ForkSession | None
    """Where it was written, if that is not the day's own session."""


@dataclass
class DayPart:
    """One day of a cube in a writable session. Its methods may be called from several threads, on
    windows that are whole chunks and do not overlap.
    """

    session: icechunk.Session
    url: str
    """Where the cube is, for people."""
    index: int
    """The day's position on the time axis."""
    number: int
    """The day, days since 1970-01-01."""
    is_new: bool
    """True if the day was not in the cube before."""

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """The arrays of the cube by name."""
        with translated(self.url):
            return dict(zarr.open_group(self.session.store, mode="r+").arrays())

    @property
    def side(self) -> int:
        """Side of a chunk in pixels."""
        return int(self.arrays["ndvi"].chunks[1])

    def fork(self) -> "DayPart":
        """The same day for another process; what it writes comes back in `Written.fork`."""
        return DayPart(self.session.fork(), self.url, self.index, self.number, self.is_new)

    def previous(self, window: Window) -> Pixels:
        """The day before in a window; all nodata before the first day."""
        if self.index == 0:
            return nothing(window)
        return self.read(self.index - 1, window)

    def read(self, index: int, window: Window) -> Pixels:
        """The day at position `index` in a window."""
        with translated(self.url):
            ndvi, on = read_parts([(self.arrays[name], (index, *window)) for name in ARRAYS])
        return ndvi, on

    def write(self, window: Window, new: Pixels, before: Pixels) -> Written:
        """Put a window of the day's composite; `before` is the day before in it.

        Chunks that are already so are left alone. Those of a new day that are the day before's are
        left for `repeat.repeat`.
        """
        there = before if self.is_new else self.read(self.index, window)
        same, changed = [], []
        for chunk in self._chunks(window):
            inner = tuple(
                slice(c.start - w.start, c.stop - w.start)
                for c, w in zip(chunk, window, strict=True)
            )
            for name, mine, other in zip(ARRAYS, new, there, strict=True):
                if mine is other or np.array_equal(mine[inner], other[inner]):
                    same.append((name, self.place(chunk)))
                else:
                    changed.append((name, chunk, mine[inner]))
        self.put(self.index, changed)
        return Written(
            [(name, chunk) for name, chunk, _ in changed],
            same if self.is_new else [],
            *count(new[1], self.number),
            self.session if isinstance(self.session, icechunk.ForkSession) else None,
        )

    def put(self, index: int, chunks: Sequence[tuple[str, Window, Int16]]) -> None:
        """Write chunks, each of one array, of the day at position `index`, several at a time."""

        async def put() -> None:
            room = asyncio.Semaphore(CHUNKS)

            async def put_one(name: str, chunk: Window, pixels: Int16) -> None:
                async with room:
                    await self.arrays[name].async_array.setitem((index, *chunk), pixels)

            await asyncio.gather(*(put_one(*chunk) for chunk in chunks))

        with translated(self.url):
            sync(put())

    def place(self, chunk: Window) -> Position:
        """Row and column of a chunk in the grid of chunks."""
        rows, cols = chunk
        return rows.start // self.side, cols.start // self.side

    def _chunks(self, window: Window) -> list[Window]:
        rows, cols = window
        return [
            (
                slice(r.start + rows.start, r.stop + rows.start),
                slice(c.start + cols.start, c.stop + cols.start),
            )
            for r, c in windows(shape_of(window), self.side)
        ]
