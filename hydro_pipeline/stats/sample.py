"""The cube's values under a set of fields, reading each chunk under them once a day."""

import datetime as dt
import itertools
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.grid import Window
from hydro_pipeline.product import NODATA, Int16
from hydro_pipeline.stats.kernel import Summary, summarize
from hydro_pipeline.stats.runs import Weights

Map = Callable[[Callable[["_Part"], None], Iterable["_Part"]], Iterable[None]]

SORTED = 1 << 20
"""Runs of pixels that are sorted by chunk together, to bound memory."""

PIXELS = 1 << 24
"""Fields that have more pixels together are read in groups, to bound memory."""

SETS = 12
"""Sets of fields whose samplers are kept."""


class Sample(NamedTuple):
    """Values of the pixels of `Weights.runs`, in their order."""

    values: Int16
    """(variable, pixel), as stored, nodata -32768."""
    observed_on: Int16
    """(pixel,), days since 1970-01-01, nodata -32768."""


@dataclass(frozen=True)
class Amount:
    """How much of the cube was read."""

    chunks: int = 0
    """Chunks of any array."""
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
        arrays = len(cube.product.names)
        self.amount = Amount(arrays * len(self._parts), 2 * arrays * pixels)
        """What is read for a day."""

    @property
    def nbytes(self) -> int:
        """Size of a sample."""
        return 2 * len(self.cube.product.names) * int(self.weights.at[-1])

    def read(self, day: dt.date, map_parts: Map = map) -> Sample:
        """The sample of one day; `map_parts` may spread the chunks over threads."""
        size = self.weights.at[-1]
        values = np.full((len(self.cube.product.variables), size), NODATA, np.int16)
        observed_on = np.full(size, NODATA, np.int16)

        def fill(part: _Part) -> None:
            stored = self.cube.read(day, part.window)
            for pixels, sample in zip(stored.arrays, (*values, observed_on), strict=True):
                _copy(pixels.reshape(-1), sample, part.position, part.pixel, part.length)

        for _ in map_parts(fill, self._parts):
            pass
        return Sample(values, observed_on)


@dataclass(frozen=True)
class Group:
    """Some fields of a set, that are read together."""

    index: NDArray[np.int64]
    """Their positions in the set."""
    sampler: Sampler


class Samplers:
    """The samplers of each set of fields, and room for their samples; for several threads."""

    def __init__(
        self, cube: Cube, weights: Callable[[NDArray[np.int64]], Weights], room: int
    ) -> None:
        self._cube, self._weights = cube, weights
        self._made: dict[bytes, list[Group]] = {}
        self._lock = threading.Lock()
        self._room = self._free = room
        self._freed = threading.Condition()

    def of(self, index: NDArray[np.int64]) -> list[Group]:
        """Of the fields at the positions `index`; made once while they are in use."""
        key = index.tobytes()
        with self._lock:
            if key not in self._made:
                if len(self._made) >= SETS:
                    self._made.clear()
                weights = self._weights(index)
                self._made[key] = [
                    Group(some, Sampler(self._cube, weights.subset(some)))
                    for some in _groups(weights)
                ]
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
            groups = self._samplers.of(index)
            summaries = []
            for sampler in (group.sampler for group in groups):
                with self._samplers.room(sampler.nbytes):
                    sample, product = sampler.read(day, self._map), sampler.cube.product
                    summaries.append(summarize(sampler.weights, *sample, product.variables))
                self.read += sampler.amount
            self._summaries = {key: Summary.joined([group.index for group in groups], summaries)}
        return self._summaries[key]


def _groups(weights: Weights) -> list[NDArray[np.int64]]:
    """Positions of fields that are read together: all, or those that lie beside each other."""
    pixels = weights.pixels
    if pixels.sum() <= PIXELS:
        return [np.arange(len(pixels))]
    first = np.append(weights.runs.row, 0)[weights.start[:-1]]
    order = np.argsort(first, kind="stable")
    until = np.cumsum(pixels[order])
    return np.split(order, _changes((until - pixels[order]) // PIXELS))


def _parts(cube: Cube, weights: Weights) -> list[_Part]:
    """The chunks of the grid that hold pixels, row by row."""
    tiling = cube.tiling
    side, per_row = tiling.side, -(-tiling.shape[1] // tiling.side)
    pieces: defaultdict[int, list[NDArray[np.int32]]] = defaultdict(list)
    for first in range(0, len(weights.runs.row), SORTED):
        place, found = _pieces(weights, slice(first, first + SORTED), side, per_row)
        order = np.argsort(place, kind="stable")
        place, found = place[order], found[:, order]
        for start, end in itertools.pairwise([0, *_changes(place), len(place)]):
            pieces[int(place[start])].append(found[:, start:end])
    parts = []
    for index in sorted(pieces):
        position, row, col, length = np.concatenate(pieces.pop(index), axis=1)
        chunk = tiling.tile(*divmod(index, per_row))
        pixel = (row - chunk.row) * chunk.width + col - chunk.col
        breaks = (np.diff(position) != length[:-1]) | (np.diff(pixel) != length[:-1])
        begin = np.concatenate([[0], np.flatnonzero(breaks) + 1])
        parts.append(_Part(chunk, position[begin], pixel[begin], np.add.reduceat(length, begin)))
    return parts


def _pieces(
    weights: Weights, some: slice, side: int, per_row: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Runs cut where chunks begin: each piece's chunk (piece,); where it stands in the sample, its
    row, its first column, its length (4, piece).
    """
    row, col, length, _ = (column[some] for column in weights.runs)
    end = col + length
    count = (end - 1) // side - col // side + 1
    run = np.repeat(np.arange(len(row)), count)
    across = col[run] // side + np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    left = np.maximum(col[run], across * side)
    right = np.minimum(end[run], (across + 1) * side)
    position = weights.at[:-1][some][run] + left - col[run]
    pieces = np.stack([position, row[run], left, right - left]).astype(np.int32)
    return (row[run] // side * per_row + across).astype(np.int32), pieces


@njit(nogil=True, cache=True)
def _copy(chunk, sample, position, pixel, length):  # type: ignore[no-untyped-def]
    """Copy runs of pixels."""
    for run in range(len(length)):
        at, start = position[run], pixel[run]
        for k in range(length[run]):
            sample[at + k] = chunk[start + k]


def _changes(values: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Where a value is not the one before it."""
    return np.flatnonzero(values[1:] != values[:-1]) + 1
