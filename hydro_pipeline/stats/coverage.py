"""Which pixels of the grid a polygon covers, and how much of each, in bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from geopandas import GeoDataFrame
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.fields.decode import Geometries
from hydro_pipeline.grid import Window
from hydro_pipeline.stats.runs import Runs

BATCH = 50
"""Polygons that are given to exactextract together, of at most `BATCH_PIXELS` in all."""

BATCH_PIXELS = 2**22
"""A polygon whose bounds hold more pixels than this is worked on in parts."""

TILE = 512
"""Side of such a part, pixels."""

POLYGON = 3
"""GEOS type id."""

Covered = tuple[Runs, float]
"""One polygon's pixels on the grid, row by row, and its total weight, off the grid too."""


def covered(polygons: Geometries, grid: GeoBox) -> Iterator[Covered]:
    """Of each polygon, in the grid's CRS: the fraction of each pixel that it covers.

    A polygon is worked on by itself, so that its result does not depend on the others.
    """
    extent = grid.boundingbox.bbox
    areas = shapely.area(polygons) / abs(grid.resolution.x * grid.resolution.y)
    bounds = shapely.bounds(polygons)
    within = (bounds[:, :2] >= extent[:2]).all(1) & (bounds[:, 2:] <= extent[2:]).all(1)
    windows = [_window(polygon, grid) for polygon in polygons]
    for batch in _batches([height * width for height, width in (w.shape for w in windows)]):
        first = batch[0]
        if windows[first].height * windows[first].width > BATCH_PIXELS:
            runs = Runs.joined(list(_in_tiles(polygons[first], grid, windows[first])))
            yield runs, _sum(*runs[2:]) if within[first] and len(runs.row) else areas[first]
            continue
        for i, (row, col, share) in zip(batch, _cells(polygons[batch], grid), strict=True):
            # Summed in pixel order, as the statistics are: a field seen whole is exactly 1.
            total = np.cumsum(share)[-1] if within[i] and len(share) else areas[i]
            yield Runs.of(row, col, share.astype(np.float32)), total


def centred(polygons: Geometries, grid: GeoBox) -> Iterator[Covered]:
    """Of each polygon, in the grid's CRS: 1 for each pixel whose centre GDAL finds inside."""
    height, width = grid.shape
    for polygon in polygons:
        window = _window(polygon, grid, clipped=False)
        parts, total = [], 0
        step = max(1, BATCH_PIXELS // max(1, window.width))
        for top in range(window.row, window.bottom, step):
            bottom = min(top + step, window.bottom)
            row, col = _centres(
                polygon, grid, Window.between(top, window.col, bottom, window.right)
            )
            on_grid = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            total += len(row)
            row, col = row[on_grid], col[on_grid]
            parts.append(Runs.of(row, col, np.ones(len(row), np.float32)))
        yield Runs.joined(parts), total


def _window(polygon: BaseGeometry, grid: GeoBox, clipped: bool = True) -> Window:
    """The pixels under a polygon's bounds: on the grid, or on its lattice without its limits."""
    west, south, east, north = polygon.bounds
    to_pixel = ~grid.transform
    (left, top), (right, bottom) = to_pixel @ (west, north), to_pixel @ (east, south)
    edges = np.array([np.floor(top), np.floor(left), np.ceil(bottom), np.ceil(right)])
    if clipped:
        edges = np.clip(edges, 0, [*grid.shape, *grid.shape])
    return Window.between(*edges.astype(int).tolist())


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Positions that follow each other: few, and no more than `BATCH_PIXELS` unless alone."""
    batch: list[int] = []
    held = 0
    for i, size in enumerate(sizes):
        if batch and (len(batch) == BATCH or held + size > BATCH_PIXELS):
            yield batch
            batch, held = [], 0
        batch.append(i)
        held += size
    if batch:
        yield batch


def _cells(
    polygons: Geometries, grid: GeoBox
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Rows, columns and covered fractions of the pixels of `grid` under each polygon."""
    assert grid.crs is not None
    crs = grid.crs.to_wkt()
    nothing = np.broadcast_to(np.int8(0), grid.shape)
    raster = NumPyRasterSource(nothing, *grid.boundingbox.bbox, srs_wkt=crs)
    shapes = GeoDataFrame(geometry=polygons, crs=crs)
    cells = exact_extract(raster, shapes, ["cell_id", "coverage"], output="pandas")
    for cell, share in zip(cells["cell_id"], cells["coverage"], strict=True):
        yield *np.divmod(cell, grid.shape[1]), share


def _in_tiles(polygon: BaseGeometry, grid: GeoBox, window: Window) -> Iterator[Runs]:
    """The pixels in `window` of a polygon that is large: strip by strip, tile by tile."""
    polygon = shapely.make_valid(polygon)
    for top in range(window.row, window.bottom, TILE):
        bottom = min(top + TILE, window.bottom)
        strip = _cut(polygon, grid[top:bottom, window.col : window.right])
        shapely.prepare(strip)
        parts = []
        for left in range(window.col, window.right, TILE):
            tile = grid[top:bottom, left : min(left + TILE, window.right)]
            ground = tile.extent.geom
            if strip.contains_properly(ground):
                lines = np.arange(top, bottom, dtype=np.int32)
                one = np.ones_like(lines)
                parts.append(Runs(lines, one * left, one * tile.shape.x, one.astype(np.float32)))
            elif strip.intersects(ground):
                ((row, col, share),) = _cells(np.array([_cut(strip, tile)], object), tile)
                parts.append(Runs.of(row + top, col + left, share.astype(np.float32)))
        yield Runs.joined(parts).sorted()


def _cut(polygon: BaseGeometry, part: GeoBox) -> BaseGeometry:
    """What of a polygon lies in a part of the grid, and a pixel around it."""
    west, south, east, north = part.boundingbox.bbox
    x, y = abs(part.resolution.x), abs(part.resolution.y)
    ground = shapely.box(west - x, south - y, east + x, north + y)
    pieces = shapely.get_parts(shapely.get_parts(shapely.intersection(polygon, ground)))
    cut: BaseGeometry = shapely.multipolygons(pieces[shapely.get_type_id(pieces) == POLYGON])
    return cut


@njit(nogil=True, cache=True)
def _sum(length, weight):  # type: ignore[no-untyped-def]
    """The weight of all pixels, in their order."""
    total = 0.0
    for run in range(len(length)):
        for _ in range(length[run]):
            total += np.float64(weight[run])
    return total


def _centres(
    polygon: BaseGeometry, grid: GeoBox, window: Window
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns, on the grid's lattice without its limits, of the centres inside."""
    inside = rasterize(
        [polygon],
        out_shape=(window.height, max(1, window.width)),
        transform=grid.transform @ Affine.translation(window.col, window.row),
        dtype="uint8",
    )
    row, col = np.nonzero(inside)
    return row + window.row, col + window.col
