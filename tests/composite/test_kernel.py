"""The kernel on numbers worked out by hand, and against plain numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hydro_pipeline.composite.kernel import NO_LIMIT, carry_block, composite_block
from hydro_pipeline.grid import Pixels
from hydro_pipeline.product import NODATA
from tests.support.product import FORMULAS

DAY = 19_000


def one_pixel(red, nir, clear, offset, before=(NODATA, NODATA), max_age=32767):
    """The composite of one pixel seen by several scenes."""

    def column(values, dtype):
        return np.array(values, dtype).reshape(-1, 1, 1)

    made = composite_block(
        list(zip(column(red, np.uint16), column(nir, np.uint16), strict=True)),
        column(clear, np.bool_),
        np.array(offset, np.float32),
        FORMULAS,
        Pixels(np.full((1, 1, 1), before[0], np.int16), np.full((1, 1), before[1], np.int16)),
        DAY,
        max_age,
    )
    (ndvi,), on = made.pixels
    return int(ndvi[0, 0]), int(on[0, 0]), made.counts.tolist()


@pytest.mark.parametrize(
    ("red", "nir", "offset", "expected"),
    [
        (500, 4500, 0.0, 8000),  # (4500 - 500) / 5000
        (1500, 5500, -0.1, 8000),  # the same with +1000 DN and the offset that undoes it
        (3000, 1000, 0.0, -5000),
        (900, 1100, -0.1, NODATA),  # reflectances -0.01 and 0.01 sum to zero: undefined
        (950, 1500, -0.1, 10000),  # 0.055 / 0.045 is above 1: clipped
        (1000, 1001, -0.1, 10000),  # 0.0001 / 0.0001: the smallest sum that is positive
        (1, 30001, 0.0, 9999),  # 30000 / 30002 = 0.99993
        (0, 4500, 0.0, NODATA),
        (500, 0, 0.0, NODATA),
    ],
)
def test_ndvi_by_hand(red, nir, offset, expected):
    value, on, _ = one_pixel([red], [nir], [True], [offset])
    assert value == expected
    assert on == (NODATA if expected == NODATA else DAY)


def test_first_clear_scene_wins_both_bands():
    value, _, counts = one_pixel(
        [0, 2000, 1000, 500], [9000, 8000, 3000, 4500], [True, False, True, True], [0.0] * 4
    )
    assert value == 5000  # the third scene; the first has no red, the second is not clear
    assert counts == [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 1], [1, 1, 0, 1, 0]]


@pytest.mark.parametrize(
    ("red", "dark", "dim"), [(999, 1, 0), (1000, 0, 1), (1499, 0, 1), (1500, 0, 0)]
)
def test_dark_is_below_1000_and_dim_below_1500(red, dark, dim):
    assert one_pixel([red], [4500], [True], [0.0])[2] == [[1, 1, 1, dark, dim]]


def test_what_is_not_seen_is_carried_until_it_is_too_old():
    before = (6543, DAY - 5)
    assert one_pixel([500], [4500], [False], [0.0], before)[:2] == before
    assert one_pixel([], [], [], [], before)[:2] == before
    assert one_pixel([], [], [], [], before, max_age=5)[:2] == before
    assert one_pixel([], [], [], [], before, max_age=4)[:2] == (NODATA, NODATA)
    oldest = (6543, DAY - 32_767)
    assert one_pixel([], [], [], [], oldest, max_age=NO_LIMIT)[:2] == oldest


dns = arrays(np.uint16, (3, 4, 5), elements=st.integers(0, 12_000))
stored = arrays(np.int16, (4, 5), elements=st.sampled_from([NODATA, -9000, 0, 8000]))


@given(
    red=dns,
    nir=dns,
    clear=arrays(np.bool_, (3, 4, 5)),
    offset=arrays(np.float32, 3, elements=st.sampled_from([0.0, np.float32(-0.1)])),
    before=stored,
    age=arrays(np.int16, (4, 5), elements=st.integers(1, 9)),
    max_age=st.integers(0, 9),
)
def test_equals_plain_numpy(red, nir, clear, offset, before, age, max_age):
    before_on = np.where(before == NODATA, NODATA, DAY - age).astype(np.int16)
    scenes = list(zip(red, nir, strict=True))
    previous = Pixels(before[None], before_on)
    made = composite_block(scenes, clear, offset, FORMULAS, previous, DAY, max_age)
    (ndvi,), on = made.pixels

    r, n = (band / 1e4 + np.round(offset.astype(float), 1)[:, None, None] for band in (red, nir))
    usable = clear & (red > 0) & (nir > 0) & (r + n > 1e-9)
    with np.errstate(all="ignore"):
        value = np.clip((n - r) / (n + r), -1, 1)
    seen = usable.any(axis=0)
    first = np.take_along_axis(value, usable.argmax(axis=0)[None], 0)[0]
    keep = ~seen & (before != NODATA) & (age <= max_age)
    assert np.array_equal(on == DAY, seen)
    assert np.abs(ndvi[seen] / 1e4 - first[seen]).max(initial=0) <= 0.5e-4 + 1e-9
    assert np.array_equal(ndvi[keep], before[keep])
    assert np.array_equal(on[keep], before_on[keep])
    assert (ndvi[~seen & ~keep] == NODATA).all()
    assert made.counts[:, 0].tolist() == ((red > 0) & (nir > 0)).sum(axis=(1, 2)).tolist()
    assert made.counts[:, 2].sum() == seen.sum()


@given(before=stored, other=stored, seen=arrays(np.bool_, (4, 5)), max_age=st.integers(0, 9))
def test_carrying_anew_equals_making_anew(before, other, seen, max_age):
    """A day refreshed from stored pixels is the day made on the other predecessor."""
    red = np.full((1, 4, 5), 1000, np.uint16)
    nir = np.full((1, 4, 5), 3000, np.uint16)
    scene = ([(red[0], nir[0])], seen[None], np.zeros(1, np.float32), FORMULAS)

    def make(values):
        on = np.where(values == NODATA, NODATA, DAY - 3).astype(np.int16)
        previous = Pixels(values[None], on)
        return composite_block(*scene, previous, DAY, max_age).pixels, previous

    first, _ = make(before)
    second, previous = make(other)
    for ours, theirs in zip(carry_block(first, previous, DAY, max_age), second, strict=True):
        assert np.array_equal(ours, theirs)
