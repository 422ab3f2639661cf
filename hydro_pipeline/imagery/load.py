"""Scenes of a day on an area's grid, as lazy dask arrays read with odc-stac.

Each scene is read alone and nothing is mixed here: which scene gives a pixel is decided later.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import dask.array as da
import numpy as np
import odc.stac
import pystac
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.exceptions import CRSError

from hydro_pipeline.area.area import SNAP_M, Area, Bbox
from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.grid import Tiling
from hydro_pipeline.imagery.cloud_mask import clear_mask
from hydro_pipeline.imagery.gdal import drop_cached
from hydro_pipeline.imagery.reading import Kept, SceneDriver, paste
from hydro_pipeline.product import Band, Mask
from hydro_pipeline.scenes.item import bounds
from hydro_pipeline.scenes.scene import Scene
from hydro_pipeline.scenes.sentinel2 import asset_of
from hydro_pipeline.settings import Settings

READ_PX = 1024
"""Reads begin at multiples of it in the file: a multiple itself of every COG block size in use."""
READ_TIMES = 3
"""A read measures at most so many times that on a side: the fewer reads, the fewer waits."""
TILE_PX = 2048
"""Side of a tile of the imagery where all of a day is held; a multiple of the cube's chunks."""
STRIP_PX = 1024
"""The same where it is made strip by strip; reads are then `READ_PX` high."""
FINEST_M = 10.0
"""Pixels of bands larger than this are repeated where they nest; those of others never are."""
SLACK = 0.02
"""How far a scene's footprint may seem to leave its file, degrees: outlines are drawn roughly."""

_Read = Callable[[Scene, tuple[str, ...], GeoBox | None, GeoBox, str, str], list[da.Array]]


@dataclass(frozen=True)
class Imagery:
    """The scenes of one day. All arrays have the tiles as their chunks."""

    tiling: Tiling

    formulas: Formulas
    """Of the product, with the order of its bands."""
    bands: Sequence[Sequence[da.Array]]
    """By scene and band: uint16 (y, x), digital numbers as stored, 0 = nodata."""
    clear: Sequence[da.Array]
    """By scene: bool (y, x), True = a clear class, and far enough from cloud and shadow."""
    offset: NDArray[np.float32]
    """(scene,), reflectance to add to DN / 10000."""
    kept: Kept | None = None
    """Where reads are kept, if the arrays are to be computed strip by strip from the north."""

    @property
    def scenes(self) -> int:
        """How many scenes there are."""
        return len(self.clear)


def tiling_of(area: Area, held: bool = True) -> Tiling:
    """How an area's imagery is cut: for all of a day to be `held` at once, or strip by strip."""
    return Tiling(area.grid.shape.yx, TILE_PX if held else STRIP_PX)


def load(
    scenes: Sequence[Scene],
    area: Area,
    settings: Settings,
    tiling: Tiling,
    kept: Kept | None = None,
) -> Imagery:
    """The scenes in their order on `area.grid`, cut by `tiling`; nothing is read before compute.

    With tiles of `STRIP_PX`, what was read may be `kept` from strip to strip.

    Bands are not resampled where the file's pixels and the grid's coincide; larger ones are
    repeated where they nest in the grid; else bilinear, or averaged onto a coarser grid. The
    classification is always nearest neighbour. A scene beside the area is all 0 and not clear.
    Computing raises `SceneReadError` or `SceneGoneError`
    naming the scene and the file that could not be read.
    """
    grid, side, product = area.grid, tiling.side, settings.product
    for scene in scenes:
        for href in scene.hrefs:
            drop_cached(href)
    read = partial(_read, settings=settings, high=1 if side <= STRIP_PX else READ_TIMES, kept=kept)
    bands = [_reflectance(scene, product.bands, grid, read) for scene in scenes]
    clear = [_clear(scene, grid, product.mask, read, side) for scene in scenes]
    return Imagery(
        tiling,
        Formulas.of(product),
        [[_chunked(band, side) for band in scene] for scene in bands],
        [_chunked(mask, side) for mask in clear],
        np.array([scene.offset for scene in scenes], np.float32),
        kept,
    )


