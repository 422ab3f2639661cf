"""The small pictures hold what they are drawn from, and stay small."""

import datetime as dt
import io

import numpy as np
import pytest
from PIL import Image

from hydro_pipeline.outputs.colours import colours
from hydro_pipeline.outputs.pictures import (
    BAR_HEIGHT,
    EMPTY,
    GLANCE_BYTES,
    MAX_BYTES,
    glance_webp,
    histograms_png,
    series_png,
    thumbnail_png,
)
from hydro_pipeline.product import NODATA, PRODUCT

LOWEST, HIGHEST = (tuple(colour) for colour in colours(PRODUCT.main.colours)[[1, 255]])


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_thumbnail_shows_low_high_and_missing_in_their_colours():
    preview = np.full((40, 200), NODATA, np.int16)
    preview[:20, :100], preview[:20, 100:] = -2000, 10_000
    picture = opened(thumbnail_png(preview))
    assert picture.shape == (40 + BAR_HEIGHT, 200, 3)
    assert tuple(picture[10, 50]) == LOWEST
    assert tuple(picture[10, 150]) == HIGHEST
    assert tuple(picture[30, 100]) == EMPTY


def test_colour_bar_runs_from_the_lowest_to_the_highest_colour():
    bar = opened(thumbnail_png(np.zeros((10, 300), np.int16)))[10 + 10]
    assert tuple(bar[12]) == LOWEST
    assert tuple(bar[300 - 13]) == HIGHEST


def test_narrow_preview_is_centred_over_a_readable_bar():
    picture = opened(thumbnail_png(np.full((300, 20), 10_000, np.int16)))
    assert picture.shape[1] >= 180
    assert tuple(picture[100, picture.shape[1] // 2]) == HIGHEST


@pytest.mark.parametrize("side", [300, 700])
def test_thumbnail_of_pure_noise_stays_small(side):
    noise = np.random.default_rng(1).integers(-3000, 10_001, (side, side)).astype(np.int16)
    assert len(thumbnail_png(noise)) <= MAX_BYTES


@pytest.mark.parametrize("shape", [(300, 300), (20, 300), (7, 5)])
def test_glance_of_pure_noise_stays_tiny_and_keeps_its_shape(shape):
    noise = np.random.default_rng(1).integers(-3000, 10_001, shape).astype(np.int16)
    webp = glance_webp(noise)
    assert len(webp) <= GLANCE_BYTES
    height, width, _ = opened(webp).shape
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.2)


def test_histograms_of_a_day_without_any_value():
    empty = np.full((5, 5), NODATA, np.int16)
    assert opened(histograms_png(empty, np.full((5, 5), -1, np.int16))).any()


def test_histogram_bars_stand_where_the_values_are():
    ndvi = np.full((10, 10), 9_900, np.int16)
    picture = opened(histograms_png(ndvi, np.zeros((10, 10), np.int16)))
    coloured = np.flatnonzero((picture[30, :200] != 255).any(axis=1))
    assert coloured.min() > 180


def test_series_of_many_days_and_gaps():
    days = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(120)]
    values = np.linspace(0, 1, 120)
    values[40:50] = np.nan
    png = series_png({"a": (days, values.tolist()), "b": (days, (1 - values).tolist())})
    assert opened(png).shape[2] == 3
    assert len(png) <= MAX_BYTES
    assert series_png({})
