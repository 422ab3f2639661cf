"""The cube's values under a set of fields, reading each chunk under them once a day."""

import datetime as dt
import itertools
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.grid import Window
from hydro_pipeline.product import NODATA, Int16
from hydro_pipeline.stats.kernel import Summary, Weights, summarize

Map = Callable[[Callable[["_Part"], None], Iterable["_Part"]], Iterable[None]]

SORTED = 1 << 22
"""Pixels that are sorted by chunk together, to bound memory."""

SETS = 12
"""Sets of fields whose samplers are kept."""


class Sample(NamedTuple):
    """Values in the order of `Weights.row` and `Weights.col`."""

    ndvi: Int16
    """(pixel,), units of 1e-4, nodata -32768."""
    observed_on: Int16
    """(pixel,), days since 1970-01-01, nodata -32768."""


@dataclass(frozen=True)
class Amount:
    """How much of the cube was read."""

    chunks: int = 0
    """Chunks of either array."""
    bytes: int = 0
    """Size of these chunks in memory."""

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.chunks + other.chunks, self.bytes + other.bytes)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.chunks - other.chunks, self.bytes - other.bytes)


@dataclass(frozen=True)
class _Part:
    """The pixels of one chunk, as runs that stand in the same order in the sample."""

    window: Window
    """The chunk."""
    position: NDArray[np.int32]
    """(run,): where its first pixel stands in the sample."""
    pixel: NDArray[np.int32]
    """(run,): its first pixel, counted row by row from the chunk's corner."""
    length: NDArray[np.int32]
    """(run,): how many pixels follow each other."""


class Sampler:
    """Reads the pixels of `weights` from a cube, chunk by chunk."""

    def __init__(self, cube: Cube, weights: Weights) -> None:
        self.cube = cube
        self.weights = weights
        self._parts = _parts(cube, weights)
        pixels = sum(math.prod(part.window.shape) for part in self._parts)
        self.amount = Amount(2 * len(self._parts), 4 * pixels)
        """What is read for a day."""

    @property
    def nbytes(self) -> int:
        """Size of a sample."""
        return 4 * len(self.weights.row)

    def read(self, day: dt.date, map_parts: Map = map) -> Sample:
        """The sample of one day; `map_parts` may spread the chunks over threads."""
        size = len(self.weights.row)
        ndvi = np.full(size, NODATA, np.int16)
        observed_on = np.full(size, NODATA, np.int16)

        def fill(part: _Part) -> None:
            values, seen = self.cube.read(day, part.window)
            for pixels, sample in ((values, ndvi), (seen, observed_on)):
                _copy(pixels.reshape(-1), sample, part.position, part.pixel, part.length)

        for _ in map_parts(fill, self._parts):
            pass
        return Sample(ndvi, observed_on)


class Samplers:
    """The sampler of each set of fields, and room for their samples; for several threads."""

    def __init__(
        self, cube: Cube, weights: Callable[[NDArray[np.int64]], Weights], room: int
    ) -> None:
        self._cube, self._weights = cube, weights
        self._made: dict[bytes, Sampler] = {}
        self._lock = threading.Lock()
        self._room = self._free = room
        self._freed = threading.Condition()

    def of(self, index: NDArray[np.int64]) -> Sampler:
        """Of the fields at the positions `index`; made once while it is in use."""
        key = index.tobytes()
        with self._lock:
            if key not in self._made:
                if len(self._made) >= SETS:
                    self._made.clear()
                self._made[key] = Sampler(self._cube, self._weights(index))
            return self._made[key]

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free of `room`, or all of it, and hold them."""
        size = min(size, self._room)
        with self._freed:
            self._freed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._freed:
                self._free += size
                self._freed.notify_all()


class AlikeDays:
    """Days that have the same pixels, which are read once as long as the same fields are asked."""

    def __init__(self, samplers: Samplers, map_parts: Map) -> None:
        self._samplers, self._map = samplers, map_parts
        self._summaries: dict[bytes, Summary] = {}
        self.read = Amount()
        """What was read so far."""

    def under(self, day: dt.date, index: NDArray[np.int64]) -> Summary:
        """What the pixels say of the fields at the positions `index` of the weights."""
        key = index.tobytes()
        if key not in self._summaries:
            sampler = self._samplers.of(index)
            with self._samplers.room(sampler.nbytes):
                sample = sampler.read(day, self._map)
                self._summaries = {key: summarize(sampler.weights, *sample)}
            self.read += sampler.amount
        return self._summaries[key]


def _parts(cube: Cube, weights: Weights) -> list[_Part]:
    """The chunks of the grid that hold pixels, row by row."""
    tiling = cube.tiling
    side, per_row = tiling.side, -(-tiling.shape[1] // tiling.side)
    positions: defaultdict[int, list[NDArray[np.int32]]] = defaultdict(list)
    for first in range(0, len(weights.row), SORTED):
        some = slice(first, first + SORTED)
        place = weights.row[some] // side * per_row + weights.col[some] // side
        order = np.argsort(place, kind="stable")
        place = place[order]
        for start, end in itertools.pairwise([0, *_changes(place), len(place)]):
            positions[int(place[start])].append((order[start:end] + first).astype(np.int32))
    parts = []
    for index in sorted(positions):
        position = np.concatenate(positions.pop(index))
        chunk = tiling.tile(*divmod(index, per_row))
        row, col = weights.row[position] - chunk.row, weights.col[position] - chunk.col
        pixel = row * chunk.width + col
        breaks = (np.diff(position) != 1) | (np.diff(pixel) != 1)
        start = np.concatenate([[0], np.flatnonzero(breaks) + 1])
        length = np.diff(start, append=len(position)).astype(np.int32)
        parts.append(_Part(chunk, position[start], pixel[start], length))
    return parts


@njit(nogil=True, cache=True)
def _copy(chunk, sample, position, pixel, length):  # type: ignore[no-untyped-def]
    """Copy runs of pixels."""
    for run in range(len(length)):
        at, start = position[run], pixel[run]
        for k in range(length[run]):
            sample[at + k] = chunk[start + k]


def _changes(values: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where a value is not the one before it."""
    return np.flatnonzero(values[1:] != values[:-1]) + 1
