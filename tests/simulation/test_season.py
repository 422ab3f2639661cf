"""The simulated season: the same every time, in Earth Search's shape, and true where clear."""

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from pystac.validation import validate_dict
from rasterio.windows import Window, from_bounds
from shapely.geometry import box, shape

from hydro_pipeline.simulation.land import NOTICE, Cover
from hydro_pipeline.simulation.season import Season, simulate
from tests.support.product import clear_mask

SHARED = Path(__file__).parents[3] / "shared"
FIRST = dt.date(2024, 5, 1)
CLEAR_CLASSES = (2, 4, 5, 6, 7)
QUANTIZATION = 3.1e-4


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return simulate(tmp_path_factory.mktemp("season"), first_day=FIRST, days=38)


def day_of(item: dict[str, Any]) -> dt.date:
    return dt.datetime.fromisoformat(item["properties"]["datetime"]).date()


def on_grid(season: Season, item: dict[str, Any], band: str, pad: int = 0) -> NDArray[Any]:
    """A band on the area's 10 m grid, wider by `pad`, 0 where the scene has nothing."""
    grid = season.area("a").grid.pad(pad)
    with rasterio.open(season.directory / item["assets"][band]["href"]) as file:
        window = from_bounds(*grid.boundingbox.bbox, transform=file.transform)
        assert all(v.is_integer() for v in window.flatten()), "grids do not nest"
        pixels: NDArray[Any] = file.read(1, window=window, boundless=True, fill_value=0)
    return pixels.repeat(2, 0).repeat(2, 1) if band == "scl" else pixels


def clear_of(season: Season, item: dict[str, Any], buffer_px: int = 6) -> NDArray[np.bool_]:
    scl = on_grid(season, item, "scl", pad=6)
    return clear_mask(scl, CLEAR_CLASSES, buffer_px)[6:-6, 6:-6]


