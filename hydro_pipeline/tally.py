"""What a day's composite amounts to: sums and a thinned picture, gathered block by block."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.composite import NODATA, Block, Int16

PREVIEW_PX = 300


class Sums(NamedTuple):
    """Sums over the pixels with a value."""

    valid: int
    """Pixels with a value."""
    observed: int
    """Pixels seen on the very day."""
    age: int
    """Their ages, days."""
    ndvi: int
    """Their values, units of 1e-4."""


@dataclass(frozen=True)
class Piece:
    """One block's part."""

    top: int
    left: int
    """Where the block's thinned picture belongs."""
    preview: Int16
    """NDVI of every `step`-th pixel of the grid, units of 1e-4, nodata -32768."""
    preview_age: Int16
    """Their ages, days, -1 where there is no value."""
    counts: NDArray[np.int64]
    """`Block.counts`."""
    sums: Sums


class Tally:
    """A day's sums and picture. `shape` is the grid's (y, x), `day` in days since 1970-01-01."""

    def __init__(self, shape: tuple[int, int], scenes: int) -> None:
        self.pixels = shape[0] * shape[1]
        self.counts = np.zeros((scenes, 5), np.int64)
        self.sums = Sums(0, 0, 0, 0)
        self.step = -(-max(shape) // PREVIEW_PX)
        thinned = tuple(-(-side // self.step) for side in shape)
        self.preview = np.full(thinned, NODATA, np.int16)
        self.preview_age = np.full(thinned, -1, np.int16)

    def add(self, piece: Piece) -> None:
        """Take in one block."""
        height, width = piece.preview.shape
        place = slice(piece.top, piece.top + height), slice(piece.left, piece.left + width)
        self.preview[place] = piece.preview
        self.preview_age[place] = piece.preview_age
        self.counts += piece.counts
        self.sums = Sums(*(a + b for a, b in zip(self.sums, piece.sums, strict=True)))


def piece_of(block: Block, window: tuple[slice, slice], day: int, step: int) -> Piece:
    """The part of a `block` that lies in `window` of the grid, on `day` (since 1970-01-01)."""
    top, left = (-(-s.start // step) for s in window)
    thin = (
        slice(top * step - window[0].start, None, step),
        slice(left * step - window[1].start, None, step),
    )
    ndvi, observed_on = block.ndvi[thin].copy(), block.observed_on[thin]
    age = np.where(ndvi != NODATA, day - observed_on, -1).astype(np.int16)
    return Piece(
        top, left, ndvi, age, block.counts, Sums(*_sums(block.ndvi, block.observed_on, day))
    )


@njit(nogil=True, cache=True)
def _sums(ndvi, observed_on, day):  # type: ignore[no-untyped-def]
    valid = observed = 0
    age = total = np.int64(0)
    for y in range(ndvi.shape[0]):
        for x in range(ndvi.shape[1]):
            if ndvi[y, x] == NODATA:
                continue
            valid += 1
            total += ndvi[y, x]
            days = day - np.int64(observed_on[y, x])
            age += days
            if days == 0:
                observed += 1
    return valid, observed, age, total
