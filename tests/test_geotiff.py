"""A Cloud-Optimized GeoTIFF holds what it was given, and nothing that nobody asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from hydro_pipeline.geotiff import cog

GRID = GeoBox.from_bbox((600_000, 5_640_000, 609_000, 5_647_000), "EPSG:32631", resolution=10)
CHECKED = np.tile(np.array([[1, 2], [2, 3]], np.uint8), (350, 450))


@contextmanager
def opened(data: bytes, **how: Any) -> Iterator[rasterio.DatasetReader]:
    with rasterio.MemoryFile(data) as memory, memory.open(**how) as file:
        yield file


def test_pixels_and_place_are_kept_and_nothing_is_added():
    pixels = np.random.default_rng(1).integers(0, 3, GRID.shape.yx).astype(np.uint16)
    with opened(cog(pixels, GRID, nodata=0, overviews=None)) as file:
        np.testing.assert_array_equal(file.read(1), pixels)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.crs.to_epsg() == 32631
        assert file.transform == GRID.affine
        assert (file.nodata, file.dtypes, file.block_shapes) == (0, ("uint16",), [(512, 512)])
        assert file.overviews(1) == []
        assert (file.descriptions, file.scales, file.offsets) == ((None,), (1,), (0,))
        assert set(file.tags()) == {"AREA_OR_POINT"}


@pytest.mark.parametrize(("overviews", "value"), [("average", 2), ("nearest", 1)])
def test_overviews_are_resampled_as_said(overviews, value):
    made = cog(CHECKED, GRID, nodata=None, overviews=overviews, blocksize=256)
    with opened(made) as file:
        assert file.overviews(1) == [2, 4]
        assert (file.nodata, file.block_shapes) == (None, [(256, 256)])
    with opened(made, overview_level=0) as smaller:
        assert smaller.shape == (350, 450)
        assert set(np.unique(smaller.read(1))) == {value}


def test_the_band_and_the_file_say_what_they_are():
    colours = {1: (10, 20, 30), 2: (1, 2, 3)}
    made = cog(
        CHECKED, GRID, nodata=0, overviews="mode", description="class", scale=0.5, table=colours,
        tags={"DAY": "2024-04-03"},
    )  # fmt: skip
    with opened(made) as file:
        assert (file.descriptions, file.scales, file.offsets) == (("class",), (0.5,), (0,))
        assert {n: file.colormap(1)[n][:3] for n in colours} == colours
        assert file.tags()["DAY"] == "2024-04-03"
