"""A day's composite from its imagery, block by block, each of the imagery's blocks read once."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import Seen, composite_block, count, observe_block
from hydro_pipeline.composite.tally import Piece, Tally, piece_of
from hydro_pipeline.grid import Pixels, Window, nothing
from hydro_pipeline.imagery.cloud_mask import clear_mask
from hydro_pipeline.imagery.load import Imagery
from hydro_pipeline.ingest.workers import Get

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

    Each window's pixels go to `put`, with those of the day before, as soon as they are made;
    returned is what it gives. `get` runs all this, `previous` and `put` included.
    Raises `SceneReadError` or `SceneGoneError` where pixels cannot be read.
    """
    formulas = imagery.formulas
    tally = Tally(imagery.tiling.shape, imagery.scenes)

    def block(window: Window, scenes: Any, clear: Any) -> tuple[Piece, R]:
        before = previous(window)
        made = composite_block(scenes, clear, imagery.offset, formulas, before, day, max_age)
        piece = piece_of(made, window, day, tally.step)
        return piece, put(window, made.pixels, before)

    done = _over_blocks(imagery, block, get)
    for piece, _ in done:
        tally.add(piece)
    return tally, [given for _, given in done]


def observed(imagery: Imagery, get: Get) -> dict[Window, Seen | None]:
    """What was seen clear in each tile; None where there is no scene.

    Raises `SceneReadError` or `SceneGoneError` where pixels cannot be read.
    """

    def block(window: Window, scenes: Any, clear: Any) -> tuple[Window, Seen]:
        return window, observe_block(scenes, clear, imagery.offset, imagery.formulas, window.shape)

    if not imagery.scenes:
        return dict.fromkeys(imagery.tiling)
    return dict(_over_blocks(imagery, block, get))


def load_kernels(formulas: Formulas) -> None:
    """Load what `observed` and `compose` compile from Numba's cache, or compile it."""
    window, clear = Window(0, 0, 1, 1), clear_mask(np.ones((1, 1), np.uint8), (1,), 1, ())
    scene = np.ones((len(formulas.bands), 1, 1), np.uint16)
    before = nothing(window, formulas.count)
    made = composite_block([scene], clear[None], np.zeros(1, np.float32), formulas, before, 0)
    piece_of(made, window, 0, 1)
    count(made.pixels.observed_on, 0)


def _over_blocks[R](imagery: Imagery, work: Callable[..., R], get: Get) -> list[R]:
    """What `work` gives for each block of the imagery: its window, its scenes and what is clear."""
    blocks = [(window, delayed(work)(window, *parts)) for window, *parts in _parts(imagery)]
    if imagery.kept is None:
        return list(compute(*(block for _, block in blocks), scheduler=get))
    done: list[R] = []
    for bottom, strip in itertools.groupby(blocks, lambda block: block[0].bottom):
        done += compute(*(block for _, block in strip), scheduler=get)
        imagery.kept.drop(bottom)
    return done


def _parts(imagery: Imagery) -> Iterator[tuple[Window, list[list[Any]], list[Any]]]:
    """Tiles of the grid, each with lazy (y, x) arrays of every scene: its bands, and its clear."""
    scenes = [[band.to_delayed() for band in scene] for scene in imagery.bands]
    clear = [mask.to_delayed() for mask in imagery.clear]
    for tile in imagery.tiling:
        place = imagery.tiling.place(tile)
        yield tile, [[band[place] for band in scene] for scene in scenes], [m[place] for m in clear]