def ndvi(season: Season, item: dict[str, Any], added: int) -> NDArray[np.float64]:
    red, nir = (on_grid(season, item, b).astype(float) - added for b in ("red", "nir"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((nir - red) / (nir + red), np.float64)


def added(item: dict[str, Any]) -> int:
    return 0 if item["properties"]["earthsearch:boa_offset_applied"] else 1000


def contents(directory: Path) -> dict[str, bytes]:
    files = (p for p in sorted(directory.rglob("*")) if p.is_file())
    return {str(p.relative_to(directory)): p.read_bytes() for p in files}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    def make(name: str, seed: int = 1) -> tuple[Season, dict[str, bytes]]:
        made = simulate(tmp_path / name, first_day=FIRST, days=8, size_km=2, seed=seed)
        return made, contents(made.directory)

    (one, one_files), (two, two_files) = make("one"), make("two")
    (other, other_files) = make("other", seed=2)
    assert one_files == two_files
    assert (one.fields_geojson, one.items) == (two.fields_geojson, two.items)
    assert one.fields_geojson != other.fields_geojson
    assert one_files.keys() == other_files.keys()
    first = f"{one.items[-1]['id']}/B04.tif"
    assert one_files[first] != other_files[first]
    np.testing.assert_array_equal(one.truth(FIRST), two.truth(FIRST))


def test_clear_pixels_give_the_true_ndvi(season: Season) -> None:
    seen = 0
    for item in season.items:
        clear = clear_of(season, item)
        error = (ndvi(season, item, added(item)) - season.truth(day_of(item)))[clear]
        seen += error.size
        assert error.size == 0 or np.abs(error).max() < QUANTIZATION, item["id"]
    assert seen > 2_000_000


def test_soft_edges_spoil_pixels_beside_clouds(season: Season) -> None:
    spoiled = 0
    for item in season.items:
        clear = clear_of(season, item, buffer_px=0)
        error = (ndvi(season, item, added(item)) - season.truth(day_of(item)))[clear]
        spoiled += int((np.abs(error) > 0.02).sum())
    assert spoiled > 10_000


def test_both_offset_situations(season: Season) -> None:
    for applied in (True, False):
        item = next(
            i
            for i in season.items
            if i["properties"]["earthsearch:boa_offset_applied"] is applied
            and i["properties"]["eo:cloud_cover"] < 50
        )
        assert item["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
        clear = clear_of(season, item)
        red = on_grid(season, item, "red")[clear]
        assert (np.percentile(red, 1) < 700) is np.bool_(applied)
        wrong = ndvi(season, item, 1000 - added(item))[clear]
        error = np.abs(wrong - season.truth(day_of(item))[clear])
        assert error.min() > 0.01


def test_files_are_cogs_that_say_they_are_simulated(season: Season) -> None:
    for item, (band, dtype, pixel) in itertools.product(
        season.items, (("red", "uint16", 10), ("nir", "uint16", 10), ("scl", "uint8", 20))
    ):
        asset = item["assets"][band]
        with rasterio.open(season.directory / asset["href"]) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.tags()["TIFFTAG_IMAGEDESCRIPTION"] == NOTICE
            assert file.block_shapes == [(512, 512)]
            assert bool(file.overviews(1)) is (max(file.shape) > 512)
            assert file.compression.value == "DEFLATE"
            assert (file.dtypes, file.nodata) == ((dtype,), 0)
            assert file.crs.to_epsg() == item["properties"]["proj:epsg"] == 32631
            assert file.res == (pixel, pixel)
            assert list(file.transform)[:6] == asset["proj:transform"]
            assert list(file.shape) == asset["proj:shape"]
            assert file.transform.c % 60 == file.transform.f % 60 == 0


def test_items_are_valid_stac(season: Season) -> None:
    for item in season.items:
        parsed = pystac.Item.from_dict(item)
        validate_dict(parsed.to_dict(transform_hrefs=False), extensions=[])
        assert parsed.bbox == pytest.approx(shape(item["geometry"]).bounds)
        assert item["properties"]["description"] == NOTICE
    stored = json.loads((season.directory / "items.json").read_text())
    assert stored["features"] == season.items
    assert stored["description"] == NOTICE
    moments = [i["properties"]["datetime"] for i in season.items]
    assert moments == sorted(moments, reverse=True)


def test_items_have_the_recorded_keys(season: Season) -> None:
    recorded_file = SHARED / "earth-search" / "item_04.00_flag_false.json"
    if not recorded_file.is_file():
        pytest.skip("needs ../shared/earth-search (recorded answers, not part of this repository)")
    recorded = json.loads(recorded_file.read_text())
    item = season.items[0]
    assert item.keys() == recorded.keys()
    assert item["properties"].keys() - recorded["properties"].keys() == {"description"}
    assert recorded["properties"].keys() - item["properties"].keys() == {
        "earthsearch:s3_path",
        "processing:software",
        "s2:datastrip_id",
        "s2:degraded_msi_data_percentage",
        "s2:granule_id",
        "s2:reflectance_conversion_factor",
        "s2:saturated_defective_pixel_percentage",
    }
    for name, asset in item["assets"].items():
        assert asset.keys() == recorded["assets"][name].keys()
        assert asset["raster:bands"] == recorded["assets"][name]["raster:bands"]
        assert asset.get("eo:bands") == recorded["assets"][name].get("eo:bands")


def test_shares_and_footprint_describe_the_pixels(season: Season) -> None:
    for item in season.items:
        with rasterio.open(season.directory / item["assets"]["scl"]["href"]) as file:
            scl = file.read(1)
            inside = rasterio.features.geometry_mask(
                [rasterio.warp.transform_geom("EPSG:4326", file.crs, item["geometry"])],
                scl.shape,
                file.transform,
                invert=True,
            )
        assert np.count_nonzero(inside != (scl > 0)) < 0.002 * scl.size
        valid = np.count_nonzero(scl)
        cloudy = np.isin(scl, (8, 9, 10)).sum() / valid * 100
        shares = item["properties"]
        assert shares["eo:cloud_cover"] == pytest.approx(cloudy, abs=1e-5)
        assert shares["s2:nodata_pixel_percentage"] == pytest.approx(100 - valid / scl.size * 100)
        assert {3, 4, 5} <= set(np.unique(scl)) or cloudy > 60 or cloudy == 0


def test_days_are_of_every_kind(season: Season) -> None:
    by_day: dict[dt.date, list[dict[str, Any]]] = {}
    for item in season.items:
        by_day.setdefault(day_of(item), []).append(item)
    offsets = sorted((d - FIRST).days for d in by_day)
    assert offsets == sorted([*range(0, 38, 5), *range(2, 38, 5)])
    assert {len(items) for items in by_day.values()} == {1, 2}
    cover = {d: [i["properties"]["eo:cloud_cover"] for i in items] for d, items in by_day.items()}
    assert cover[FIRST] == [0, 0]
    assert sum(min(c) == 100 for c in cover.values()) >= 2
    for day, items in by_day.items():
        scenes = [on_grid(season, i, "scl") > 0 for i in items]
        whole = np.any(scenes, axis=0).all()
        assert whole is np.bool_((day - FIRST).days % 5 == 0), "swath edge on the other orbit"
        assert not any(s.all() for s in scenes), "no tile covers the area alone"


def test_tiles_of_one_overpass_agree_where_they_overlap(season: Season) -> None:
    east, west = (on_grid(season, i, "red") for i in season.items[-2:])
    if season.items[-1]["properties"]["mgrs:grid_square"] != "ES":
        east, west = west, east
    both = (east > 0) & (west > 0)
    assert both.any()
    np.testing.assert_array_equal(east[both], west[both])


def test_fields_are_apart_inside_and_planted_in_time(season: Season) -> None:
    early, late = (
        json.loads(data)["features"] for data in (season.fields_geojson, season.late_fields_geojson)
    )
    assert (len(early), len(late)) == (40, 2)
    fields = [*early, *late]
    assert len({f["properties"]["field_id"] for f in fields}) == 42
    assert all(f["properties"]["description"] == NOTICE for f in fields)
    planted = [dt.date.fromisoformat(f["properties"]["planting_date"]) for f in fields]
    assert max(planted[:40]) < FIRST
    assert {season.last_day - d for d in planted[40:]} == {dt.timedelta(30)}
    outlines = [shape(f["geometry"]) for f in fields]
    area = box(*season.bbox)
    assert all(o.is_valid and area.contains(o) for o in outlines)
    assert not any(a.intersects(b) for a, b in itertools.combinations(outlines, 2))


def test_the_truth_of_a_field_grows_after_planting(season: Season) -> None:
    late = json.loads(season.late_fields_geojson)["features"][0]
    planted = dt.date.fromisoformat(late["properties"]["planting_date"])
    grid = season.area("a").grid
    centre = shape(late["geometry"]).centroid
    x, y = ~grid.affine @ Transformer.from_crs(4326, season.crs, always_xy=True).transform(
        centre.x, centre.y
    )
    at = int(y), int(x)
    series = [float(season.truth(planted + dt.timedelta(n))[at]) for n in range(0, 31, 5)]
    assert series == sorted(series)
    assert series[0] < 0.2
    assert series[-1] > series[0] + 0.1


def test_double_logistic_by_hand() -> None:
    cover = Cover("x", base=0.1, peak=0.9, sown=FIRST, rise_days=20, fall_days=200)
    assert cover.growth(FIRST + dt.timedelta(20)) == pytest.approx(0.4, abs=1e-6)
    assert cover.growth(FIRST + dt.timedelta(110)) == pytest.approx(0.8, abs=1e-4)
    assert cover.growth(FIRST + dt.timedelta(200)) == pytest.approx(0.4, abs=1e-6)
    assert cover.growth(FIRST - dt.timedelta(100)) == pytest.approx(0, abs=1e-6)


def test_other_shapes_of_season(tmp_path: Path) -> None:
    season = simulate(
        tmp_path,
        first_day=FIRST,
        days=3,
        size_km=1,
        n_fields=1,
        n_late=0,
        tiles=1,
        overpasses=(0, 1, 2),
        margin_m=3000,
        grain=0.02,
        blocksize=256,
    )
    assert [day_of(i) for i in season.items] == [FIRST + dt.timedelta(n) for n in (2, 1, 0)]
    assert json.loads(season.late_fields_geojson)["features"] == []
    item = season.items[-1]
    with rasterio.open(season.directory / item["assets"]["red"]["href"]) as file:
        assert file.block_shapes == [(256, 256)]
        assert min(file.shape) > 700
        assert file.read(1, window=Window(0, 0, 8, 8)).std() > 0
    error = ndvi(season, item, added(item)) - season.truth(FIRST)
    assert np.abs(error).max() < QUANTIZATION * 1.03
