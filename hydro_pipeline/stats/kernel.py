"""Statistics of every field over one day's composite, in one pass over the weighted pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.product import NODATA, PRODUCT

LASTING = (
    *map(PRODUCT.main.column, ("mean", "median", "std", "min", "max", "p10", "p90")),
    *("pixel_count", "valid_fraction"),
)
"""Statistics that pixels have on every day, in the kernel's order."""

MEAN, MEDIAN, STD, MIN, MAX, P10, P90, COUNT, VALID = range(len(LASTING))

NEVER_OBSERVED = np.iinfo(np.int32).min
"""Stands for "no day" where days are int32."""


@dataclass(frozen=True)
class Weights:
    """The pixels of each field, one field's after the other's (compressed sparse rows)."""

    field_ids: tuple[str, ...]
    hashes: tuple[str, ...]
    """`Field.hash` of each field."""
    start: NDArray[np.int64]
    """(field + 1,): the pixels of field i are start[i] to start[i + 1]."""
    row: NDArray[np.int32]
    """(pixel,) rows of the grid, from its north edge."""
    col: NDArray[np.int32]
    """(pixel,) columns of the grid, from its west edge."""
    weight: NDArray[np.float32]
    """(pixel,) greater than 0, at most 1."""
    total: NDArray[np.float64]
    """(field,) weight of the whole polygon in pixels, also of what lies beyond the grid."""

    def subset(self, index: NDArray[np.integer[Any]]) -> "Weights":
        """The weights of the fields at the positions `index`, in that order."""
        if np.array_equal(index, np.arange(len(self.total))):
            return self
        counts = np.diff(self.start)[index]
        start = np.concatenate([[0], np.cumsum(counts)])
        pixels = np.repeat(self.start[index] - start[:-1], counts) + np.arange(start[-1])
        return Weights(
            tuple(self.field_ids[i] for i in index),
            tuple(self.hashes[i] for i in index),
            start,
            self.row[pixels],
            self.col[pixels],
            self.weight[pixels],
            self.total[index],
        )


@dataclass(frozen=True)
class Summary:
    """What pixels say of each field, whatever the day; arrays are (field,)."""

    lasting: dict[str, NDArray[np.float64]]
    """By name in `LASTING`."""
    mean_on: NDArray[np.float64]
    """Weighted mean of the days on which values were seen, since 1970-01-01; NaN without values."""
    first_on: NDArray[np.float64]
    """The earliest of them."""
    last_on: NDArray[np.int32]
    """The latest; the smallest int32 without values."""
    last_fraction: NDArray[np.float64]
    """Weight of the values seen on the latest day, in that of the whole polygon."""

    def on(self, day: int) -> dict[str, NDArray[Any]]:
        """The statistics on a day (since 1970-01-01); see `statistics`."""
        return {
            **self.lasting,
            "observed_fraction": np.where(
                (self.last_on == day) | np.isnan(self.last_fraction), self.last_fraction, 0.0
            ),
            "age_mean_days": day - self.mean_on,
            "age_max_days": day - self.first_on,
            "last_observed": self.last_on,
        }


def statistics(
    weights: Weights, ndvi: NDArray[np.int16], observed_on: NDArray[np.int16], day: int
) -> dict[str, NDArray[Any]]:
    """The statistics of each field on `day` (days since 1970-01-01), each an array (field,).

    `ndvi` (units of 1e-4) and `observed_on` (days since 1970-01-01) are the composite's values at
    the pixels of `weights`, (pixel,), nodata -32768. Over the pixels with a value: weighted
    `ndvi_mean`, population `ndvi_std`, `ndvi_min`, `ndvi_max`, weighted quantiles `ndvi_p10`,
    `ndvi_median`, `ndvi_p90`; the weighted mean and the largest of their ages in days,
    `age_mean_days`, `age_max_days`; `last_observed` (int32, days since 1970-01-01); NaN, or the
    smallest int32, where there is none. `pixel_count` is their weight; `valid_fraction` their
    weight in that of the whole polygon, `observed_fraction` that of the pixels seen on `day`
    itself; NaN where the polygon has no weight.

    Quantiles are exactextract's: with the n values in order, s_k = k w_k + (n - 1) sum_{i<k} w_i
    is the position of value k, and the quantile q is interpolated linearly at q (n - 1) sum w;
    equal weights give numpy's linear percentile. Equal values keep the order of their pixels;
    exactextract leaves theirs in any order, and its quantiles vary with that where their weights
    differ. A field's statistics do not depend, to the last bit, on the fields computed with it.
    """
    return summarize(weights, ndvi, observed_on).on(day)


def summarize(weights: Weights, ndvi: NDArray[np.int16], observed_on: NDArray[np.int16]) -> Summary:
    """What `statistics` says of days that have these pixels."""
    count = len(weights.total)
    lasting = np.full((len(LASTING), count), np.nan)
    mean_on, first_on, last_fraction = np.full((3, count), np.nan)
    last_on = np.full(count, NEVER_OBSERVED, np.int32)
    _summarize(
        weights.start, weights.weight, weights.total, ndvi, observed_on,
        PRODUCT.main.per_unit, lasting, mean_on, first_on, last_on, last_fraction,
    )  # fmt: skip
    return Summary(
        dict(zip(LASTING, lasting, strict=True)), mean_on, first_on, last_on, last_fraction
    )