def _chunked(array: da.Array, side: int) -> da.Array:
    """A (y, x) array in chunks `side` pixels on a side."""
    # Without a method dask imports all of distributed to choose one.
    chunked: da.Array = array.rechunk((side, side), method="tasks")
    return chunked


def _reflectance(scene: Scene, bands: Sequence[Band], grid: GeoBox, read: _Read) -> list[da.Array]:
    """uint16 (y, x) of each band. Those whose files have the same grid are read together."""
    together: dict[tuple[GeoBox | None, float], list[str]] = {}
    for band in bands:
        together.setdefault((_source_grid(scene, band), band.native_m), []).append(band.name)
    made: dict[str, da.Array] = {}
    for (source, native_m), names in together.items():
        how = "average" if grid.resolution.x > native_m else "bilinear"
        if native_m > FINEST_M:
            arrays = _nested(scene, tuple(names), source, grid, "uint16", how, read)
        else:
            arrays = read(scene, tuple(names), source, grid, "uint16", how)
        made.update(zip(names, arrays, strict=True))
    return [made[band.name] for band in bands]


def _clear(scene: Scene, grid: GeoBox, rule: Mask, read: _Read, side: int) -> da.Array:
    """bool (y, x), True = clear. Read with a margin, so that cutting an area changes nothing."""
    pixel = grid.resolution.x
    buffer_px = math.ceil(rule.buffer_m / pixel)
    nest = round(SNAP_M / pixel)
    margin = math.ceil(buffer_px / nest) * nest
    padded = grid.pad(margin)
    name, source = rule.band.name, _source_grid(scene, rule.band)
    (classes,) = _nested(scene, (name,), source, padded, "uint8", "nearest", read)
    scl = _chunked(classes, side)
    mask: da.Array = da.map_overlap(
        clear_mask, scl, depth=buffer_px, boundary=0, dtype=bool, meta=np.zeros((0, 0), bool),
        clear_classes=rule.clear, buffer_px=buffer_px, spoiling=rule.spoiling,
    )  # fmt: skip
    height, width = padded.shape
    inner: da.Array = mask[margin : height - margin, margin : width - margin]
    return inner


def _nested(
    scene: Scene,
    bands: tuple[str, ...],
    source: GeoBox | None,
    grid: GeoBox,
    dtype: str,
    otherwise: str,
    read: _Read,
) -> list[da.Array]:
    """(y, x) of each of `bands`: the pixels of their files, whose grid is `source`, repeated where
    they are larger than the grid's and nest in it; `otherwise` names how they are resampled else.
    """
    if source is not None and source.crs == grid.crs:
        times = source.resolution.x / grid.resolution.x
        if times.is_integer() and times > 1:
            coarse = grid.zoom_out(times)
            if all(v.is_integer() for v in _distance(source, coarse)):
                pixels = read(scene, bands, source, coarse, dtype, "nearest")
                return [_repeated(array, int(times)) for array in pixels]
    return read(scene, bands, source, grid, dtype, otherwise)


def _repeated(pixels: da.Array, times: int) -> da.Array:
    """Each pixel of a (y, x) array `times` times along both axes."""
    chunks = tuple(tuple(size * times for size in sizes) for sizes in pixels.chunks)

    def repeat(block: NDArray[Any]) -> NDArray[Any]:
        return block.repeat(times, axis=0).repeat(times, axis=1)

    repeated: da.Array = da.map_blocks(repeat, pixels, chunks=chunks, dtype=pixels.dtype)
    return repeated


