"""What is measured is told whole, and everything is named after it."""

import datetime as dt
import json
from dataclasses import replace

import pytest

from hydro_pipeline.product import AGE, NO_AGE, NODATA, Band
from hydro_pipeline.variable import Variable
from tests.support.golden import KEPT
from tests.support.product import PRODUCT

NDMI = Variable(
    name="ndmi",
    title="NDMI",
    long_name="normalized difference moisture index",
    top={"nir": 1.0, "swir16": -1.0},
    bottom={"nir": 1.0, "swir16": 1.0},
    colours=((-0.8, "#000000"), (0.8, "#ffffff")),
)
RED = Variable(
    name="red",
    title="Red",
    long_name="reflectance of red",
    top={"red": 1.0},
    bottom={"1": 1.0},
    colours=((0.0, "#000000"), (0.4, "#ffffff")),
    valid=(-0.1, 2.0),
)
NARROW = replace(PRODUCT, sensor=replace(PRODUCT.sensor, bands=PRODUCT.bands))
"""With no band more than is needed."""


STORED = json.loads(KEPT.read_text())["cube"]["attributes"]["hydro_pipeline"]


def with_mask(**changes):
    return replace(PRODUCT, mask=replace(PRODUCT.mask, **changes))


def with_ndvi(**changes):
    return replace(PRODUCT, variables=(replace(PRODUCT.main, **changes),))


def with_red(**changes):
    red, nir = NARROW.sensor.bands
    return replace(NARROW, sensor=replace(NARROW.sensor, bands=(replace(red, **changes), nir)))


OTHERS = {
    "collection": replace(PRODUCT, sensor=replace(PRODUCT.sensor, collection="other")),
    "asset of a band": with_red(asset="B04"),
    "size of its pixels": with_red(native_m=20.0),
    "digital numbers": replace(PRODUCT, sensor=replace(PRODUCT.sensor, dn_per_unit=1000.0)),
    "clear classes": with_mask(clear=(4, 5)),
    "spoiling classes": with_mask(spoiling=(3, 8, 9)),
    "buffer": with_mask(buffer_m=0.0),
    "classification": with_mask(band=Band("scl", "cloud", 20.0)),
    "top": with_ndvi(top={"nir": 1.0}),
    "bottom": with_ndvi(bottom={"nir": 1.0, "red": 1.0, "1": 0.5}),
    "name": with_ndvi(name="evi"),
    "valid values": with_ndvi(valid=(0.0, 1.0)),
    "scale": with_ndvi(scale=1e-3),
    "code": replace(PRODUCT, pixel_code=PRODUCT.pixel_code + 1),
}


def test_pixels_mean_what_they_mean_in_cubes_that_are_there():
    assert STORED.items() >= PRODUCT.meaning().items()
    assert (NODATA, NO_AGE) == (-(2**15), -1)
    assert PRODUCT.version.startswith("1-")
    assert PRODUCT.sensor.first_day == dt.date(2015, 7, 1)


def test_values_keep_their_colours():
    assert PRODUCT.main.colours == (
        (-0.2, "#6f87a3"), (0, "#e9dcc0"), (0.15, "#ecdfa5"), (0.3, "#d3dc86"), (0.45, "#a2c965"),
        (0.6, "#65ab4c"), (0.75, "#348a40"), (0.9, "#12643a"), (1, "#083f29"),
    )  # fmt: skip
    assert AGE == (
        (0, "#fdf6e3"), (2, "#f8dfae"), (5, "#efa77f"), (10, "#c95f78"), (15, "#823274"),
        (20, "#35154f"),
    )  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_makes_other_pixels_is_another_meaning(what):
    assert OTHERS[what].meaning() != PRODUCT.meaning()


def test_how_it_is_shown_is_not_its_meaning():
    shown = with_ndvi(title="Green", long_name="greenness", colours=NDMI.colours)
    assert (shown.meaning(), shown.version) == (PRODUCT.meaning(), PRODUCT.version)


def test_bands_that_no_variable_needs_change_nothing():
    assert len(PRODUCT.sensor.bands) > len(NARROW.sensor.bands)
    assert NARROW.meaning() == PRODUCT.meaning()
    assert [band.name for band in PRODUCT.files] == ["red", "nir", "scl"]


def test_a_variable_more_brings_its_band_array_and_columns():
    more = replace(PRODUCT, variables=(PRODUCT.main, NDMI, RED))
    assert [band.name for band in more.bands] == ["red", "nir", "swir16"]
    assert list(more.arrays) == ["ndvi", "ndmi", "red", "observed_on"]
    names = [column.name for column in more.columns]
    assert names[:3] == ["ndvi_mean", "ndvi_median", "ndvi_std"]
    assert names[7:9] == ["ndmi_mean", "ndmi_median"]
    assert names[20:23] == ["red_p90", "pixel_count", "valid_fraction"]
    assert len(names) == len(set(names)) == 3 * 7 + 6
    assert more.title == "NDVI, NDMI, Red"
    assert more.main is PRODUCT.main


def test_a_variable_is_stored_in_its_units():
    assert PRODUCT.main.limits == (-10_000, 10_000)
    assert RED.limits == (-1000, 20_000)
    assert replace(RED, scale=1e-3).limits == (-100, 2000)
    assert RED.attributes == {
        "long_name": "reflectance of red, gaps filled from earlier days",
        "units": "1",
        "scale_factor": 1e-4,
        "add_offset": 0.0,
        "valid_min": -1000,
        "valid_max": 20_000,
    }
    assert NDMI.shown == (-0.8, 0.8)


def test_a_version_is_of_columns_and_of_what_computes_them():
    more = replace(PRODUCT, variables=(PRODUCT.main, NDMI))
    other = replace(PRODUCT, statistics_code=PRODUCT.statistics_code + 1)
    versions = {PRODUCT.version, more.version, other.version}
    assert len(versions) == 3
    assert replace(PRODUCT, pixel_code=9).version == PRODUCT.version


def test_a_band_that_the_sensor_has_not_is_refused():
    with pytest.raises(ValueError, match="Sentinel-2 Level-2A has no band swir16"):
        replace(NARROW, variables=(PRODUCT.main, NDMI))


def test_new_statistics_may_be_null():
    """Rows that were made before lack them."""
    always = [column.name for column in PRODUCT.columns if not column.nullable]
    assert always == ["pixel_count"]


def test_arrays_tell_how_larger_pixels_came_onto_the_grid():
    arrays = replace(PRODUCT, variables=(PRODUCT.main, NDMI)).arrays
    assert "comment" not in arrays["ndvi"]
    assert arrays["ndmi"]["comment"].startswith("swir16 (20 m): on a finer grid each pixel is repe")
