"""Pixels: equal to independent readings, on one grid, nothing mixed, nothing lost, read once."""

import copy
import dataclasses
import datetime as dt
import warnings

import dask
import numpy as np
import pystac
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from hydro_pipeline.area.area import Area
from hydro_pipeline.imagery.load import load, tiling_of
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn
from tests.support.noise_scenes import (
    ANYWHERE,
    PLAIN,
    area_at,
    block_bytes,
    computed,
    expected,
    noise,
    scene_of,
    window,
)
from tests.support.product import select


def read(scenes, area, settings=PLAIN, workers=4):
    """Red, nir and clear as computed arrays."""
    made = load(scenes, area, settings, tiling_of(area))
    return computed(made, num_workers=workers)


def test_all_of_the_real_case_is_read_as_rasterio_reads_it(realcase, monkeypatch):
    monkeypatch.chdir(realcase.parent)
    settings = Settings.load(
        catalog="realcase/items.json", cloud_buffer_m=60, trusted=str(realcase)
    )
    area = Area.from_bbox("mol", (5.0512, 51.2156, 5.0607, 51.2217))
    days = open_catalog(settings).scenes(area, dt.date(2022, 11, 1), dt.date(2023, 4, 30))
    scenes = [scene for items in days.values() for scene in select(items).scenes]
    assert len(scenes) == 29
    monkeypatch.chdir("/")
    got = read(scenes, area, settings)
    for n, scene in enumerate(scenes):
        for made, right in zip(got, expected(scene, area, settings), strict=True):
            np.testing.assert_array_equal(made[n], right, scene.id)


def test_tiles_and_swath_edges_of_a_season(season):
    settings = Settings.load(catalog=str(season.directory / "items.json"))
    area = season.area("demo")
    days = open_catalog(settings).scenes(area, season.first_day, season.last_day)
    for items in days.values():
        scenes = select(items).scenes
        got = read(scenes, area, settings)
        for n, scene in enumerate(scenes):
            for made, right in zip(got, expected(scene, area, settings), strict=True):
                np.testing.assert_array_equal(made[n], right, scene.id)
    cut = [s for i in days.values() for s in select(i).scenes if "31UES" in s.id]
    assert any((read([scene], area)[0] == 0).mean() > 0.3 for scene in cut)


def test_where_an_area_lies_makes_no_difference(tmp_path):
    scene = noise(tmp_path, 300)
    places = [(600_060, 5_699_940, 500, 700), (599_400, 5_700_600, 1500, 900),
              (602_520, 5_697_600, 1200, 1200), (598_000, 5_701_000, 6000, 6000)]  # fmt: skip
    for place in places:
        area = area_at(*place)
        for made, right in zip(read([scene], area), expected(scene, area), strict=True):
            np.testing.assert_array_equal(made[0], right)


@pytest.mark.parametrize("rough", [0.0, 0.015])
def test_a_scene_beside_the_area_is_empty_and_not_opened(tmp_path, rough):
    """Even if its outline leaves the file a little, by `rough` degrees."""
    scene = noise(tmp_path, 60)
    west, south, east, north = scene.item.bbox
    scene.item.bbox = [west - rough, south - rough, east + rough, north + rough]
    for name in ("red", "nir", "scl"):
        (tmp_path / f"noise_{name}.tif").unlink()
    red, nir, clear = read([scene], area_at(620_000, 5_700_000, 500, 500))
    assert not red.any()
    assert not nir.any()
    assert not clear.any()


def test_arrays_are_lazy_alike_and_as_stored(season):
    with StandIn(season.directory) as api:
        settings = Settings.load(catalog=api.url)
        area = season.area("demo")
        items = open_catalog(settings).scenes(area, season.first_day, season.first_day)
        scenes = select(items[season.first_day]).scenes
        made = load(scenes, area, settings, tiling_of(area))
        assert api.counts["cog_requests"] == 0
    assert made.scenes == len(made.bands) == len(scenes)
    for bands, clear in zip(made.bands, made.clear, strict=True):
        assert [array.dtype for array in (*bands, clear)] == [np.uint16, np.uint16, np.bool_]
        assert {array.chunks for array in (*bands, clear)} == {clear.chunks}
        assert clear.shape == tuple(area.grid.shape)
    assert made.offset.dtype == np.float32
    assert made.offset.tolist() == [np.float32(scene.offset) for scene in scenes]
    nothing = load([], area, settings, tiling_of(area))
    assert (nothing.scenes, nothing.bands, nothing.clear) == (0, [], [])


