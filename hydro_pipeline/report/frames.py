"""What was observed on each day, as small pictures that the page carries forward by itself."""

import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import DamagedCubeError, StoreAccessError
from hydro_pipeline.grid import Window
from hydro_pipeline.outputs.colours import variable_class
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.report.blocks import pack
from hydro_pipeline.storage.keys import frames_key
from hydro_pipeline.storage.store import Store

MAX_PIXELS = 5_000_000
"""Observed pixels of all pictures together; about half a byte each in the page."""
MAX_SIDE = 1000


@dataclass(frozen=True)
class Frames:
    """The pictures of a cube."""

    step: int
    """Every so many pixels of the grid is one of a picture, from the first."""
    shape: tuple[int, int]
    """Rows and columns of a picture."""
    packed: dict[dt.date, str]
    """By day: uint8 (y, x) classes of what was observed of the main variable, else 0; see
    `blocks.pack`.
    """
    damaged: tuple[str, ...] = ()
    """Sentences on days without a picture, since their pixels cannot be read."""


def frames(store: Store, cube: Cube) -> Frames:
    """Pictures of all days on which anything was observed.

    A picture is kept in the store and made again only when its day has changed, or what is shown.
    """
    height, width = cube.shape
    observed = dict(zip(cube.days, cube.daily("observed_fraction").tolist(), strict=True))
    step = _step(cube.shape, sum(observed.values()) * height * width)
    key = frames_key(cube.area_name)
    kept = _kept(store.get(key), step)
    made: dict[dt.date, Any] = {}
    damaged = []
    for day in (day for day in cube.days if observed[day] > 0):
        state = [cube.revisions[day], observed[day], cube.product.main.name]
        match kept.get(str(day)):
            case [known, str(packed)] if known == state:
                pass
            case _:
                try:
                    packed = pack(_frame(cube, day, step))
                except DamagedCubeError as error:
                    damaged.append(str(error))
                    continue
        made[day] = [state, packed]
    if {str(day): one for day, one in made.items()} != kept:
        document = {"step": step, "frames": {str(day): one for day, one in made.items()}}
        with contextlib.suppress(StoreAccessError):  # Reading needs no right to write.
            store.put(key, json.dumps(document).encode())
    shape = -(-height // step), -(-width // step)
    packs = {day: packed for day, (_, packed) in made.items()}
    return Frames(step, shape, packs, tuple(damaged))


def _kept(data: bytes | None, step: int) -> dict[str, Any]:
    """The pictures kept; none where they are of another size, or cannot be read."""
    try:
        document = json.loads(data or b"{}")
        kept: dict[str, Any] = document["frames"] if document.get("step") == step else {}
        return dict(kept)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _step(shape: tuple[int, int], observed_pixels: float) -> int:
    """The smallest step with which the pictures of `observed_pixels` fit into the page."""
    return next(
        step
        for step in count(1)
        if observed_pixels / step**2 <= MAX_PIXELS and max(shape) / step <= MAX_SIDE
    )


def _frame(cube: Cube, day: dt.date, step: int) -> NDArray[np.uint8]:
    height, width = cube.shape
    frame = np.zeros((-(-height // step), -(-width // step)), np.uint8)

    main = cube.product.main

    def fill(window: Window) -> None:
        pixels = cube.read(day, window)
        top, left, inner = window.thinned(step)
        seen = pixels.observed_on[inner] == day_number(day)
        rows, cols = seen.shape
        frame[top : top + rows, left : left + cols] = (
            variable_class(pixels.values[0][inner], main) * seen
        )

    in_threads(fill, list(cube.tiling))
    return frame
