"""Windows of one day of a cube, read and written: by threads, or by the workers of a cluster."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import icechunk
import numpy as np
import zarr

from hydro_pipeline.composite.kernel import count
from hydro_pipeline.cube.layout import tiling_of
from hydro_pipeline.cube.read import read_pixels
from hydro_pipeline.cube.repeat import Position
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.days import number_day
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.grid import Pixels, Tiling, Window, nothing
from hydro_pipeline.product import Int16

CHUNKS_AT_ONCE = 8
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


@dataclass(frozen=True)
class DayPart:
    """One day of a cube in a writable session. Its methods may be called from several threads, on
    windows that are whole chunks and do not overlap.
    """

    session: icechunk.Session
    url: str
    """Where the cube is, for people."""
    names: tuple[str, ...]
    """Of the arrays of pixels; see `Product.names`."""
    index: int
    """The day's position on the time axis."""
    number: int
    """The day, days since 1970-01-01."""
    is_new: bool
    """True if the day was not in the cube before."""
    opened: Mapping[str, Any] | None = None
    """The arrays of the cube by name, as `session` holds them; None: to be opened when needed."""
    mends: bool = False
    """Whether stored pixels of the day that cannot be read are written anew."""

    @cached_property
    def arrays(self) -> Mapping[str, Any]:
        """The arrays of the cube by name."""
        if self.opened is not None:
            return self.opened
        with translated(self.url):
            return dict(zarr.open_group(self.session.store, mode="r+").arrays())

    @property
    def tiling(self) -> Tiling:
        """The grid as it is cut into chunks."""
        return tiling_of(self.arrays, self.names)

    def fork(self) -> "DayPart":
        """The same day for another process; what it writes comes back in `Written.fork`."""
        fork = self.session.fork()
        return replace(self, session=fork, opened=None)

    def previous(self, window: Window) -> Pixels:
        """The day before in a window; all nodata before the first day."""
        if self.index == 0:
            return nothing(window, len(self.names) - 1)
        return self.read(self.index - 1, window)

    def read(self, index: int, window: Window) -> Pixels:
        """The day at position `index` in a window. Raises `DamagedCubeError`."""
        day = number_day(self.number - self.index + index)
        return read_pixels(self.url, self.arrays, self.names, index, day, window)

    def write(self, window: Window, new: Pixels, before: Pixels) -> Written:
        """Put a window of the day's composite; `before` is the day before in it.

        Chunks that are already so are left alone. Those of a new day that are the day before's are
        left for `repeat.repeat`. Raises `DamagedCubeError` unless the day is mended.
        """
        there = before if self.is_new else self._there(window, new)
        same, changed = [], []
        for chunk in self.tiling.under(window):
            inner = chunk.within(window)
            for name, mine, other in zip(self.names, new.arrays, there.arrays, strict=True):
                if there is new or np.array_equal(mine[inner], other[inner]):
                    same.append((name, self.tiling.place(chunk)))
                else:
                    changed.append((name, chunk, mine[inner]))
        self.put(self.index, changed)
        return Written(
            [(name, chunk) for name, chunk, _ in changed],
            same if self.is_new else [],
            *count(new.observed_on, self.number),
            self.session if isinstance(self.session, icechunk.ForkSession) else None,
        )

    def _there(self, window: Window, new: Pixels) -> Pixels:
        """The day as it is stored; while it is mended, what is damaged differs from `new`."""
        if not self.mends:
            return self.read(self.index, window)
        there = Pixels(~new.values, ~new.observed_on)
        for chunk in self.tiling.under(window):
            with contextlib.suppress(DamagedCubeError):
                inner = chunk.within(window)
                stored = self.read(self.index, chunk)
                there.values[:, *inner], there.observed_on[inner] = stored
        return there

    def put(self, index: int, chunks: Sequence[tuple[str, Window, Int16]]) -> None:
        """Write chunks, each of one array, of the day at position `index`, several at a time."""

        async def put() -> None:
            room = asyncio.Semaphore(CHUNKS_AT_ONCE)

            async def put_one(name: str, chunk: Window, pixels: Int16) -> None:
                async with room:
                    at = (index, *chunk.slices)
                    await self.arrays[name].async_array.setitem(at, pixels)

            await asyncio.gather(*(put_one(*chunk) for chunk in chunks))

        with translated(self.url):
            sync(put())