def test_the_same_scenes_on_another_area_are_other_reads(tmp_path):
    """Two graphs computed together must not share a read that was cut to one of the areas."""
    scene = noise(tmp_path, 200)
    one, other = area_at(600_120, 5_699_820, 900, 900), area_at(600_180, 5_699_820, 840, 600)
    a, b = (
        load([scene], one, PLAIN, tiling_of(one)).bands[0][0],
        load([scene], other, PLAIN, tiling_of(other)).bands[0][0],
    )
    together = dask.compute(a, b)
    for made, area in zip(together, (one, other), strict=True):
        np.testing.assert_array_equal(made, window(scene.files["red"], area.grid))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"proj:shape": None},
        {"proj:shape": [20, 20]},
        {"proj:transform": [10, 0, 900_000, 0, -10, 5_700_000]},
        {"proj:transform": [10, 0, 602_000, 0, -10, 5_700_000]},  # 0.029 degrees east of it
        {"proj:transform": [10, 0, 600_005, 0, -10, 5_700_001]},
        {"proj:transform": [0, 0, 0, 0, 0, 0]},
        {"proj:transform": ["a", None]},
        {"proj:code": "EPSG:32632"},
        {"proj:code": "EPSG:0"},
        {"proj:code": None, "proj:epsg": 32631},
        {"proj:code": None, "proj:epsg": None},
    ],
)
def test_an_item_that_describes_its_files_badly(tmp_path, wrong):
    scene = noise(tmp_path, 120)
    area = area_at(599_700, 5_700_300, 1200, 1200)
    for band in ("red", "nir", "scl"):
        scene.item.assets[band].extra_fields |= wrong
        if not wrong:
            scene.item.assets[band].extra_fields.clear()
    for made, right in zip(read([scene], area), expected(scene, area), strict=True):
        np.testing.assert_array_equal(made[0], right)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    scene = noise(tmp_path_factory.mktemp("small"), 60, corner=(600_120.0, 5_699_880.0))
    area = area_at(600_060, 5_699_940, 700, 700)
    return scene, area, expected(scene, area)


junk = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(["", "EPSG:32632", "a", 10, 60]),
    lambda inner: st.lists(inner, max_size=9),
    max_leaves=9,
)


@settings(max_examples=25)
@given(
    facts=st.dictionaries(
        st.sampled_from(["proj:code", "proj:epsg", "proj:shape", "proj:transform", "nodata"]), junk
    )
)
def test_no_description_of_the_files_makes_pixels_wrong(small, facts):
    scene, area, right = small
    assets = copy.deepcopy(scene.item.assets)
    for asset in assets.values():
        asset.extra_fields |= facts
    item = copy.copy(scene.item)
    item.assets = assets
    for made, wanted in zip(
        read([dataclasses.replace(scene, item=item)], area), right, strict=True
    ):
        np.testing.assert_array_equal(made[0], wanted)


def test_a_split_area_has_the_same_clear_pixels(tmp_path):
    scene = noise(tmp_path, 300)
    settings = Settings.load(cloud_buffer_m=110, trusted=ANYWHERE, clear_classes="1,2,4,5,6,7,11")
    whole = area_at(600_600, 5_699_400, 1140, 1140)
    _, _, clear = read([scene], whole, settings)
    left, top = whole.grid.affine.c, whole.grid.affine.f
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = area_at(left + 600 * x + 1, top - 600 * y - 1, 598, 598)
        _, _, inner = read([scene], part, settings)
        here, there = part.grid.overlap_roi(whole.grid), whole.grid.overlap_roi(part.grid)
        np.testing.assert_array_equal(inner[0][here], clear[0][there])


