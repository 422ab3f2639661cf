"""NDVI and carry-forward in one pass: composite[t] = observed[t] where clear, else composite[t-1].

Stored values: NDVI is int16 in units of 1e-4, `observed_on` int16 days since 1970-01-01 of the
scene that the value comes from. Both are `NODATA` where nothing has been seen.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NODATA = -32768
SCALE = 1e-4
NEVER = 32767
"""Maximum age that never expires a value, days."""

VALID, CLEAR, USED, DARK, DIM = range(5)
"""Columns of `Block.counts`."""
DARK_DN = 1000
"""A digital number below this is a negative reflectance if the scene carries the +1000 offset."""
DIM_DN = 1500
"""One from `DARK_DN` to below this is then as dark as vegetation, water and shadow are."""

Int16 = NDArray[np.int16]


class Block(NamedTuple):
    """One block of a day's composite."""

    ndvi: Int16
    """(y, x), units of 1e-4, `NODATA` where never seen."""
    observed_on: Int16
    """(y, x), days since 1970-01-01, `NODATA` where never seen."""
    counts: NDArray[np.int64]
    """(scene, 5) pixels: with data, of those clear; of the clear: used, with red DN < 1000, and
    with red DN from 1000 to 1499."""


def composite_block(
    red: NDArray[np.uint16],
    nir: NDArray[np.uint16],
    clear: NDArray[np.bool_],
    offset: NDArray[np.float32],
    previous_ndvi: Int16,
    previous_observed_on: Int16,
    day: int,
    max_age: int = NEVER,
) -> Block:
    """The composite of solar day `day` (days since 1970-01-01) over one block.

    `red`, `nir` are (scene, y, x) digital numbers, 0 = nodata; `clear` True = clear; `offset` is
    (scene,) reflectance added to DN / 10000, taken to the nearest whole DN. The first scene in
    order that is clear gives a pixel both its bands. NDVI = (nir - red) / (nir + red) (Rouse et
    al. 1974); undefined, hence not observed, where the sum is not positive; clipped to [-1, 1],
    which only negative reflectance can leave. A carried value older than `max_age` days becomes
    nodata.
    """
    return Block(
        *_composite(
            red, nir, clear, np.rint(offset.astype(np.float64) * 10_000),
            previous_ndvi, previous_observed_on, day, max_age,
        )
    )  # fmt: skip


def carry_block(
    ndvi: Int16,
    observed_on: Int16,
    previous_ndvi: Int16,
    previous_observed_on: Int16,
    day: int,
    max_age: int = NEVER,
) -> tuple[Int16, Int16]:
    """The composite of `day` anew after the day before changed, from stored pixels alone.

    What was observed on `day` stays (`observed_on` equals `day`); all else is carried again.
    All arrays are (y, x).
    """
    new: tuple[Int16, Int16] = _carry(
        ndvi, observed_on, previous_ndvi, previous_observed_on, day, max_age
    )
    return new


@njit(nogil=True, cache=True, inline="always")
def _expired(observed_on: int, day: int, max_age: int) -> bool:
    return observed_on == NODATA or day - observed_on > max_age


@njit(nogil=True, cache=True)
def _composite(red, nir, clear, offset, before, before_on, day, max_age):  # type: ignore[no-untyped-def]
    scenes, height, width = red.shape
    ndvi = np.empty((height, width), np.int16)
    observed_on = np.empty((height, width), np.int16)
    counts = np.zeros((scenes, 5), np.int64)
    for y in range(height):
        for x in range(width):
            value = NODATA
            for s in range(scenes):
                r, n = red[s, y, x], nir[s, y, x]
                if r == 0 or n == 0:
                    continue
                counts[s, VALID] += 1
                if not clear[s, y, x]:
                    continue
                counts[s, CLEAR] += 1
                if r < DARK_DN:
                    counts[s, DARK] += 1
                elif r < DIM_DN:
                    counts[s, DIM] += 1
                total = float(n) + float(r) + 2.0 * offset[s]
                if value == NODATA and total > 0.0:
                    ratio = (float(n) - float(r)) / total
                    value = np.rint(min(1.0, max(-1.0, ratio)) * 10_000.0)
                    counts[s, USED] += 1
            if value != NODATA:
                ndvi[y, x] = value
                observed_on[y, x] = day
            elif _expired(before_on[y, x], day, max_age):
                ndvi[y, x] = NODATA
                observed_on[y, x] = NODATA
            else:
                ndvi[y, x] = before[y, x]
                observed_on[y, x] = before_on[y, x]
    return ndvi, observed_on, counts


@njit(nogil=True, cache=True)
def _carry(ndvi, observed_on, before, before_on, day, max_age):  # type: ignore[no-untyped-def]
    new = ndvi.copy()
    new_on = observed_on.copy()
    height, width = ndvi.shape
    for y in range(height):
        for x in range(width):
            if observed_on[y, x] == day:
                continue
            if _expired(before_on[y, x], day, max_age):
                new[y, x] = NODATA
                new_on[y, x] = NODATA
            else:
                new[y, x] = before[y, x]
                new_on[y, x] = before_on[y, x]
    return new, new_on
