"""The days after one that was written again: carried anew from stored pixels, without imagery."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.composite.kernel import carry_block
from hydro_pipeline.cube.part import DayPart
from hydro_pipeline.days import number_day
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.grid import Window
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.product import NODATA

Chunk = tuple[str, int, Window]
"""Array, position on the time axis, window."""


@dataclass(frozen=True)
class _Carried:
    """A chunk of a later day that was written anew."""

    at: int
    """The day's position."""
    chunk: Window
    names: list[str]
    gained: int
    """Pixels that have a value now and had none."""


@dataclass(frozen=True)
class Refreshed:
    """What was carried into the days after one that was written again."""

    days: tuple[dt.date, ...] = ()
    """Whose pixels changed."""
    chunks: tuple[Chunk, ...] = ()
    """That were written."""
    damaged: tuple[dt.date, ...] = ()
    """Days that are left as they are, since a chunk there cannot be read, and those after them."""


def refresh(part: DayPart, changed: Sequence[Window], length: int, max_age: int) -> Refreshed:
    """Carry the `changed` chunks of a day into the days after it, up to position `length`, each
    until a day comes out unchanged. Values older than `max_age` days become nodata.

    The revisions and shares of the days that changed follow. A chunk that cannot be read raises
    `DamagedCubeError`; while the day is mended it is left for its own day to be mended too.
    """
    if part.is_new or not changed or part.index + 1 == length:
        return Refreshed()
    damaged: set[dt.date] = set()

    def carry(chunk: Window) -> list[_Carried]:
        carried = []
        before = part.read(part.index, chunk)
        for index in range(part.index + 1, length):
            try:
                there = part.read(index, chunk)
            except DamagedCubeError:
                if not part.mends:
                    raise
                damaged.add(number_day(part.number + index - part.index))
                break
            number = part.number + index - part.index
            new = carry_block(there, before, number, max_age)
            differing = [
                (name, chunk, mine)
                for name, mine, other in zip(part.names, new.arrays, there.arrays, strict=True)
                if not np.array_equal(mine, other)
            ]
            if not differing:
                break
            part.put(index, differing)
            gained = np.count_nonzero(new.observed_on != NODATA)
            gained -= np.count_nonzero(there.observed_on != NODATA)
            carried.append(_Carried(index, chunk, [name for name, _, _ in differing], int(gained)))
            before = new
        return carried

    every = [carried for chunk in in_threads(carry, changed) for carried in chunk]
    touched, gained = np.zeros(length, np.int32), np.zeros(length, np.int64)
    for carried in every:
        touched[carried.at] = 1
        gained[carried.at] += carried.gained
    bump(part, touched, valid_fraction=gained)
    first = part.number - part.index
    return Refreshed(
        tuple(number_day(first + index) for index in sorted({c.at for c in every})),
        tuple((name, c.at, c.chunk) for c in every for name in c.names),
        tuple(sorted(damaged)),
    )


def bump(part: DayPart, touched: NDArray[np.int32], **gained: NDArray[np.int64]) -> None:
    """Let the revisions and shares of days follow their pixels.

    `touched` (time,) is 1 where a day's pixels changed, else 0; `gained` (time,), by the name of a
    share, the pixels that count now and did not.
    """
    pixels, revision = np.prod(part.tiling.shape), part.arrays["revision"]
    revision[:] = revision[:] + touched
    for name, more in gained.items():
        share = part.arrays[name]
        share[:] = np.where(more, (np.rint(share[:] * pixels) + more) / pixels, share[:])
