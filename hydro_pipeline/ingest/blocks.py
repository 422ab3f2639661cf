"""A day's composite from its imagery, block by block, each of the imagery's blocks read once."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from hydro_pipeline.composite.kernel import Seen, composite_block, count, observe_block
from hydro_pipeline.composite.tally import Piece, Tally, piece_of
from hydro_pipeline.grid import Pixels, Window
from hydro_pipeline.imagery.cloud_mask import clear_mask
from hydro_pipeline.imagery.load import Imagery
from hydro_pipeline.ingest.workers import Get
from hydro_pipeline.product import NODATA

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
    Raises `SceneReadError` or `SceneGoneError` where pixels cannot be read.
    """
    tally = Tally(imagery.tiling.shape, len(imagery.red))

    def block(window: Window, red: Any, nir: Any, clear: Any) -> tuple[Piece, R]:
        before = previous(window)
        made = composite_block(red, nir, clear, imagery.offset, *before, day, max_age)
        piece = piece_of(made, window, day, tally.step)
        return piece, put(window, (made.ndvi, made.observed_on), before)

    done = _over_blocks(imagery, block, get)
    for piece, _ in done:
        tally.add(piece)
    return tally, [given for _, given in done]


def observed(imagery: Imagery, get: Get) -> dict[Window, Seen | None]:
    """What was seen clear in each tile; None where there is no scene.

    Raises `SceneReadError` or `SceneGoneError` where pixels cannot be read.
    """

    def block(window: Window, red: Any, nir: Any, clear: Any) -> tuple[Window, Seen]:
        return window, observe_block(red, nir, clear, imagery.offset, window.shape)

    if not len(imagery.red):
        return dict.fromkeys(imagery.tiling)
    return dict(_over_blocks(imagery, block, get))


def load_kernels() -> None:
    """Load what `observed` and `compose` compile from Numba's cache, or compile it."""
    band, clear = np.ones((1, 1, 1), np.uint16), clear_mask(np.ones((1, 1), np.uint8), (1,), 1)
    nothing = np.full((1, 1), NODATA, np.int16)
    made = composite_block(band, band, clear[None], np.zeros(1, np.float32), nothing, nothing, 0)
    piece_of(made, Window(0, 0, 1, 1), 0, 1)
    count(made.observed_on, 0)


def _over_blocks[R](imagery: Imagery, work: Callable[..., R], get: Get) -> list[R]:
    """What `work` gives for each block of the imagery, of its window and its bands."""
    blocks = [(window, delayed(work)(window, *bands)) for window, bands in _parts(imagery)]
    if imagery.kept is None:
        return list(compute(*(block for _, block in blocks), scheduler=get))
    done: list[R] = []
    for bottom, strip in itertools.groupby(blocks, lambda block: block[0].bottom):
        done += compute(*(block for _, block in strip), scheduler=get)
        imagery.kept.drop(bottom)
    return done


def _parts(imagery: Imagery) -> Iterator[tuple[Window, list[Any]]]:
    """Tiles of the grid, with red, nir and clear in each as one lazy (y, x) array a scene."""
    bands = [
        [scene.to_delayed() for scene in array]
        for array in (imagery.red, imagery.nir, imagery.clear)
    ]
    for tile in imagery.tiling:
        place = imagery.tiling.place(tile)
        yield tile, [[scene[place] for scene in band] for band in bands]
