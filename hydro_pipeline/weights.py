"""How much each pixel of the grid counts in each field: built once, then kept."""

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area import Area
from hydro_pipeline.fieldfile import LONLAT, Geometries, reprojected
from hydro_pipeline.fields import Field
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.store import Store
from hydro_pipeline.zonal import Weights

VERSION = 1
"""Of the stored form, and of the rules that weights are made by."""

BATCH = 2000
"""Fields whose coverage is computed together, to bound memory."""

STRIP_PIXELS = 2**24
"""A field's window is rasterized in strips of whole rows of about this many pixels."""

Pixels = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], float]
"""Rows, columns and weights of one field's pixels on the grid, and its total weight."""


def build_weights(fields: Sequence[Field], grid: GeoBox, method: ZonalWeights) -> Weights:
    """The weights of `fields` on a north-up `grid`, in the order given.

    `coverage`: the fraction of a pixel that the polygon covers, by exactextract. `centre`: 1 for
    each pixel whose centre GDAL finds inside, as rasterstats does; a sliver may have none.
    Polygons are moved to the grid's CRS by their vertices. Every field is computed by itself.
    """
    polygons = reprojected(
        np.array([field.geometry for field in fields], dtype=object), LONLAT, str(grid.crs)
    )
    build = _coverage if method is ZonalWeights.COVERAGE else _centres
    pixels = list(build(polygons, grid))
    return Weights(
        tuple(field.field_id for field in fields),
        tuple(field.hash(method) for field in fields),
        np.cumsum([0, *(len(row) for row, _, _, _ in pixels)], dtype=np.int64),
        np.concatenate([np.empty(0, np.int32), *(row for row, _, _, _ in pixels)]),
        np.concatenate([np.empty(0, np.int32), *(col for _, col, _, _ in pixels)]),
        np.concatenate([np.empty(0, np.float32), *(weight for _, _, weight, _ in pixels)]),
        np.array([total for _, _, _, total in pixels], np.float64),
    )


@contextlib.contextmanager
def kept_weights(
    store: Store, area: Area, fields: Sequence[Field], method: ZonalWeights
) -> Iterator[Weights]:
    """The weights of `fields` on the area's grid, in the order given, kept in the store.

    What is stored for the same grid and method is used again, what is missing is built, and what
    no field needs is dropped. A stored file that cannot be read is built anew. What changed is
    stored while the weights are used; leaving waits for that, and raises if it failed.
    """
    key = f"weights/{area.name}.npz"
    identity = _identity(area, method)
    hashes = tuple(field.hash(method) for field in fields)
    weights = stored = _unpack(store.get(key), identity)
    if weights is None or weights.hashes != hashes:
        known = weights or build_weights([], area.grid, method)
        built = set(known.hashes)
        new = [f for f, digest in zip(fields, hashes, strict=True) if digest not in built]
        both = _joined(known, build_weights(new, area.grid, method))
        at = {digest: i for i, digest in enumerate(both.hashes)}
        weights = both.subset(np.array([at[digest] for digest in hashes], np.int64))
    with ThreadPoolExecutor(1) as pool:
        storing = (
            pool.submit(_store, store, key, weights, identity) if weights is not stored else None
        )
        yield replace(weights, field_ids=tuple(field.field_id for field in fields))
        if storing is not None:
            storing.result()


def _store(store: Store, key: str, weights: Weights, identity: str) -> None:
    store.put(key, _pack(weights, identity))


def _coverage(polygons: Geometries, grid: GeoBox) -> Iterator[Pixels]:
    extent = grid.boundingbox
    crs = grid.crs.to_wkt()
    nothing = np.broadcast_to(np.int8(0), grid.shape)
    raster = NumPyRasterSource(nothing, *extent.bbox, srs_wkt=crs)
    areas = shapely.area(polygons) / abs(grid.resolution.x * grid.resolution.y)
    bounds = shapely.bounds(polygons)
    within = (bounds[:, :2] >= extent.bbox[:2]).all(1) & (bounds[:, 2:] <= extent.bbox[2:]).all(1)
    for first in range(0, len(polygons), BATCH):
        batch = GeoDataFrame(geometry=polygons[first : first + BATCH], crs=crs)
        cells = exact_extract(raster, batch, ["cell_id", "coverage"], output="pandas")
        for i, cell, coverage in zip(
            range(first, len(polygons)), cells["cell_id"], cells["coverage"], strict=False
        ):
            row, col = (part.astype(np.int32) for part in np.divmod(cell, grid.shape[1]))
            # Summed in pixel order, as the statistics are: a field seen whole is exactly 1.
            total = np.cumsum(coverage)[-1] if within[i] and len(cell) else areas[i]
            yield row, col, coverage.astype(np.float32), total


def _centres(polygons: Geometries, grid: GeoBox) -> Iterator[Pixels]:
    height, width = grid.shape
    to_pixel = ~grid.transform
    for polygon in polygons:
        west, south, east, north = polygon.bounds
        (left, top), (right, bottom) = to_pixel @ (west, north), to_pixel @ (east, south)
        rows, cols = _centres_inside(
            polygon,
            grid.transform,
            range(int(np.floor(top)), int(np.ceil(bottom))),
            range(int(np.floor(left)), int(np.ceil(right))),
        )
        on_grid = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        ones = np.ones(np.count_nonzero(on_grid), np.float32)
        yield rows[on_grid], cols[on_grid], ones, len(rows)


def _centres_inside(
    polygon: BaseGeometry, transform: Affine, rows: range, cols: range
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns, on the grid's lattice without its limits, of the centres inside."""
    step = max(1, STRIP_PIXELS // max(1, len(cols)))
    found_rows, found_cols = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for top in rows[::step]:
        inside = rasterize(
            [polygon],
            out_shape=(min(step, rows.stop - top), max(1, len(cols))),
            transform=transform @ Affine.translation(cols.start, top),
            dtype="uint8",
        )
        row, col = np.nonzero(inside)
        found_rows.append((row + top).astype(np.int32))
        found_cols.append((col + cols.start).astype(np.int32))
    return np.concatenate(found_rows), np.concatenate(found_cols)


def _joined(a: Weights, b: Weights) -> Weights:
    return Weights(
        a.field_ids + b.field_ids,
        a.hashes + b.hashes,
        np.concatenate([a.start, a.start[-1] + b.start[1:]]),
        np.concatenate([a.row, b.row]),
        np.concatenate([a.col, b.col]),
        np.concatenate([a.weight, b.weight]),
        np.concatenate([a.total, b.total]),
    )


def _identity(area: Area, method: ZonalWeights) -> str:
    """What stored weights hold for."""
    return json.dumps(
        [VERSION, method.value, area.crs, list(area.grid.shape), area.grid.transform[:6]]
    )


def _pack(weights: Weights, identity: str) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        identity=np.array(identity),
        hashes=np.array(weights.hashes, dtype="U16"),
        start=weights.start,
        row=weights.row,
        col=weights.col,
        weight=weights.weight,
        total=weights.total,
    )
    return file.getvalue()


def _unpack(data: bytes | None, identity: str) -> Weights | None:
    """Stored weights, or None if there are none, or none that hold for `identity`."""
    if data is None:
        return None
    try:
        with np.load(io.BytesIO(data)) as file:
            if str(file["identity"]) != identity:
                return None
            hashes = tuple(file["hashes"].tolist())
            arrays = (file[name] for name in ("start", "row", "col", "weight", "total"))
            return Weights(hashes, hashes, *arrays)
    except Exception:  # Damage shows as almost any error; what cannot be read is built anew.
        return None
