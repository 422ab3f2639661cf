"""NDVI and carry-forward in one pass: composite[t] = observed[t] where clear, else composite[t-1].

Stored values: NDVI is int16 in units of 1e-4, `observed_on` int16 days since 1970-01-01 of the
scene that the value comes from. Both are `NODATA` where nothing has been seen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.product import NODATA, PRODUCT, Int16

NO_LIMIT = 32767
"""Maximum age that never expires a value, days."""

VALID, CLEAR, USED, DARK, DIM = range(5)
"""Columns of `Block.counts`."""
DARK_DN = 1000
"""A digital number below this is a negative reflectance if the scene carries the +1000 offset."""
DIM_DN = 1500
"""One from `DARK_DN` to below this is then as dark as vegetation, water and shadow are."""

type Scenes[T: np.generic] = Sequence[NDArray[T]] | NDArray[T]
"""One (y, x) array a scene."""


class Seen(NamedTuple):
    """What was seen clear over one block on one day."""

    ndvi: Int16
    """(y, x), units of 1e-4, `NODATA` where not seen."""
    counts: NDArray[np.int64]
    """(scene, 5) pixels: with data, of those clear; of the clear: used, with red DN < 1000, and
    with red DN from 1000 to 1499."""


class Block(NamedTuple):
    """One block of a day's composite."""

    ndvi: Int16
    """(y, x), units of 1e-4, `NODATA` where never seen."""
    observed_on: Int16
    """(y, x), days since 1970-01-01, `NODATA` where never seen."""
    counts: NDArray[np.int64]
    """`Seen.counts`."""


def observe_block(
    red: Scenes[np.uint16],
    nir: Scenes[np.uint16],
    clear: Scenes[np.bool_],
    offset: NDArray[np.float32],
    shape: tuple[int, int],
) -> Seen:
    """What was seen clear on a solar day over a block of `shape` (y, x).

    `red`, `nir` hold the digital numbers of each scene, (y, x), 0 = nodata; `clear` True = clear;
    `offset` is (scene,) reflectance added to DN / 10000, taken to the nearest whole DN. The first
    scene in order that is clear gives a pixel both its bands. NDVI = (nir - red) / (nir + red)
    (Rouse et al. 1974); undefined, hence not observed, where the sum is not positive; clipped to
    [-1, 1], which only negative reflectance can leave.
    """
    seen = Seen(np.full(shape, NODATA, np.int16), np.zeros((len(red), 5), np.int64))
    added = np.rint(offset.astype(np.float64) * PRODUCT.sensor.dn_per_unit)
    for scene in zip(red, nir, clear, added, seen.counts, strict=True):
        r, n, c = (np.ascontiguousarray(plane) for plane in scene[:3])
        _observe(r, n, c, scene[3], scene[4], PRODUCT.main.per_unit, seen.ndvi)
    return seen


def dated(ndvi: Int16, day: int) -> Int16:
    """`observed_on` of values all seen on `day`: (y, x), `NODATA` where `ndvi` is."""
    observed_on = np.empty_like(ndvi)
    _date(ndvi, day, observed_on)
    return observed_on


def composite_block(
    red: Scenes[np.uint16],
    nir: Scenes[np.uint16],
    clear: Scenes[np.bool_],
    offset: NDArray[np.float32],
    previous_ndvi: Int16,
    previous_observed_on: Int16,
    day: int,
    max_age: int = NO_LIMIT,
) -> Block:
    """The composite of solar day `day` (days since 1970-01-01) over one block.

    What `observe_block` sees, else the value of the day before, (y, x); one older than `max_age`
    days becomes nodata.
    """
    height, width = previous_ndvi.shape
    ndvi, counts = observe_block(red, nir, clear, offset, (height, width))
    observed_on = dated(ndvi, day)
    carry_onto(ndvi, observed_on, previous_ndvi, previous_observed_on, day, max_age)
    return Block(ndvi, observed_on, counts)


def carry_block(
    ndvi: Int16,
    observed_on: Int16,
    previous_ndvi: Int16,
    previous_observed_on: Int16,
    day: int,
    max_age: int = NO_LIMIT,
) -> tuple[Int16, Int16]:
    """The composite of `day` anew after the day before changed, from stored pixels alone.

    What was observed on `day` stays (`observed_on` equals `day`); all else is carried again.
    All arrays are (y, x).
    """
    new, new_on = ndvi.copy(), observed_on.copy()
    carry_onto(new, new_on, previous_ndvi, previous_observed_on, day, max_age)
    return new, new_on


def carry_onto(
    ndvi: Int16,
    observed_on: Int16,
    previous_ndvi: Int16,
    previous_observed_on: Int16,
    day: int,
    max_age: int = NO_LIMIT,
) -> None:
    """`carry_block`, in the very arrays `ndvi` and `observed_on`."""
    _carry(ndvi, observed_on, previous_ndvi, previous_observed_on, day, max_age)


def count(observed_on: Int16, day: int) -> tuple[int, int]:
    """How many pixels (y, x) have a value, and how many of them were seen on `day` itself."""
    valid, observed = _count(observed_on, day)
    return int(valid), int(observed)


@njit(nogil=True, cache=True, inline="always")
def _expired(observed_on: int, day: int, max_age: int) -> bool:
    return observed_on == NODATA or day - observed_on > max_age


@njit(nogil=True, cache=True)
def _observe(red, nir, clear, offset, counts, per_unit, ndvi):  # type: ignore[no-untyped-def]
    """Let one scene give its pixels where no scene before it did."""
    height, width = red.shape
    for y in range(height):
        for x in range(width):
            r, n = red[y, x], nir[y, x]
            if r == 0 or n == 0:
                continue
            counts[VALID] += 1
            if not clear[y, x]:
                continue
            counts[CLEAR] += 1
            if r < DARK_DN:
                counts[DARK] += 1
            elif r < DIM_DN:
                counts[DIM] += 1
            total = float(n) + float(r) + 2.0 * offset
            if ndvi[y, x] == NODATA and total > 0.0:
                ratio = (float(n) - float(r)) / total
                ndvi[y, x] = np.rint(min(1.0, max(-1.0, ratio)) * per_unit)
                counts[USED] += 1


@njit(nogil=True, cache=True)
def _date(ndvi, day, observed_on):  # type: ignore[no-untyped-def]
    """Put `day` wherever there is a value."""
    height, width = ndvi.shape
    for y in range(height):
        for x in range(width):
            observed_on[y, x] = NODATA if ndvi[y, x] == NODATA else day


@njit(nogil=True, cache=True)
def _count(observed_on, day):  # type: ignore[no-untyped-def]
    valid = observed = np.int64(0)
    for y in range(observed_on.shape[0]):
        for x in range(observed_on.shape[1]):
            valid += observed_on[y, x] != NODATA
            observed += observed_on[y, x] == day
    return valid, observed


@njit(nogil=True, cache=True)
def _carry(ndvi, observed_on, before, before_on, day, max_age):  # type: ignore[no-untyped-def]
    """Put what was before wherever nothing was observed on the day."""
    height, width = ndvi.shape
    for y in range(height):
        for x in range(width):
            if observed_on[y, x] == day:
                continue
            if _expired(before_on[y, x], day, max_age):
                ndvi[y, x] = NODATA
                observed_on[y, x] = NODATA
            else:
                ndvi[y, x] = before[y, x]
                observed_on[y, x] = before_on[y, x]
