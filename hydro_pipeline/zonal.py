"""Statistics of every field over one day's composite, in one pass over the weighted pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.composite import NODATA

STATISTICS = (
    *("ndvi_mean", "ndvi_median", "ndvi_std", "ndvi_min", "ndvi_max", "ndvi_p10", "ndvi_p90"),
    *("pixel_count", "valid_fraction", "observed_fraction", "age_mean_days", "age_max_days"),
)
"""Names of the floating point statistics, in the kernel's order."""

UNITS = 10_000.0
"""Stored NDVI units per 1.0."""

NEVER = np.iinfo(np.int32).min


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
    out = np.full((len(STATISTICS), len(weights.total)), np.nan)
    last_observed = np.full(len(weights.total), NEVER, np.int32)
    _statistics(
        weights.start, weights.weight, weights.total, ndvi, observed_on, day, out, last_observed
    )
    return {**dict(zip(STATISTICS, out, strict=True)), "last_observed": last_observed}


def load_kernel() -> None:
    """Compile the kernel of `statistics`, or load it from numba's cache; once in a process."""
    nothing = np.zeros(0, np.int32)
    weights = Weights(
        (), (), np.zeros(1, np.int64), nothing, nothing, np.zeros(0, np.float32), np.zeros(0)
    )
    statistics(weights, np.zeros(0, np.int16), np.zeros(0, np.int16), 0)


@njit(nogil=True, cache=True)
def _statistics(start, weight, total, ndvi, observed_on, day, out, last_observed):  # type: ignore[no-untyped-def]
    """Fill `out` (statistic, field) and `last_observed` (field,)."""
    longest = 0
    for i in range(len(total)):
        longest = max(longest, start[i + 1] - start[i])
    values = np.empty((2, longest), np.int16)
    shares = np.empty((2, longest), np.float32)
    slots = np.empty((2, 256), np.int64)
    for i in range(len(total)):
        n = 0
        count = 0.0
        seen = 0.0
        # Summed from the first value on: exact where all are equal.
        origin = 0.0
        value_sum = 0.0
        age_sum = 0.0
        last = NEVER
        oldest = 0
        slots[:] = 0
        for p in range(start[i], start[i + 1]):
            v = ndvi[p]
            if v == NODATA:
                continue
            if n == 0:
                origin = np.float64(v)
            w = np.float64(weight[p])
            age = day - np.int64(observed_on[p])
            values[0, n] = v
            shares[0, n] = weight[p]
            n += 1
            count += w
            value_sum += w * (v - origin)
            age_sum += w * age
            oldest = max(oldest, age)
            last = max(last, day - age)
            if age == 0:
                seen += w
            slots[0, v & 0xFF] += 1
            slots[1, (v >> 8) + 128] += 1
        out[7, i] = count
        if total[i] > 0.0:
            out[8, i] = min(1.0, count / total[i])
            out[9, i] = min(1.0, seen / total[i])
        if n == 0:
            continue
        mean = origin + value_sum / count
        variance = 0.0
        for k in range(n):
            variance += shares[0, k] * (values[0, k] - mean) ** 2
        _sort(values, shares, slots, n)
        out[0, i] = mean / UNITS
        out[2, i] = np.sqrt(variance / count) / UNITS
        out[3, i] = values[0, 0] / UNITS
        out[4, i] = values[0, n - 1] / UNITS
        out[5, i], out[1, i], out[6, i] = _quantiles(values[0], shares[0], n, count)
        out[10, i] = age_sum / count
        out[11, i] = oldest
        last_observed[i] = last


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
    """The quantiles 0.1, 0.5 and 0.9 of the first n sorted values, in NDVI."""
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
            found[j] = values[0] / UNITS
        else:
            step = min(1.0, (target - before) / (position - before))
            found[j] = (values[k - 1] + step * (np.float64(values[k]) - values[k - 1])) / UNITS
    return found[0], found[1], found[2]
