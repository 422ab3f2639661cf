"""A day's composite from its imagery, block by block, each of the imagery's blocks read once."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import dask
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from hydro_pipeline.cluster import Get
from hydro_pipeline.composite import Block, composite_block
from hydro_pipeline.cube import Window
from hydro_pipeline.cube_part import Pixels
from hydro_pipeline.imagery import Imagery
from hydro_pipeline.tally import Piece, Tally, piece_of

Previous = Callable[[Window], Pixels]
"""The day before in a window."""


def compose[R](
    imagery: Imagery,
    day: int,
    max_age: int,
    previous: Previous,
    put: Callable[[Window, Pixels, Pixels], R],
    get: Get,
) -> tuple[Tally, list[R]]:
    """The composite of `day` (days since 1970-01-01), on the grid of `imagery`.

    Each window's NDVI and observed_on go to `put`, with those of the day before, as soon as they
    are made; returned is what it gives. `get` runs all this, `previous` and `put` included.
    Raises `SceneReadError` where pixels cannot be read.
    """
    scenes, *shape = imagery.red.shape
    tally = Tally((shape[0], shape[1]), scenes)

    def block(
        red: list[NDArray[Any]], nir: list[NDArray[Any]], clear: list[NDArray[Any]], window: Window
    ) -> tuple[Piece, R]:
        before = previous(window)
        made = _made(red, nir, clear, imagery.offset, before, day, max_age)
        piece = piece_of(made, window, day, tally.step)
        return piece, put(window, (made.ndvi, made.observed_on), before)

    done = dask.compute(
        *(delayed(block)(*pixels, window) for window, pixels in _parts(imagery)),
        scheduler=get,
    )
    for piece, _ in done:
        tally.add(piece)
    return tally, [given for _, given in done]


def _made(
    red: list[NDArray[Any]],
    nir: list[NDArray[Any]],
    clear: list[NDArray[Any]],
    offset: NDArray[np.float32],
    before: Pixels,
    day: int,
    max_age: int,
) -> Block:
    """The composite of one window from one (y, x) array a scene."""
    size = before[0].shape
    return composite_block(
        np.stack(red) if red else np.empty((0, *size), np.uint16),
        np.stack(nir) if nir else np.empty((0, *size), np.uint16),
        np.stack(clear) if clear else np.empty((0, *size), np.bool_),
        offset,
        *before,
        day,
        max_age,
    )


def _parts(imagery: Imagery) -> Iterator[tuple[Window, list[Any]]]:
    """Windows of the grid, with red, nir and clear in each as one lazy (y, x) array a scene."""
    bands = [
        [scene.to_delayed() for scene in array]
        for array in (imagery.red, imagery.nir, imagery.clear)
    ]
    _, heights, widths = imagery.red.chunks
    for row, (top, height) in enumerate(_spans(heights)):
        for col, (left, width) in enumerate(_spans(widths)):
            window = slice(top, top + height), slice(left, left + width)
            yield window, [[scene[row, col] for scene in band] for band in bands]


def _spans(sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)
