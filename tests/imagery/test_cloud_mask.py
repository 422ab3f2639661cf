"""The clear mask against a table by hand and a plain disc."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.support.product import clear_mask


def test_a_cloud_spoils_a_disc():
    scl = np.full((5, 7), 4, np.uint8)
    scl[2, 3] = 9
    assert clear_mask(scl, (4,), 2).astype(int).tolist() == [
        [1, 1, 1, 0, 1, 1, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 1, 1, 0, 1, 1, 1],
    ]


@pytest.mark.parametrize("harmless", [0, 1, 11])
def test_nodata_saturation_and_snow_are_not_clear_but_spoil_nothing(harmless):
    scl = np.full((3, 3), 4, np.uint8)
    scl[1, 1] = harmless
    clear = clear_mask(scl, (4,), 1)
    assert not clear[1, 1]
    assert clear.sum() == 8


def test_a_class_counted_as_clear_does_not_spoil():
    scl = np.array([[10, 4], [4, 4]], np.uint8)
    assert clear_mask(scl, (4, 10), 3).all()


@given(
    arrays(np.uint8, (9, 13), elements=st.sampled_from([4] * 9 + [0, 3, 5, 8, 11])),
    st.integers(0, 4),
)
def test_equals_a_plain_disc(scl, radius):
    spoilt = np.pad(np.isin(scl, (3, 8, 9, 10)), radius)
    near = np.zeros(scl.shape, bool)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                y, x = radius + dy, radius + dx
                near |= spoilt[y : y + scl.shape[0], x : x + scl.shape[1]]
    assert np.array_equal(clear_mask(scl, (4, 5), radius), np.isin(scl, (4, 5)) & ~near)


def test_which_classes_spoil_is_part_of_the_rule():
    scl = np.array([[3, 4], [11, 4]], np.uint8)
    assert clear_mask(scl, (4,), 1, spoiling=(11,)).tolist() == [[False, True], [False, False]]
    assert clear_mask(scl, (4,), 1, spoiling=()).tolist() == [[False, True], [False, True]]
