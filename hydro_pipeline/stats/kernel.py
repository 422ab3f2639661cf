"""Statistics of every field over one day's composite, in one pass over the weighted pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hydro_pipeline.indices import INDICES
from hydro_pipeline.product import NODATA, STATISTICS
from hydro_pipeline.stats.runs import Runs, Weights
from hydro_pipeline.variable import Variable

COUNTED = ("pixel_count", "valid_fraction")
"""Statistics that pixels have on every day, the same for every variable."""

LASTING = (*STATISTICS, *COUNTED)
"""The kernel's order."""

MEAN, MEDIAN, STD, MIN, MAX, P10, P90, COUNT, VALID = range(len(LASTING))

SORTED_PIXELS = 2**22
"""Values of a field with more pixels than this are counted, not sorted, to bound memory."""

NEVER_OBSERVED = np.iinfo(np.int32).min
"""Stands for "no day" where days are int32."""


@dataclass(frozen=True)
class Summary:
    """What pixels say of each field, whatever the day; arrays are (field,)."""

    lasting: dict[str, NDArray[np.float64]]
    """What pixels have on every day, by name of its column."""
    mean_on: NDArray[np.float64]
    """Weighted mean of the days on which values were seen, since 1970-01-01; NaN without values."""
    first_on: NDArray[np.float64]
    """The earliest of them."""
    last_on: NDArray[np.int32]
    """The latest; the smallest int32 without values."""
    last_fraction: NDArray[np.float64]
    """Weight of the values seen on the latest day, in that of the whole polygon."""

    @classmethod
    def joined(cls, index: list[NDArray[np.int64]], parts: "list[Summary]") -> "Summary":
        """What is said of all fields, from parts of them that stand at the positions `index`."""
        order = np.argsort(np.concatenate(index))

        def whole(columns: Iterable[NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate(list(columns))[order]

        return cls(
            {name: whole(part.lasting[name] for part in parts) for name in parts[0].lasting},
            whole(part.mean_on for part in parts),
            whole(part.first_on for part in parts),
            whole(part.last_on for part in parts),
            whole(part.last_fraction for part in parts),
        )

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
    weights: Weights,
    values: NDArray[np.int16],
    observed_on: NDArray[np.int16],
    day: int,
    variables: Sequence[Variable],
) -> dict[str, NDArray[Any]]:
    """The statistics of each field on `day` (days since 1970-01-01), each an array (field,).

    `values` (variable, pixel), as stored, and `observed_on` (pixel,), days since 1970-01-01, are
    the composite's at the pixels of `weights`, in the order of its runs, nodata -32768. Over the
    pixels with a value, of each variable, begun with its name: weighted `mean`, population `std`,
    `min`, `max`, weighted quantiles `p10`, `median`, `p90`; the weighted mean and the largest of
    their ages in days, `age_mean_days`, `age_max_days`; `last_observed` (int32, days since
    1970-01-01); NaN, or the smallest int32, where there is none. `pixel_count` is their weight;
    `valid_fraction` their weight in that of the whole polygon, `observed_fraction` that of the
    pixels seen on `day`
    itself; NaN where the polygon has no weight.

    Quantiles are exactextract's: with the n values in order, s_k = k w_k + (n - 1) sum_{i<k} w_i
    is the position of value k, and the quantile q is interpolated linearly at q (n - 1) sum w;
    equal weights give numpy's linear percentile. Equal values keep the order of their pixels;
    exactextract leaves theirs in any order, and its quantiles vary with that where their weights
    differ. A field's statistics do not depend, to the last bit, on the fields computed with it.
    """
    return summarize(weights, values, observed_on, variables).on(day)


def summarize(
    weights: Weights,
    values: NDArray[np.int16],
    observed_on: NDArray[np.int16],
    variables: Sequence[Variable],
) -> Summary:
    """What `statistics` says of days that have these pixels."""
    count = len(weights.total)
    mean_on, first_on, last_fraction = np.full((3, count), np.nan)
    last_on = np.full(count, NEVER_OBSERVED, np.int32)
    columns: dict[str, NDArray[np.float64]] = {}
    for variable, pixels in zip(variables, values, strict=True):
        lasting = np.full((len(LASTING), count), np.nan)
        _summarize(
            weights.start, weights.at, weights.runs.weight, weights.total, pixels, observed_on,
            variable.per_unit, SORTED_PIXELS,
            lasting, mean_on, first_on, last_on, last_fraction,
        )  # fmt: skip
        for name, column in zip(LASTING, lasting, strict=True):
            columns[name if name in COUNTED else variable.column(name)] = column
    return Summary(columns, mean_on, first_on, last_on, last_fraction)


def load_kernel() -> None:
    """Compile the kernel of `statistics`, or load it from numba's cache; once in a process."""
    weights = Weights((), (), np.zeros(1, np.int64), Runs.joined([]), np.zeros(0))
    variable = INDICES["ndvi"]
    statistics(weights, np.zeros((1, 0), np.int16), np.zeros(0, np.int16), 0, [variable])


@njit(nogil=True, cache=True)
def _summarize(  # type: ignore[no-untyped-def]
    start, at, weight, total, pixels, observed_on,
    per_unit, sorted_pixels, lasting, mean_on, first_on, last_on, last_fraction,
):  # fmt: skip
    """Fill `lasting` (statistic, field) and the others (field,)."""
    longest = 0
    for i in range(len(total)):
        longest = max(longest, at[start[i + 1]] - at[start[i]])
    longest = min(longest, sorted_pixels)
    values = np.empty((2, longest), np.int16)
    shares = np.empty((2, longest), np.float32)
    slots = np.empty((2, 256), np.int64)
    for i in range(len(total)):
        few = at[start[i + 1]] - at[start[i]] <= sorted_pixels
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
        for r in range(start[i], start[i + 1]):
            w = np.float64(weight[r])
            for p in range(at[r], at[r + 1]):
                v = pixels[p]
                if v == NODATA:
                    continue
                on = np.int64(observed_on[p])
                if n == 0:
                    origin = np.float64(v)
                    on_origin = first = on
                if few:
                    values[0, n] = v
                    shares[0, n] = weight[r]
                    slots[0, v & 0xFF] += 1
                    slots[1, (v >> 8) + 128] += 1
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
        lasting[COUNT, i] = count
        if total[i] > 0.0:
            lasting[VALID, i] = min(1.0, count / total[i])
            last_fraction[i] = min(1.0, last_count / total[i])
        if n == 0:
            continue
        mean = origin + value_sum / count
        variance = 0.0
        if few:
            for k in range(n):
                variance += shares[0, k] * (values[0, k] - mean) ** 2
            _sort(values, shares, slots, n)
            lowest, highest = values[0, 0], values[0, n - 1]
            low, middle, high = _quantiles(values[0], shares[0], n, count)
        else:
            for r in range(start[i], start[i + 1]):
                for p in range(at[r], at[r + 1]):
                    if pixels[p] != NODATA:
                        variance += weight[r] * (pixels[p] - mean) ** 2
            bins, sizes, sums, ends = _counted(start[i], start[i + 1], at, weight, pixels)
            lowest, highest = bins[0], bins[-1]
            low, middle, high = _quantiles_counted(bins, sizes, sums, ends, n, count)
        lasting[MEAN, i] = mean / per_unit
        lasting[STD, i] = np.sqrt(variance / count) / per_unit
        lasting[MIN, i] = lowest / per_unit
        lasting[MAX, i] = highest / per_unit
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


@njit(nogil=True, cache=True)
def _counted(first, end, at, weight, pixels):  # type: ignore[no-untyped-def]
    """The values of the runs `first` to `end` in order, each once; how many pixels have each, the
    sum of their weights, and the weights of the first and the last of them, (2, value).
    """
    sizes = np.zeros(1 << 16, np.int64)
    sums = np.zeros(1 << 16, np.float64)
    ends = np.zeros((2, 1 << 16), np.float64)
    for r in range(first, end):
        for p in range(at[r], at[r + 1]):
            if pixels[p] != NODATA:
                k = np.int64(pixels[p]) + (1 << 15)
                if sizes[k] == 0:
                    ends[0, k] = weight[r]
                sizes[k] += 1
                sums[k] += weight[r]
                ends[1, k] = weight[r]
    found = np.flatnonzero(sizes)
    return found - (1 << 15), sizes[found], sums[found], ends[:, found]


@njit(nogil=True, cache=True)
def _quantiles_counted(bins, sizes, sums, ends, n, total):  # type: ignore[no-untyped-def]
    """What `_quantiles` finds, from values that are counted: those of one value are never apart,
    so only the positions of the first and the last of them matter.
    """
    found = np.empty(3, np.float64)
    below = 0.0
    before = 0
    last = 0.0
    b = 0
    for j, q in enumerate((0.1, 0.5, 0.9)):
        target = q * total * (n - 1)
        while True:
            first = before * ends[0, b] + (n - 1) * below
            after = before + sizes[b]
            until = (after - 1) * ends[1, b] + (n - 1) * (below + sums[b] - ends[1, b])
            if until >= target or b == len(bins) - 1:
                break
            below += sums[b]
            before = after
            last = until
            b += 1
        if b == 0 or first <= target:
            found[j] = bins[b]
        else:
            step = (target - last) / (first - last)
            found[j] = bins[b - 1] + step * (bins[b] - bins[b - 1])
    return found[0], found[1], found[2]
