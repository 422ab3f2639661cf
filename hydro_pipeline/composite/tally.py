"""What a day's composite amounts to: sums and a thinned picture, gathered block by block."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.composite.kernel import Block
from hydro_pipeline.grid import Window
from hydro_pipeline.product import NODATA, Int16

PREVIEW_PX = 300


@dataclass(frozen=True)
class Piece:
    """One block's part."""

    top: int
    left: int
    """Where the block's thinned picture belongs."""
    preview: Int16
    """The main variable of every `step`-th pixel of the grid, as stored, nodata -32768."""
    preview_age: Int16
    """Their ages, days, -1 where there is no value."""
    counts: NDArray[np.int64]
    """`Block.counts`."""
    age: int
    """Sum of the ages of the pixels with a value, days."""
    total: int
    """Sum of the main variable's values, stored units."""


class Tally:
    """A day's sums and picture, of `scenes` scenes on a grid of `shape` (y, x)."""

    def __init__(self, shape: tuple[int, int], scenes: int) -> None:
        self.pixels = shape[0] * shape[1]
        self.counts = np.zeros((scenes, 5), np.int64)
        self.age = self.total = 0
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
        self.age += piece.age
        self.total += piece.total


def piece_of(block: Block, window: Window, day: int, step: int) -> Piece:
    """The part of a `block` that lies in `window` of the grid, on `day` (since 1970-01-01)."""
    top, left, thin = window.thinned(step)
    main, observed_on = block.pixels.values[0], block.pixels.observed_on
    preview = main[thin].copy()
    age = np.where(preview != NODATA, day - observed_on[thin], -1).astype(np.int16)
    return Piece(top, left, preview, age, block.counts, *_sums(main, observed_on, day))


@njit(nogil=True, cache=True)
def _sums(values, observed_on, day):  # type: ignore[no-untyped-def]
    """Sums of the ages and of the values, over the pixels with a value."""
    age = total = np.int64(0)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if values[y, x] != NODATA:
                age += day - np.int64(observed_on[y, x])
                total += values[y, x]
    return age, total