def _read(
    scene: Scene,
    bands: tuple[str, ...],
    source: GeoBox | None,
    grid: GeoBox,
    dtype: str,
    resampling: str,
    settings: Settings,
    high: int,
    kept: Kept | None,
) -> list[da.Array]:
    """(y, x) on `grid` of each of `bands`, whose files have the same grid `source`; 0 = nodata.

    Each block of a file is read once: reads of `high` times `READ_PX` rows begin at multiples of
    that of the file, hence beyond the grid's upper left corner, unless one read takes it all; the
    driver leaves out what is not on the grid.
    """
    if source is not None and not _meet(_bounds_in(source, str(grid.crs)), grid.boundingbox.bbox):
        return [da.zeros(grid.shape.yx, dtype=dtype, chunks=READ_PX)] * len(bands)
    top = left = 0
    step = READ_PX
    if source is not None and source.crs == grid.crs:
        side = READ_PX * source.resolution.x / grid.resolution.x
        down, right = _distance(source, grid)
        if side.is_integer() and down.is_integer() and right.is_integer():
            top, left, step = int(down % side), int(right % side), int(side)
    height, width = grid.shape
    rows, cols = high * step, READ_TIMES * step
    if height <= rows and width <= cols:
        top = left = 0
    reading = odc.stac.load(
        [_slim_item(scene, bands, source, grid)],
        bands=list(bands),
        geobox=grid.expand((height + top, width + left)).translate_pix(-left, -top),
        chunks={"y": rows, "x": cols},
        groupby="id",
        resampling=resampling,
        dtype=dtype,
        nodata=0,
        use_overviews=False,
        fuse_func=f"{paste.__module__}.{paste.__name__}",
        driver=SceneDriver(scene.id, grid, settings, kept),
    )
    return [reading[band].data[0, top:, left:] for band in bands]


def _source_grid(scene: Scene, band: Band) -> GeoBox | None:
    """The file's own grid as the item describes it, or None if it does not, or not credibly."""
    asset = scene.item.assets[asset_of(scene.item, band)]
    facts = {**scene.item.properties, **asset.extra_fields}
    code = facts.get("proj:code") or facts.get("proj:epsg")
    try:
        crs = CRS(f"EPSG:{code}" if isinstance(code, int) else code)
        height, width = facts["proj:shape"]
        affine = Affine(*map(float, facts["proj:transform"][:6]))
        source = GeoBox((int(height), int(width)), affine, crs)
        if not (source.axis_aligned and affine.a > 0 and affine.e < 0):
            return None
        west, south, east, north = _bounds_in(source, "EPSG:4326")
    except (KeyError, TypeError, ValueError, OverflowError, CRSError):
        return None
    w, s, e, n = bounds(scene.item)
    inside = west - SLACK <= w and south - SLACK <= s and e <= east + SLACK and n <= north + SLACK
    return source if inside else None


def _bounds_in(source: GeoBox, crs: str) -> Bbox:
    """Bounds of a grid in another CRS."""
    to_crs = _transformer(str(source.crs), crs)
    west, south, east, north = to_crs.transform_bounds(*source.boundingbox.bbox)
    return west, south, east, north


@cache
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _meet(one: Bbox, other: Bbox) -> bool:
    """Whether two boxes have an area in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _distance(source: GeoBox, grid: GeoBox) -> tuple[float, float]:
    """From the source's upper left corner to the grid's, in the grid's pixels: down, right."""
    return (
        (grid.affine.f - source.affine.f) / grid.affine.e,
        (grid.affine.c - source.affine.c) / grid.affine.a,
    )


def _slim_item(
    scene: Scene, bands: tuple[str, ...], source: GeoBox | None, grid: GeoBox
) -> pystac.Item:
    """An item with nothing but what odc-stac needs to read `bands`.

    Where the file's own grid is not known it is taken to lie over all of `grid`, so it is opened.
    """
    everywhere = grid.geographic_extent.json if source is None else None
    item = pystac.Item(scene.id, everywhere, None, scene.datetime, {}, collection="scene")
    grid_of_files: dict[str, Any] = {}
    if source is not None:
        item.stac_extensions = ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]
        item.properties["proj:code"] = str(source.crs)
        grid_of_files = {
            "proj:shape": list(source.shape),
            "proj:transform": list(source.affine[:6]),
        }
    for band in bands:
        asset = pystac.Asset(scene.files[band], media_type=pystac.MediaType.COG, roles=["data"])
        asset.extra_fields = grid_of_files
        item.add_asset(band, asset)
    return item
