"""A day's picture: how much it is thinned."""

import pytest

from hydro_pipeline.composite.tally import Tally


@pytest.mark.parametrize(
    ("shape", "step", "thinned"),
    [
        ((300, 40), 1, (300, 40)),
        ((40, 301), 2, (20, 151)),
        ((600, 599), 2, (300, 300)),
        ((601, 2), 3, (201, 1)),
    ],
)
def test_a_picture_measures_at_most_300_pixels(shape, step, thinned):
    tally = Tally(shape, scenes=1)
    assert tally.step == step
    assert tally.preview.shape == tally.preview_age.shape == thinned
