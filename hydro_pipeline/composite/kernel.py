"""Variables and carry-forward in one pass: composite[t] = observed[t] where clear, else
composite[t-1].

Stored values are int16: variables in their own units, `observed_on` in days since 1970-01-01 of the
scene that the values come from. All are `NODATA` where nothing has been seen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.grid import Pixels
from hydro_pipeline.product import NODATA, Int16

NO_LIMIT = 32767
"""Maximum age that never expires a value, days."""

ROWS = 64
"""Rows whose bands are put side by side at once."""

VALID, CLEAR, USED, DARK, DIM = range(5)
"""Columns of `Block.counts`."""
DARK_DN = 1000
"""A digital number below this is a negative reflectance if the scene carries the +1000 offset."""
DIM_DN = 1500
"""One from `DARK_DN` to below this is then as dark as vegetation, water and shadow are."""

type Scene[T: np.generic] = Sequence[NDArray[T]] | NDArray[T]
"""One (y, x) array a band."""


class Seen(NamedTuple):
    """What was seen clear over one block on one day."""

    values: Int16
    """(variable, y, x), in the units of each, `NODATA` where not seen."""
    counts: NDArray[np.int64]
    """(scene, 5) pixels: with data, of those clear; of the clear: used, with red DN < 1000, and
    with red DN from 1000 to 1499; the last two are 0 without red."""


class Block(NamedTuple):
    """One block of a day's composite."""

    pixels: Pixels
    """`NODATA` where never seen."""
    counts: NDArray[np.int64]
    """`Seen.counts`."""


def observe_block(
    scenes: Sequence[Scene[np.uint16]],
    clear: Sequence[NDArray[np.bool_]] | NDArray[np.bool_],
    offset: NDArray[np.float32],
    formulas: Formulas,
    shape: tuple[int, int],
) -> Seen:
    """What was seen clear on a solar day over a block of `shape` (y, x).

    `scenes` holds the digital numbers of each scene's bands, (y, x) each in the order of
    `formulas.bands`, 0 = nodata; `clear` (y, x) of each, True = clear; `offset` is (scene,)
    reflectance added to DN / `dn_per_unit`, taken to the nearest whole DN. The first scene in order
    that is clear, and in which every variable is defined, gives a pixel all its values. A variable
    is undefined as `Variable` says, and a band beyond what can be stored; an index is clipped to
    its limits.
    """
    seen = Seen(
        np.full((formulas.count, *shape), NODATA, np.int16), np.zeros((len(scenes), 5), np.int64)
    )
    added = np.rint(offset.astype(np.float64) * formulas.dn_per_unit)
    for bands, sky, more, counts in zip(scenes, clear, added, seen.counts, strict=True):
        for top in range(0, shape[0], ROWS):
            rows = slice(top, top + ROWS)
            _observe(
                np.stack([band[rows] for band in bands]), np.ascontiguousarray(sky[rows]), more,
                formulas.top, formulas.bottom, formulas.per_unit, formulas.limits,
                formulas.signed, formulas.clipped, formulas.red, counts, seen.values, top,
            )  # fmt: skip
    return seen


def variables_of(bands: Int16, formulas: Formulas) -> Int16:
    """Variables from bands that are kept, exactly as `observe_block` makes them from imagery.

    `bands` is (band, y, x) in the order of `formulas.bands`, as bands are stored: one unit is one
    digital number with its offset, nodata -32768. Gives (variable, y, x), `NODATA` where there is
    no value, or where any of the variables is undefined.
    """
    values = np.full((formulas.count, *bands.shape[1:]), NODATA, np.int16)
    _variables(
        np.ascontiguousarray(bands), formulas.top, formulas.bottom, formulas.per_unit,
        formulas.limits, formulas.signed, formulas.clipped, values,
    )  # fmt: skip
    return values


def dated(values: Int16, day: int) -> Pixels:
    """What was all seen on `day`: (variable, y, x) with its `observed_on`."""
    observed_on = np.empty(values.shape[1:], np.int16)
    _date(values[0], day, observed_on)
    return Pixels(values, observed_on)


def composite_block(
    scenes: Sequence[Scene[np.uint16]],
    clear: Sequence[NDArray[np.bool_]] | NDArray[np.bool_],
    offset: NDArray[np.float32],
    formulas: Formulas,
    previous: Pixels,
    day: int,
    max_age: int = NO_LIMIT,
) -> Block:
    """The composite of solar day `day` (days since 1970-01-01) over one block.

    What `observe_block` sees, else the value of the day before; one older than `max_age` days
    becomes nodata.
    """
    height, width = previous.observed_on.shape
    values, counts = observe_block(scenes, clear, offset, formulas, (height, width))
    made = dated(values, day)
    carry_onto(made, previous, day, max_age)
    return Block(made, counts)


def carry_block(pixels: Pixels, previous: Pixels, day: int, max_age: int = NO_LIMIT) -> Pixels:
    """The composite of `day` anew after the day before changed, from stored pixels alone.

    What was observed on `day` stays (`observed_on` equals `day`); all else is carried again.
    """
    made = Pixels(pixels.values.copy(), pixels.observed_on.copy())
    carry_onto(made, previous, day, max_age)
    return made


def carry_onto(pixels: Pixels, previous: Pixels, day: int, max_age: int = NO_LIMIT) -> None:
    """`carry_block`, in the very arrays of `pixels`."""
    _carry(*pixels, *previous, day, max_age)


def age_limit(max_age_days: int | None) -> int:
    """The maximum age that a setting or a cube tells, days; None: values never expire."""
    return NO_LIMIT if max_age_days is None else max_age_days


