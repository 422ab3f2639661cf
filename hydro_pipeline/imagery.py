"""Scenes of a day on an area's grid, as lazy dask arrays read with odc-stac.

Each scene is read alone and nothing is mixed here: which scene gives a pixel is decided later.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import odc.stac
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver, RioReader

from hydro_pipeline.area import Area
from hydro_pipeline.clear import clear_mask
from hydro_pipeline.errors import SceneReadError
from hydro_pipeline.selection import Scene
from hydro_pipeline.settings import Settings

READ_PX = 2048
"""Side of a read, in the file's own pixels: a multiple of every COG block size in use."""
CHUNK_PX = 2048
"""Side of a chunk of the arrays; a multiple of the cube's chunks."""

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": "ALL_CPUS",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_NETRC": "NO",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_CACHE_SIZE": "67108864",
}


@dataclass(frozen=True)
class Imagery:
    """The scenes of one day. All three arrays have the same chunks."""

    red: da.Array
    """uint16 (scene, y, x), digital numbers as stored, 0 = nodata."""
    nir: da.Array
    """uint16 (scene, y, x), digital numbers as stored, 0 = nodata."""
    clear: da.Array
    """bool (scene, y, x), True = a clear class, and far enough from cloud and shadow."""
    offset: NDArray[np.float32]
    """(scene,), reflectance to add to DN / 10000."""


def load(scenes: Sequence[Scene], area: Area, settings: Settings) -> Imagery:
    """The scenes in their order on `area.grid`; nothing is read before compute.

    Red and nir are not resampled where the file's pixels and the grid's coincide, else bilinear;
    the classification is always nearest neighbour. A scene beside the area is all 0 and not clear.
    Computing raises `SceneReadError` naming the scene and the file that could not be read.
    """
    grid = area.grid
    if not scenes:
        nothing = da.zeros((0, *grid.shape), chunks=(1, CHUNK_PX, CHUNK_PX), dtype=np.uint16)
        return Imagery(nothing, nothing, nothing.astype(bool), np.zeros(0, np.float32))
    options = _gdal_options(settings)
    buffer_px = math.ceil(settings.cloud_buffer_m / area.resolution)
    clear = [
        _clear(_read(scene, "scl", grid.pad(buffer_px), options), settings, buffer_px)
        for scene in scenes
    ]
    red, nir = (
        da.stack([_read(scene, band, grid, options) for scene in scenes]) for band in ("red", "nir")
    )
    chunks = (1, CHUNK_PX, CHUNK_PX)
    return Imagery(
        red.rechunk(chunks),
        nir.rechunk(chunks),
        da.stack(clear).rechunk(chunks),
        np.array([scene.offset for scene in scenes], np.float32),
    )


def _clear(scl: da.Array, settings: Settings, buffer_px: int) -> da.Array:
    """bool (y, x): the clear mask without the margin of `buffer_px` that `scl` has."""
    mask = da.map_overlap(
        clear_mask, scl, depth=buffer_px, boundary=0, dtype=bool, meta=np.zeros((0, 0), bool),
        clear_classes=settings.clear_classes, buffer_px=buffer_px,
    )  # fmt: skip
    height, width = scl.shape
    return mask[buffer_px : height - buffer_px, buffer_px : width - buffer_px]


def _read(scene: Scene, band: str, grid: GeoBox, options: dict[str, Any]) -> da.Array:
    """(y, x) of one band on `grid`."""
    source = _source_grid(scene, band)
    top, left, step = _reads(source, grid)
    height, width = grid.shape
    reading = odc.stac.load(
        [_slim_item(scene, band, source)],
        bands=[band],
        geobox=grid.expand((height + top, width + left)).translate_pix(-left, -top),
        chunks={"y": step, "x": step},
        groupby="id",
        resampling="nearest" if band == "scl" else "bilinear",
        dtype="uint8" if band == "scl" else "uint16",
        nodata=0,
        use_overviews=False,
        driver=_Driver(scene.id, grid, options),
    )
    array: da.Array = reading[band].data[0, top:, left:]
    return array


def _source_grid(scene: Scene, band: str) -> GeoBox | None:
    """The file's own grid as the item describes it, or None if it does not."""
    asset = scene.item.assets[band].extra_fields
    facts = {**scene.item.properties, **asset}
    code = facts.get("proj:code") or facts.get("proj:epsg")
    crs = f"EPSG:{code}" if isinstance(code, int) else code
    try:
        height, width = facts["proj:shape"]
        affine = odc.geo.geobox.Affine(*facts["proj:transform"][:6])
        return GeoBox((int(height), int(width)), affine, crs) if crs else None
    except Exception:
        return None


def _reads(source: GeoBox | None, grid: GeoBox) -> tuple[int, int, int]:
    """How far reads begin before the grid (top, left), and their side, in the grid's pixels.

    Reads begin at multiples of `READ_PX` of the file, so that no COG block is fetched twice.
    """
    if source is None or source.crs != grid.crs:
        return 0, 0, READ_PX
    step = READ_PX * abs(source.resolution.x) / abs(grid.resolution.x)
    left = (grid.affine.c - source.affine.c) / grid.resolution.x
    top = (grid.affine.f - source.affine.f) / grid.resolution.y
    if not (step.is_integer() and left.is_integer() and top.is_integer()):
        return 0, 0, READ_PX
    return int(top % step), int(left % step), int(step)


def _slim_item(scene: Scene, band: str, source: GeoBox | None) -> pystac.Item:
    """An item with nothing but what odc-stac needs to read one band."""
    item = pystac.Item(
        scene.id, scene.item.geometry, scene.item.bbox, scene.datetime, {}, collection="scene"
    )
    asset = pystac.Asset(getattr(scene, band), media_type=pystac.MediaType.COG, roles=["data"])
    if source is not None:
        item.stac_extensions = ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]
        item.properties["proj:code"] = str(source.crs)
        asset.extra_fields = {
            "proj:shape": list(source.shape),
            "proj:transform": list(source.affine[:6]),
        }
    item.add_asset(band, asset)
    return item


def _gdal_options(settings: Settings) -> dict[str, Any]:
    return {**GDAL_OPTIONS, "_aws": {"aws_unsigned": True, "region_name": "us-west-2"}}


class _Driver(RioDriver):
    """odc-stac's rasterio driver: own GDAL options, errors that name the scene."""

    def __init__(self, scene_id: str, grid: GeoBox, options: dict[str, Any]) -> None:
        super().__init__()
        self.scene_id = scene_id
        self.grid = grid
        self.options = options

    def capture_env(self) -> dict[str, Any]:
        return self.options

    def open(self, src: RasterSource, ctx: Any) -> "_Reader":
        return _Reader(src, ctx, self)


class _Reader(RioReader):
    def __init__(self, src: RasterSource, ctx: Any, driver: _Driver) -> None:
        super().__init__(src, ctx)
        self._driver = driver

    def read(
        self, cfg: RasterLoadParams, dst_geobox: GeoBox, *, dst: Any = None, selection: Any = None
    ) -> Any:
        cfg = cfg.patch(src_nodata_override=0)
        try:
            return super().read(cfg, dst_geobox, dst=dst, selection=selection)
        except Exception as error:
            raise SceneReadError(
                f"scene {self._driver.scene_id}: {self._src.uri} could not be read: {error}"
            ) from None
