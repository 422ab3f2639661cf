"""Windows and tilings, against the pixels that they pick."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydro_pipeline.grid import Tiling, Window, nothing
from hydro_pipeline.product import NODATA

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
windows = st.builds(
    Window, st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)
)


def marked(window):
    """A grid of 40 x 40 pixels, 1 in the window."""
    grid = np.zeros((40, 40), int)
    grid[window.slices] = 1
    return grid


@given(shapes, st.integers(1, 45))
def test_tiles_make_up_the_grid_and_do_not_overlap(shape, side):
    tiling, seen = Tiling(shape, side), np.zeros(shape, int)
    tiles = list(tiling)
    for tile in tiles:
        seen[tile.slices] += 1
        assert max(tile.shape) <= side
        assert tiling.tile(*tiling.place(tile)) == tile
    assert (seen == 1).all()
    assert len(tiling) == len(tiles)
    assert tiles == sorted(tiles, key=lambda tile: (tile.row, tile.col))


@given(windows, st.integers(1, 45))
def test_the_tiles_under_a_window_are_those_with_pixels_in_it(window, side):
    tiling = Tiling((40, 40), side)
    under = [tile for tile in tiling if marked(window)[tile.slices].any()]
    assert tiling.under(window) == under


@given(windows, windows)
def test_an_intersection_is_the_pixels_of_both(one, other):
    both = marked(one) * marked(other)
    found = one & other
    assert found == other & one
    assert np.array_equal(both, np.zeros((40, 40)) if found is None else marked(found))
    if found is not None:
        numbers = np.arange(1600).reshape(40, 40)
        for outer in (one, other):
            assert np.array_equal(numbers[outer.slices][found.within(outer)], numbers[found.slices])


@given(windows, st.integers(1, 9))
def test_a_thinned_window_is_its_part_of_the_thinned_grid(window, step):
    numbers = np.arange(1600).reshape(40, 40)
    top, left, inner = window.thinned(step)
    mine = numbers[window.slices][inner]
    height, width = mine.shape
    assert np.array_equal(mine, numbers[::step, ::step][top : top + height, left : left + width])


def test_what_is_no_tile_or_not_within_is_refused():
    tiling = Tiling((40, 40), 16)
    for wrong in (Window(0, 0, 8, 16), Window(1, 0, 16, 16), Window(32, 32, 16, 16)):
        with pytest.raises(ValueError, match="is no tile"):
            tiling.place(wrong)
    with pytest.raises(ValueError, match="is not all in"):
        Window(0, 0, 8, 8).within(Window(4, 0, 8, 8))


def test_nothing_has_no_value_and_no_day():
    values, observed_on = nothing(Window(3, 4, 2, 5), 3)
    assert values.shape == (3, *observed_on.shape) == (3, 2, 5)
    assert (values == NODATA).all()
    assert (observed_on == NODATA).all()