def count(observed_on: Int16, day: int) -> tuple[int, int]:
    """How many pixels (y, x) have a value, and how many of them were seen on `day` itself."""
    valid, observed = _count(observed_on, day)
    return int(valid), int(observed)


@njit(nogil=True, cache=True, inline="always")
def _expired(observed_on: int, day: int, max_age: int) -> bool:
    return observed_on == NODATA or day - observed_on > max_age


@njit(nogil=True, cache=True, error_model="numpy")
def _ratios(  # type: ignore[no-untyped-def]
    bands, offset, top, bottom, per_unit, limits, signed, clipped, above, below, use, found
):  # fmt: skip
    """Fill `found` (variable, x) from `bands` (band, x), and let `use` (x,) be true only where all
    variables are defined. `above` and `below` (x,) are room to work in.
    """
    count, width = bands.shape
    for v in range(len(per_unit)):
        above[:] = top[v, count]
        below[:] = bottom[v, count]
        for b in range(count):
            over, under = top[v, b], bottom[v, b]
            if over != 0.0:
                for x in range(width):
                    above[x] += over * (bands[b, x] + offset)
            if under != 0.0:
                for x in range(width):
                    below[x] += under * (bands[b, x] + offset)
        scale, low, high = per_unit[v], limits[v, 0], limits[v, 1]
        sign, clip = signed[v], clipped[v]
        for x in range(width):
            value = above[x] / below[x] * scale
            use[x] &= (below[x] > 0.0) | (sign & (below[x] < 0.0))
            use[x] &= clip | ((value >= low) & (value <= high))
            value = min(high, max(low, value)) if use[x] else 0.0
            found[v, x] = np.int16(np.rint(value))


@njit(nogil=True, cache=True)
def _variables(  # type: ignore[no-untyped-def]
    bands, top, bottom, per_unit, limits, signed, clipped, values
):  # fmt: skip
    """Fill `values` (variable, y, x) where all variables are defined."""
    _, height, width = bands.shape
    use = np.empty(width, np.bool_)
    above, below = np.empty(width, np.float64), np.empty(width, np.float64)
    found = np.empty((len(per_unit), width), np.int16)
    for y in range(height):
        for x in range(width):
            use[x] = bands[0, y, x] != NODATA
        _ratios(
            bands[:, y], 0.0, top, bottom, per_unit, limits, signed, clipped,
            above, below, use, found,
        )  # fmt: skip
        for v in range(len(per_unit)):
            for x in range(width):
                if use[x]:
                    values[v, y, x] = found[v, x]


@njit(nogil=True, cache=True, error_model="numpy")
def _observe(  # type: ignore[no-untyped-def]
    bands, clear, offset, top, bottom, per_unit, limits, signed, clipped, red, counts, values, first
):  # fmt: skip
    """Let some rows of one scene, from row `first` on, give their pixels where no scene before did.

    Row by row, one step after the other over all columns: such loops become vector instructions.
    """
    count, height, width = bands.shape
    use = np.empty(width, np.bool_)
    above, below = np.empty(width, np.float64), np.empty(width, np.float64)
    found = np.empty((len(per_unit), width), np.int16)
    valid = seen = used = dark = dim = 0
    for y in range(height):
        for x in range(width):
            use[x] = bands[0, y, x] != 0
        for b in range(1, count):
            for x in range(width):
                use[x] &= bands[b, y, x] != 0
        for x in range(width):
            valid += use[x]
            use[x] &= clear[y, x]
            seen += use[x]
        if red >= 0:
            for x in range(width):
                dn = bands[red, y, x]
                dark += use[x] & (dn < DARK_DN)
                dim += use[x] & (dn >= DARK_DN) & (dn < DIM_DN)
        for x in range(width):
            use[x] &= values[0, first + y, x] == NODATA
        _ratios(
            bands[:, y], offset, top, bottom, per_unit, limits, signed, clipped,
            above, below, use, found,
        )  # fmt: skip
        for v in range(len(per_unit)):
            for x in range(width):
                if use[x]:
                    values[v, first + y, x] = found[v, x]
        for x in range(width):
            used += use[x]
    counts[VALID] += valid
    counts[CLEAR] += seen
    counts[USED] += used
    counts[DARK] += dark
    counts[DIM] += dim


@njit(nogil=True, cache=True)
def _date(values, day, observed_on):  # type: ignore[no-untyped-def]
    """Put `day` wherever there is a value."""
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            observed_on[y, x] = NODATA if values[y, x] == NODATA else day


@njit(nogil=True, cache=True)
def _count(observed_on, day):  # type: ignore[no-untyped-def]
    valid = observed = np.int64(0)
    for y in range(observed_on.shape[0]):
        for x in range(observed_on.shape[1]):
            valid += observed_on[y, x] != NODATA
            observed += observed_on[y, x] == day
    return valid, observed


@njit(nogil=True, cache=True)
def _carry(values, observed_on, before, before_on, day, max_age):  # type: ignore[no-untyped-def]
    """Put what was before wherever nothing was observed on the day."""
    height, width = observed_on.shape
    for y in range(height):
        for v in range(len(values)):
            for x in range(width):
                if observed_on[y, x] != day:
                    expired = _expired(before_on[y, x], day, max_age)
                    values[v, y, x] = NODATA if expired else before[v, y, x]
        for x in range(width):
            if observed_on[y, x] != day:
                expired = _expired(before_on[y, x], day, max_age)
                observed_on[y, x] = NODATA if expired else before_on[y, x]
