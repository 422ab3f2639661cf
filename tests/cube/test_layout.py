"""What cubes that are there are taken for, and how large chunks are."""

import json

import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.layout import chunk_size, completed, meaning
from tests.support.golden import KEPT

STORED = json.loads(KEPT.read_text())["cube"]["attributes"]["hydro_pipeline"]
OF_0_1_0 = {
    "format", "area", "crs", "transform", "shape", "collection", "clear_classes", "cloud_buffer_m",
    "max_age_days",
}  # fmt: skip
"""What a cube of 0.1.0 says itself."""


def test_a_cube_of_0_1_0_means_what_one_of_today_does():
    assert completed({key: STORED[key] for key in OF_0_1_0}) == STORED


def test_the_format_is_that_of_cubes_that_are_there(settings):
    area = Area.from_bbox("farm", (5.0, 51.0, 5.02, 51.02))
    assert meaning(area, settings)["format"] == STORED["format"] == 1


@pytest.mark.parametrize(("pixels", "side"), [(1998, 256), (2004, 512)])
def test_an_area_of_more_than_2000_pixels_has_larger_chunks(pixels, side):
    """Of 10 m, snapped to 60 m; a degree of latitude measures 110.6 km on the equator."""
    north = (pixels - 3) * 10 / 110_574
    area = Area.from_bbox("a", (3.0, 0.0, 3.01, north))
    assert max(area.grid.shape) == pixels
    assert chunk_size(area) == side
