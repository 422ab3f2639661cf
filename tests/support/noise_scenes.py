"""Scenes of random pixels as files, and what an independent reader finds in them."""

import math
from pathlib import Path

import dask
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import from_bounds

from hydro_pipeline.area.area import Area
from hydro_pipeline.imagery.load import Imagery
from hydro_pipeline.scenes.item import parse_item
from hydro_pipeline.scenes.scene import Scene
from hydro_pipeline.settings import Settings
from tests.support.product import clear_mask, select

ANYWHERE = "127.0.0.1,/"
"""As `HYDRO_TRUSTED`: whatever tests serve, and every file of this machine."""
PLAIN = Settings.load(cloud_buffer_m=0, trusted=ANYWHERE)
RNG = np.random.default_rng(5)


def window(href: str, grid: GeoBox) -> np.ndarray:
    """(y, x) of a file that has the grid's CRS and pixels: plain rasterio, 0 beyond its edge."""
    with rasterio.open(href) as file:
        place = from_bounds(*grid.boundingbox.bbox, transform=file.transform)
        return file.read(1, window=place.round(), boundless=True, fill_value=0)


def expected(scene: Scene, area: Area, settings: Settings = PLAIN) -> list[np.ndarray]:
    """Red, nir, clear of a scene in the area's CRS, read independently."""
    buffer_px = math.ceil(settings.cloud_buffer_m / area.resolution)
    margin = 6 * math.ceil(buffer_px / 6)
    scl = window(scene.files["scl"], area.grid.pad(margin)).repeat(2, axis=0).repeat(2, axis=1)
    clear = clear_mask(scl, settings.clear_classes, buffer_px)
    inside = slice(margin, -margin or None)
    bands = [window(scene.files[name], area.grid) for name in ("red", "nir")]
    return [*bands, clear[inside, inside]]


def computed(made: Imagery, num_workers: int = 4) -> list[np.ndarray]:
    """Each band of some imagery, then what is clear; (scene, y, x) each."""
    arrays = [*zip(*made.bands, strict=True), made.clear]
    done = dask.compute(*map(list, arrays), scheduler="threads", num_workers=num_workers)
    return [np.array(each) for each in done]


def write(path: Path, pixels: np.ndarray, crs: str, corner: tuple, metres: float, **options) -> str:
    options = {"nodata": 0, "blocksize": 128, "compress": "deflate"} | options
    with rasterio.open(
        path, "w", driver="COG", width=pixels.shape[1], height=pixels.shape[0], count=1,
        dtype=pixels.dtype, crs=crs,
        transform=rasterio.Affine(metres, 0, corner[0], 0, -metres, corner[1]), **options,
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return str(path)


def scene_of(
    folder: Path, name: str, crs: str, corner, red, nir, scl, proj=True, **options
) -> Scene:
    """A scene of 10 m and 20 m pixels under `folder`."""
    size = red.shape
    hrefs = {
        "red": write(folder / f"{name}_red.tif", red, crs, corner, 10, **options),
        "nir": write(folder / f"{name}_nir.tif", nir, crs, corner, 10, **options),
        "scl": write(folder / f"{name}_scl.tif", scl, crs, corner, 20, **options),
    }
    bounds = GeoBox(size, rasterio.Affine(10, 0, corner[0], 0, -10, corner[1]), crs)
    assets = {}
    for band, href in hrefs.items():
        metres = 20 if band == "scl" else 10
        shape = [side * 10 // metres for side in size]
        facts = {
            "proj:shape": shape,
            "proj:transform": [metres, 0, corner[0], 0, -metres, corner[1]],
        }
        scale = [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]
        assets[band] = {"href": href, "raster:bands": scale, **(facts if proj else {})}
    feature = {
        "type": "Feature",
        "id": name,
        "collection": "sentinel-2-l2a",
        "bbox": list(bounds.geographic_extent.boundingbox.bbox),
        "geometry": None,
        "properties": {
            "datetime": "2024-05-01T10:00:00Z",
            "proj:code": crs,
            "s2:processing_baseline": "05.10",
            "earthsearch:boa_offset_applied": True,
        },
        "assets": assets,
    }
    return select([parse_item(feature, "test", str(folder))]).scenes[0]


def noise(folder: Path, size: int, name: str = "noise", corner=(600_000.0, 5_700_000.0), **options):
    """A scene of random pixels in EPSG:32631, with some nodata."""
    red, nir = RNG.integers(0, 10_000, (2, size, size)).astype(np.uint16)
    red[red < 300] = 0
    scl = RNG.integers(0, 12, (size // 2, size // 2)).astype(np.uint8)
    return scene_of(folder, name, "EPSG:32631", corner, red, nir, scl, **options)


def area_at(left: float, top: float, width: float, height: float, resolution: float = 10) -> Area:
    """An area of about these metres in EPSG:32631."""
    to_degrees = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(left, top - height, left + width, top)
    return Area.from_bbox("area", (west, south, east, north), "EPSG:32631", resolution)


def block_bytes(path: Path, grid: GeoBox) -> int:
    """Bytes of the blocks of a COG's full resolution that the grid touches."""
    with rasterio.open(path) as file:
        left, bottom, right, top = grid.boundingbox.bbox
        (c0, r0), (c1, r1) = ~file.transform * (left, top), ~file.transform * (right, bottom)
        (height, width), size = file.block_shapes[0], 0
        for row in range(max(0, int(r0)) // height, math.ceil(min(r1, file.height) / height)):
            for column in range(max(0, int(c0)) // width, math.ceil(min(c1, file.width) / width)):
                size += int(file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1))
        return size
