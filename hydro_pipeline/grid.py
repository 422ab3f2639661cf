"""Windows of a grid and the pixels in them."""

import numpy as np

from hydro_pipeline.product import NODATA, Int16

Window = tuple[slice, slice]
"""Rows and columns of the grid."""


def windows(shape: tuple[int, int], side: int) -> list[Window]:
    """The grid cut into windows of at most `side` pixels on a side, row by row."""
    height, width = shape
    return [
        (slice(y, min(y + side, height)), slice(x, min(x + side, width)))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def shape_of(window: Window) -> tuple[int, int]:
    """Rows and columns in a window."""
    rows, cols = window
    return rows.stop - rows.start, cols.stop - cols.start


Pixels = tuple[Int16, Int16]
"""NDVI and observed_on of a window, in the order of `ARRAYS`: (y, x) each, nodata -32768."""


def nothing(window: Window) -> Pixels:
    """Pixels of a window in which nothing was ever seen."""
    shape = shape_of(window)
    return np.full(shape, NODATA, np.int16), np.full(shape, NODATA, np.int16)