def load_kernel() -> None:
    """Compile the kernel of `statistics`, or load it from numba's cache; once in a process."""
    nothing = np.zeros(0, np.int32)
    weights = Weights(
        (), (), np.zeros(1, np.int64), nothing, nothing, np.zeros(0, np.float32), np.zeros(0)
    )
    statistics(weights, np.zeros(0, np.int16), np.zeros(0, np.int16), 0)


@njit(nogil=True, cache=True)
def _summarize(  # type: ignore[no-untyped-def]
    start, weight, total, ndvi, observed_on,
    per_unit, lasting, mean_on, first_on, last_on, last_fraction,
):  # fmt: skip
    """Fill `lasting` (statistic, field) and the others (field,)."""
    longest = 0
    for i in range(len(total)):
        longest = max(longest, start[i + 1] - start[i])
    values = np.empty((2, longest), np.int16)
    shares = np.empty((2, longest), np.float32)
    slots = np.empty((2, 256), np.int64)
    for i in range(len(total)):
        n = 0
        count = 0.0
        # Summed from the first value on: exact where all are equal.
        origin = 0.0
        value_sum = 0.0
        on_origin = np.int64(0)
        on_sum = 0.0
        first = np.int64(0)
        last = np.int64(NEVER_OBSERVED)
        last_count = 0.0
        slots[:] = 0
        for p in range(start[i], start[i + 1]):
            v = ndvi[p]
            if v == NODATA:
                continue
            on = np.int64(observed_on[p])
            if n == 0:
                origin = np.float64(v)
                on_origin = first = on
            w = np.float64(weight[p])
            values[0, n] = v
            shares[0, n] = weight[p]
            n += 1
            count += w
            value_sum += w * (v - origin)
            on_sum += w * (on - on_origin)
            if on < first:
                first = on
            if on > last:
                last = on
                last_count = 0.0
            if on == last:
                last_count += w
            slots[0, v & 0xFF] += 1
            slots[1, (v >> 8) + 128] += 1
        lasting[COUNT, i] = count
        if total[i] > 0.0:
            lasting[VALID, i] = min(1.0, count / total[i])
            last_fraction[i] = min(1.0, last_count / total[i])
        if n == 0:
            continue
        mean = origin + value_sum / count
        variance = 0.0
        for k in range(n):
            variance += shares[0, k] * (values[0, k] - mean) ** 2
        _sort(values, shares, slots, n)
        lasting[MEAN, i] = mean / per_unit
        lasting[STD, i] = np.sqrt(variance / count) / per_unit
        lasting[MIN, i] = values[0, 0] / per_unit
        lasting[MAX, i] = values[0, n - 1] / per_unit
        low, middle, high = _quantiles(values[0], shares[0], n, count)
        lasting[P10, i] = low / per_unit
        lasting[MEDIAN, i] = middle / per_unit
        lasting[P90, i] = high / per_unit
        mean_on[i] = on_origin + on_sum / count
        first_on[i] = first
        last_on[i] = last


@njit(nogil=True, cache=True)
def _sort(values, shares, slots, n):  # type: ignore[no-untyped-def]
    """Sort the first n of values[0] with shares[0]: stable radix sort, low byte, then high byte.

    `slots` (2, 256) counts the values by low byte and by high byte + 128.
    """
    for byte in range(2):
        position = 0
        for k in range(256):
            size = slots[byte, k]
            slots[byte, k] = position
            position += size
    for k in range(n):
        v = values[0, k]
        to = slots[0, v & 0xFF]
        slots[0, v & 0xFF] += 1
        values[1, to] = v
        shares[1, to] = shares[0, k]
    for k in range(n):
        v = values[1, k]
        to = slots[1, (v >> 8) + 128]
        slots[1, (v >> 8) + 128] += 1
        values[0, to] = v
        shares[0, to] = shares[1, k]


@njit(nogil=True, cache=True)
def _quantiles(values, shares, n, total):  # type: ignore[no-untyped-def]
    """The quantiles 0.1, 0.5 and 0.9 of the first n sorted values, in their units."""
    found = np.empty(3, np.float64)
    below = 0.0
    before = 0.0
    k = 0
    for j, q in enumerate((0.1, 0.5, 0.9)):
        target = q * total * (n - 1)
        while True:
            position = k * np.float64(shares[k]) + (n - 1) * below
            if position > target or k == n - 1:
                break
            below += shares[k]
            before = position
            k += 1
        if k == 0:
            found[j] = values[0]
        else:
            step = min(1.0, (target - before) / (position - before))
            found[j] = values[k - 1] + step * (np.float64(values[k]) - values[k - 1])
    return found[0], found[1], found[2]
