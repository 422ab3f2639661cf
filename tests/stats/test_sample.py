"""Pixels under fields are read chunk by chunk, each chunk once."""

import datetime as dt
import shutil
import tracemalloc

import numpy as np
import pytest

from hydro_pipeline import grid
from hydro_pipeline.grid import Tiling
from hydro_pipeline.stats import kernel
from hydro_pipeline.stats import sample as module
from hydro_pipeline.stats import update as field_stats
from hydro_pipeline.stats.runs import Runs, Weights
from hydro_pipeline.stats.sample import AlikeDays, Amount, Sampler, Samplers
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.product import PRODUCT

DAY = dt.date(2024, 5, 1)


class Pixels:
    """A cube of one day in memory, 10 x 45 pixels in chunks of 4, that notes what is asked."""

    tiling = Tiling((10, 45), 4)
    product = PRODUCT

    def __init__(self):
        self.ndvi = np.arange(450, dtype=np.int16).reshape(self.tiling.shape)
        self.asked = []

    def read(self, day, window):
        self.asked.append(tuple((s.start, s.stop) for s in window.slices))
        ndvi = self.ndvi[window.slices]
        return grid.Pixels(ndvi[None], ndvi + np.int16(1000))


@pytest.mark.parametrize("sorted_at_once", [1, 3, 100])
def test_each_chunk_under_a_field_is_asked_for_once_and_no_other(sorted_at_once, monkeypatch):
    monkeypatch.setattr(module, "SORTED", sorted_at_once)
    row = np.array([9, 0, 0, 9, 5, 0, 0, 0], np.int32)
    col = np.array([44, 3, 4, 0, 44, 7, 28, 44], np.int32)
    runs = Runs(row, col, np.ones_like(row), np.ones(len(row), np.float32))
    weights = Weights(("F",), ("",), np.array([0, len(row)]), runs, np.ones(1))
    cube = Pixels()
    sampler = Sampler(cube, weights)
    sample = sampler.read(DAY)
    assert np.array_equal(sample.values[0], cube.ndvi[row, col])
    assert np.array_equal(sample.observed_on, cube.ndvi[row, col] + 1000)
    assert cube.asked == [
        ((0, 4), (0, 4)),
        ((0, 4), (4, 8)),
        ((0, 4), (28, 32)),
        ((0, 4), (44, 45)),
        ((4, 8), (44, 45)),
        ((8, 10), (0, 4)),
        ((8, 10), (44, 45)),
    ]
    assert sampler.amount == Amount(2 * 7, 4 * (16 + 16 + 16 + 4 + 4 + 8 + 2))


@pytest.mark.parametrize("at_once", [1, 40, 200])
def test_fields_of_many_pixels_are_read_in_groups_with_the_same_result(at_once, monkeypatch):
    """Fields that lie beside each other are read together: of four, in whatever order, each chunk
    is read once or, where a group ends within it, twice.
    """
    tops = [6, 0, 3, 1]
    row = np.concatenate([np.arange(top, top + 4) for top in tops]).astype(np.int32)
    runs = Runs(row, row % 3, np.full(16, 10, np.int32), np.full(16, 0.5, np.float32))
    weights = Weights(tuple("ABCD"), tuple("abcd"), np.arange(0, 17, 4), runs, np.full(4, 20.0))
    index = np.array([3, 1, 0])
    expected = AlikeDays(Samplers(Pixels(), weights.subset, 1), map).under(DAY, index).on(1100)
    monkeypatch.setattr(module, "PIXELS", at_once)
    cube = Pixels()
    samplers = Samplers(cube, weights.subset, 1)
    alike = AlikeDays(samplers, map)
    found = alike.under(DAY, index).on(1100)
    for name, column in expected.items():
        assert found[name].tobytes() == column.tobytes(), name
    groups = [group.index.tolist() for group in samplers.of(index)]
    assert groups == {1: [[1], [0], [2]], 40: [[1], [0], [2]], 200: [[0, 1, 2]]}[at_once]
    assert alike.read.chunks == 2 * len(cube.asked)


def test_runs_are_those_pixels_that_follow_each_other_and_count_alike():
    row = np.array([1, 1, 1, 1, 2, 2])
    col = np.array([3, 4, 5, 7, 8, 9])
    weight = np.array([1, 1, 0.5, 0.5, 0.5, 0.5], np.float32)
    runs = Runs.of(row, col, weight)
    assert [column.tolist() for column in runs] == [
        [1, 1, 1, 2],
        [3, 5, 7, 8],
        [2, 1, 1, 2],
        [1, 0.5, 0.5, 0.5],
    ]
    nothing = Runs.of(row[:0], col[:0], weight[:0])
    assert [len(column) for column in nothing] == [0] * 4


def test_memory_is_that_of_the_pixels_once_not_of_their_copies(monkeypatch):
    """One field over 2,000 x 2,000 pixels: two bytes a value and array, and little beside."""
    monkeypatch.setattr(kernel, "SORTED_PIXELS", 1000)
    side = 2000
    lines = np.arange(side, dtype=np.int32)
    runs = Runs(lines, 0 * lines, 0 * lines + side, np.ones(side, np.float32))
    weights = Weights(("F",), ("",), np.array([0, side]), runs, np.array([4e6]))

    class Wide:
        tiling = Tiling((side, side), 250)
        product = PRODUCT

        def read(self, day, window):
            values = np.full(window.shape, window.col, np.int16)
            return grid.Pixels(values[None], values)

    under = AlikeDays(Samplers(Wide(), weights.subset, 1), map).under
    under(DAY, np.array([0]))
    tracemalloc.start()
    try:
        summary = AlikeDays(Samplers(Wide(), weights.subset, 1), map).under(DAY, np.array([0]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert summary.lasting["ndvi_max"] == 0.175
    assert summary.lasting["ndvi_median"] == 0.0875
    assert peak < 4 * side**2 + 4e6


@pytest.mark.parametrize("rows", [1, 10])
def test_days_with_the_same_pixels_are_read_once_however_many_files_are_held(
    rows, made, tmp_path, monkeypatch
):
    root = tmp_path / "root"
    shutil.copytree(made.settings.root, root)
    pipeline = Pipeline(made.settings.model_copy(update={"root": str(root)}))
    for stored in pipeline.store.listing("field_stats"):
        pipeline.store.delete(stored.key)
    monkeypatch.setattr(field_stats, "ROWS", rows)
    days = pipeline.open("demo").stale_days()
    reports = list(pipeline.update_field_stats("demo", days))
    assert [r.day for r in reports] == days
    assert sum(r.chunks_read for r in reports) == 2 * len(pipeline.open("demo").cube.alike(days))
    expected = made.open("demo").stats().drop_columns(["computed_at"])
    assert pipeline.open("demo").stats().drop_columns(["computed_at"]).equals(expected)
