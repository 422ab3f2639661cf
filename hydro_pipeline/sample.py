"""The cube's values under a set of fields, reading each chunk under them once a day."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.composite import NODATA, Int16
from hydro_pipeline.cube import Cube, Window
from hydro_pipeline.zonal import Weights

Map = Callable[[Callable[["_Part"], None], Iterable["_Part"]], Iterable[None]]


@dataclass(frozen=True)
class Sample:
    """Values in the order of `Weights.row` and `Weights.col`."""

    ndvi: Int16
    """(pixel,), units of 1e-4, nodata -32768."""
    observed_on: Int16
    """(pixel,), days since 1970-01-01, nodata -32768."""
    chunks_read: int
    """Chunks of either array that were read."""
    bytes_read: int
    """Size of these chunks in memory."""


@dataclass(frozen=True)
class _Part:
    window: Window
    """One chunk of the grid."""
    position: NDArray[np.int32]
    """Where its pixels stand in the sample."""
    pixel: NDArray[np.uint32]
    """Its pixels, counted row by row from the chunk's corner."""


class Sampler:
    """Reads the pixels of `weights` from a cube, chunk by chunk."""

    def __init__(self, cube: Cube, weights: Weights) -> None:
        self.cube = cube
        self._size = len(weights.row)
        self._parts = _parts(cube, weights)

    def read(self, day: dt.date, map_parts: Map = map) -> Sample:
        """The sample of one day; `map_parts` may spread the chunks over threads."""
        ndvi = np.full(self._size, NODATA, np.int16)
        observed_on = np.full(self._size, NODATA, np.int16)

        def fill(part: _Part) -> None:
            values, seen = self.cube.read(day, part.window)
            ndvi[part.position] = values.reshape(-1).take(part.pixel)
            observed_on[part.position] = seen.reshape(-1).take(part.pixel)

        for _ in map_parts(fill, self._parts):
            pass
        pixels = sum(
            (rows.stop - rows.start) * (cols.stop - cols.start)
            for rows, cols in (part.window for part in self._parts)
        )
        return Sample(ndvi, observed_on, 2 * len(self._parts), 4 * pixels)


def _parts(cube: Cube, weights: Weights) -> list[_Part]:
    side, (height, width) = cube.chunk, cube.shape
    per_row = -(-width // side)
    chunk = weights.row // side * per_row + weights.col // side
    order = np.argsort(chunk, kind="stable").astype(np.int32)
    chunks, starts = np.unique(chunk[order], return_index=True)
    parts = []
    for index, start, end in zip(chunks, starts, [*starts[1:], len(order)], strict=False):
        position = order[start:end]
        top, left = int(index // per_row) * side, int(index % per_row) * side
        bottom, right = min(top + side, height), min(left + side, width)
        pixel = (weights.row[position] - top) * (right - left) + weights.col[position] - left
        window = slice(top, bottom), slice(left, right)
        parts.append(_Part(window, position, pixel.astype(np.uint32)))
    return parts