@pytest.mark.parametrize("resolution", [20.0, 60.0])
def test_a_coarser_grid_averages_what_is_there(tmp_path, resolution):
    scene = noise(tmp_path, 240)
    area = area_at(600_600, 5_699_400, 1200, 1200, resolution)
    red, _, clear = read([scene], area)
    times = int(resolution // 10)
    fine = window(scene.files["red"], area.grid.zoom_to(resolution=10)).astype(float)
    fine[fine == 0] = np.nan
    rows, columns = area.grid.shape
    blocks = fine.reshape(rows, times, columns, times).swapaxes(1, 2).reshape(rows, columns, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nan_to_num(np.nanmean(blocks, axis=-1))
    assert np.abs(red[0] - mean).max() <= 0.5 + 1e-6
    if resolution == 20:
        scl = window(scene.files["scl"], area.grid)
        np.testing.assert_array_equal(clear[0], np.isin(scl, PLAIN.clear_classes))


def surface(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth DN of a place in EPSG:32631, different by about 20 from pixel to pixel."""
    return 3000 + 1500 * np.sin(x / 700) * np.cos(y / 900)


def centres(corner, metres: float, shape) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices(shape)
    return corner[0] + (columns + 0.5) * metres, corner[1] - (rows + 0.5) * metres


@pytest.fixture(scope="module")
def two_zones(tmp_path_factory):
    """The same surface and classes seen by a tile in zone 31 and one in zone 32, near 6 degrees E.

    The second ends within the area, on a slanted edge.
    """
    folder = tmp_path_factory.mktemp("zones")
    to_31 = Transformer.from_crs("EPSG:32632", "EPSG:32631", always_xy=True)
    corner_31 = (699_960.0, 5_700_000.0)
    to_32 = Transformer.from_crs("EPSG:32631", "EPSG:32632", always_xy=True)
    corner_32 = tuple(
        60 * round(v / 60) for v in to_32.transform(corner_31[0] + 1500, corner_31[1])
    )
    scenes = []
    for name, crs, corner in (("one", "EPSG:32631", corner_31), ("two", "EPSG:32632", corner_32)):
        bands = []
        for metres, size in ((10, 500), (20, 250)):
            x, y = centres(corner, metres, (size, size))
            if crs == "EPSG:32632":
                x, y = to_31.transform(x, y)
            bands.append((x, y))
        (x, y), (xs, ys) = bands
        red = np.rint(surface(x, y)).astype(np.uint16)
        nir = np.rint(surface(x, y) * 2).astype(np.uint16)
        scl = (4 + (np.floor(xs / 180) + np.floor(ys / 180)) % 5).astype(np.uint8)
        if name == "two":
            beyond = x - 0.3 * y > corner_31[0] + 3500 - 0.3 * (corner_31[1] - 1500)
            red[beyond] = nir[beyond] = 0
            scl[beyond[::2, ::2]] = 0
        scenes.append(scene_of(folder, name, crs, corner, red, nir, scl))
    return scenes


ZONE_AREA = area_at(701_000, 5_699_000, 3600, 2400)


def test_two_zones_on_one_grid(two_zones):
    area = ZONE_AREA
    red, nir, clear = read(two_zones, area)
    own = expected(two_zones[0], area)
    for made, right in zip((red, nir, clear), own, strict=True):
        np.testing.assert_array_equal(made[0], right)
    corner = area.grid.affine.c, area.grid.affine.f
    x, y = centres(corner, 10, area.grid.shape)
    seen = red[1] > 0
    assert 0.4 < seen.mean() < 0.9
    assert (seen == (nir[1] > 0)).all()
    # Nothing of the nodata is mixed in: at the edge the value is at most half a pixel away.
    assert np.abs(red[1] - surface(x, y))[seen].max() < 12
    assert np.abs(red[1] - surface(x, y))[seen].mean() < 1
    assert np.abs(nir[1] - 2 * surface(x, y))[seen].max() < 24


def test_another_zone_is_read_as_a_warped_vrt_reads_it(two_zones):
    grid = ZONE_AREA.grid
    red, nir, _ = read(two_zones, ZONE_AREA)
    height, width = grid.shape
    for made, href in ((red, two_zones[1].files["red"]), (nir, two_zones[1].files["nir"])):
        with (
            rasterio.open(href) as file,
            WarpedVRT(
                file, crs=str(grid.crs), transform=grid.affine, width=width, height=height,
                resampling=Resampling.bilinear, src_nodata=0, nodata=0,
            ) as warped,
        ):  # fmt: skip
            right = warped.read(1)
        # GDAL may be an eighth of a pixel off, differently for a different window.
        assert np.abs(made[1].astype(int) - right).max() <= 4
        assert np.abs(made[1].astype(int) - right).mean() < 0.5


def test_classes_of_another_zone_are_never_blended(two_zones):
    """Each pixel has the class of the file's pixel that its centre lies in, by pyproj."""
    area, scene = ZONE_AREA, two_zones[1]
    _, _, clear = read([scene], area)
    x, y = centres((area.grid.affine.c, area.grid.affine.f), 10, area.grid.shape)
    there = Transformer.from_crs("EPSG:32631", "EPSG:32632", always_xy=True).transform(x, y)
    with rasterio.open(scene.files["scl"]) as file:
        scl = file.read(1)
        columns, rows = ~file.transform * there
    inside = (columns >= 0) & (rows >= 0) & (columns < 250) & (rows < 250)
    classes = np.zeros(area.grid.shape, np.uint8)
    classes[inside] = scl[rows[inside].astype(int), columns[inside].astype(int)]
    right = np.isin(classes, PLAIN.clear_classes)
    # Only pixels whose centre lies within an eighth of a pixel of a border may fall beyond it.
    border = np.minimum(np.abs(columns - np.rint(columns)), np.abs(rows - np.rint(rows))) < 0.125
    assert (clear[0] == right)[~border].all()
    assert (clear[0] == right).mean() > 0.99


def test_stackstac_reads_the_same(season):
    stackstac = pytest.importorskip("stackstac")
    settings = Settings.load(catalog=str(season.directory / "items.json"))
    area = season.area("demo")
    days = open_catalog(settings).scenes(area, season.first_day, season.last_day)
    scenes = [scene for items in days.values() for scene in select(items).scenes]
    red, nir, _ = read(scenes, area)
    stack = stackstac.stack(
        [clean(scene.item) for scene in scenes],
        assets=["red", "nir"], epsg=32631, resolution=10, bounds=area.grid.boundingbox.bbox,
        dtype=np.dtype("uint16"), fill_value=np.uint16(0), rescale=False, sortby_date=False,
    ).compute(scheduler="threads")  # fmt: skip
    np.testing.assert_array_equal(stack.sel(band="red").values, red)
    np.testing.assert_array_equal(stack.sel(band="nir").values, nir)


def clean(item: pystac.Item) -> dict:
    feature = item.to_dict(include_self_link=False, transform_hrefs=False)
    feature["properties"]["proj:epsg"] = 32631
    return feature


@pytest.mark.parametrize("blocksize", [512, 1024])
def test_each_block_is_read_once(tmp_path, blocksize):
    """An area of 3 x 3 km over the lines at which reads are split."""
    scene = noise(tmp_path, 2240, blocksize=blocksize, compress="none", overviews="none")
    area = area_at(618_960, 5_681_000, 3000, 3000)
    (tmp_path / "items.json").write_text('{"features": []}')
    with StandIn(tmp_path) as server:
        hrefs = {b: f"{server.origin}/cogs/noise_{b}.tif" for b in ("red", "nir", "scl")}
        remote = dataclasses.replace(scene, files=hrefs)
        got = read([remote], area, workers=1)
        for made, right in zip(got, expected(scene, area), strict=True):
            np.testing.assert_array_equal(made[0], right)
        sent = server.cog_bytes_by_path
        for band in hrefs:
            needed = block_bytes(tmp_path / f"noise_{band}.tif", area.grid)
            assert sent[f"noise_{band}.tif"] <= 1.05 * needed + 16_384
        assert sum(r.method == "HEAD" for r in server.requests) == 3
        headers = [r for r in server.requests if r.headers.get("range", "").startswith("bytes=0-")]
        assert len(headers) == 3
