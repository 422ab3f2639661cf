"""Pixels under fields are read chunk by chunk, each chunk once."""

import datetime as dt
import shutil

import numpy as np
import pytest

from hydro_pipeline.grid import Tiling
from hydro_pipeline.stats import sample as module
from hydro_pipeline.stats import update as field_stats
from hydro_pipeline.stats.kernel import Weights
from hydro_pipeline.stats.sample import Amount, Sampler
from hydro_pipeline.usecases.pipeline import Pipeline

DAY = dt.date(2024, 5, 1)


class Pixels:
    """A cube of one day in memory, 10 x 45 pixels in chunks of 4, that notes what is asked."""

    tiling = Tiling((10, 45), 4)

    def __init__(self):
        self.ndvi = np.arange(450, dtype=np.int16).reshape(self.tiling.shape)
        self.asked = []

    def read(self, day, window):
        self.asked.append(tuple((s.start, s.stop) for s in window.slices))
        return self.ndvi[window.slices], self.ndvi[window.slices] + np.int16(1000)


@pytest.mark.parametrize("sorted_at_once", [1, 3, 100])
def test_each_chunk_under_a_field_is_asked_for_once_and_no_other(sorted_at_once, monkeypatch):
    monkeypatch.setattr(module, "SORTED", sorted_at_once)
    row = np.array([9, 0, 0, 9, 5, 0, 0, 0], np.int32)
    col = np.array([44, 3, 4, 0, 44, 7, 28, 44], np.int32)
    one = np.ones(len(row), np.float32)
    weights = Weights(("F",), ("",), np.array([0, len(row)]), row, col, one, np.ones(1))
    cube = Pixels()
    sampler = Sampler(cube, weights)
    sample = sampler.read(DAY)
    assert np.array_equal(sample.ndvi, cube.ndvi[row, col])
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
