"""The small pictures hold what they are drawn from, and stay small."""

import datetime as dt
import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from hydro_pipeline.outputs.colours import colours
from hydro_pipeline.outputs.pictures import (
    BROWN,
    GREEN,
    glance_webp,
    histograms_png,
    series_png,
    thumbnail_png,
)
from hydro_pipeline.product import NODATA
from tests.support.product import NDVI, PRODUCT

LOWEST, HIGHEST = (tuple(colour) for colour in colours(PRODUCT.main.colours)[[1, 255]])


BAR_HEIGHT, MARGIN, EMPTY = 34, 12, (255, 255, 255)
"""Of the colour bar, pixels; the colour of what is missing."""
BLUE, ORANGE = "#1f77b4", "#ff7f0e"
"""Matplotlib's first two lines."""


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def drawn(picture, colour):
    """(y, x), True where a picture has about a colour."""
    return np.abs(picture.astype(int) - ImageColor.getrgb(colour)).max(axis=2) < 12


def test_thumbnail_shows_low_high_and_missing_in_their_colours():
    preview = np.full((40, 200), NODATA, np.int16)
    preview[:20, :100], preview[:20, 100:] = -2000, 10_000
    picture = opened(thumbnail_png(preview, NDVI))
    assert picture.shape == (40 + BAR_HEIGHT, 200, 3)
    assert tuple(picture[10, 50]) == LOWEST
    assert tuple(picture[10, 150]) == HIGHEST
    assert tuple(picture[30, 100]) == EMPTY


def test_colour_bar_runs_from_the_lowest_to_the_highest_colour():
    picture = opened(thumbnail_png(np.zeros((10, 300), np.int16), NDVI))
    bar = picture[10 + 10].astype(int)
    assert (bar[: MARGIN - 1] == EMPTY).all()
    assert (bar[300 - MARGIN + 1 :] == EMPTY).all()
    length = 300 - 2 * MARGIN
    expected = colours(PRODUCT.main.colours)[1 + np.arange(length) * 255 // length].astype(int)
    assert np.abs(bar[MARGIN:-MARGIN] - expected).max() < 12
    labels = (picture[10 + 20 :] < 100).all(axis=2).any(axis=0)
    assert [labels[part].any() for part in np.array_split(np.arange(300), 5)] == [
        True, False, True, False, True,
    ]  # fmt: skip


def test_narrow_preview_is_centred_over_a_readable_bar():
    picture = opened(thumbnail_png(np.full((300, 20), 10_000, np.int16), NDVI))
    assert picture.shape == (300 + BAR_HEIGHT, 180, 3)
    assert tuple(picture[100, picture.shape[1] // 2]) == HIGHEST


@pytest.mark.parametrize("side", [300, 700])
def test_thumbnail_of_pure_noise_stays_small(side):
    noise = np.random.default_rng(1).integers(-3000, 10_001, (side, side)).astype(np.int16)
    assert 15_000 < len(thumbnail_png(noise, NDVI)) <= 44_000


@pytest.mark.parametrize("shape", [(300, 300), (20, 300), (7, 5)])
def test_glance_of_pure_noise_stays_tiny_and_keeps_its_shape(shape):
    noise = np.random.default_rng(1).integers(-3000, 10_001, shape).astype(np.int16)
    webp = glance_webp(noise, NDVI)
    assert len(webp) <= 700
    height, width, _ = opened(webp).shape
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.2)


def test_histograms_of_a_day_without_any_value():
    empty = np.full((5, 5), NODATA, np.int16)
    picture = opened(histograms_png(empty, np.full((5, 5), -1, np.int16), NDVI))
    assert picture.shape == (90, 400, 3)
    assert not drawn(picture, GREEN).any()
    assert not drawn(picture, BROWN).any()
    inked = (picture < 128).all(axis=2)
    assert inked[:, :200].any()
    assert inked[:, 200:].any()


def test_histogram_bars_stand_where_the_values_are_and_are_as_high():
    """NDVI 0.0 is twice as often as 0.99; age 3 is three times as often as age 0."""
    ndvi = np.repeat([0, 0, 9_900, NODATA], 25).reshape(10, 10).astype(np.int16)
    age = np.repeat([3, 0, 3, 3], 25).reshape(10, 10).astype(np.int16)
    picture = opened(histograms_png(ndvi, age, NDVI))
    heights = drawn(picture, GREEN).sum(axis=0)
    start, wide = MARGIN, (200 - 2 * MARGIN) / 48
    zero, high = (
        slice(round(start + n * wide) - 1, round(start + (n + 1) * wide) + 1) for n in (8, 47)
    )
    assert heights[zero].max() == pytest.approx(2 * heights[high].max(), abs=2)
    assert heights[high].max() > 20
    heights[zero] = heights[high] = 0
    assert not heights.any()
    heights = drawn(picture, BROWN).sum(axis=0)[200:]
    bars = np.flatnonzero(heights)
    assert bars[0] == pytest.approx(MARGIN, abs=2)
    assert bars[-1] == pytest.approx(200 - MARGIN, abs=2)
    quarter = (200 - 2 * MARGIN) // 4
    assert bars.size == pytest.approx(2 * quarter, abs=4)
    low, tall = heights[bars[0] + 5], heights[bars[-1] - 5]
    assert tall == pytest.approx(3 * low, abs=3)


def test_series_of_many_days_and_gaps():
    days = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(120)]
    values = np.linspace(0, 1, 120)
    values[40:50] = np.nan
    png = series_png({"a": (days, values.tolist()), "b": (days, (1 - values).tolist())}, NDVI)
    assert len(png) <= 44_000
    assert drawn(opened(png), BLUE).any()
    assert drawn(opened(png), ORANGE).any()
    assert not drawn(opened(series_png({}, NDVI)), BLUE).any()


def test_a_series_may_have_any_name():
    names = ["$\\frac{", "_hidden", "\x1b[31m", "a\nb", "<b>", "\u202ex"]
    days = [dt.date(2024, 4, 1), dt.date(2024, 4, 2)]
    assert opened(series_png({name: (days, [0.1, 0.2]) for name in names}, NDVI)).shape == (
        176,
        416,
        3,
    )
