"""How much each pixel of the grid counts in each field: built once, then kept."""

import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa
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
from hydro_pipeline.errors import StoreAccessError
from hydro_pipeline.fields.decode import Geometries
from hydro_pipeline.fields.fields import Field
from hydro_pipeline.fields.file import LONLAT, reprojected
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.kernel import Weights
from hydro_pipeline.storage.keys import weights_key
from hydro_pipeline.storage.store import Store

VERSION = 2
"""Of the stored form, and of the rules that weights are made by."""

DIGEST_BYTES = 32
"""The stored form is an Arrow stream, a row a field, and this much of blake2b after it."""

FEW = 8
"""One field in so many, or fewer, are built anew rather than read with all the others."""

BATCH = 50
"""Fields that are computed and joined together, to bound memory."""

STRIP_PIXELS = 2**24
"""A field's window is rasterized in strips of whole rows of about this many pixels."""

FieldPixels = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], float]
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
    rows, cols, shares = [np.empty(0, np.int32)], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    totals: list[float] = []
    counts = [0]
    # Joined as they come: memory of many small arrays is not always given back.
    for some in itertools.batched(build(polygons, grid), BATCH):
        row, col, weight, total = zip(*some, strict=True)
        rows.append(np.concatenate(row))
        cols.append(np.concatenate(col))
        shares.append(np.concatenate(weight))
        totals += total
        counts += map(len, row)
    return Weights(
        tuple(field.field_id for field in fields),
        tuple(field.hash(method) for field in fields),
        np.cumsum(counts, dtype=np.int64),
        _emptied(rows),
        _emptied(cols),
        _emptied(shares),
        np.array(totals, np.float64),
    )


def _emptied[T: np.generic](arrays: list[NDArray[T]]) -> NDArray[T]:
    """The arrays as one; the list lets go of them."""
    joined = np.concatenate(arrays)
    arrays.clear()
    return joined


class FieldWeights:
    """The weights of `fields` on the area's grid, kept in the store; for several threads.

    Those of a few late fields are built where they are needed. For more, what is stored for the
    same grid and method is used again, what is missing is built, and what no field needs is
    dropped; a stored file that cannot be read is built anew. What changed is stored while the
    weights are used; leaving waits for that, and raises if it failed.
    """

    def __init__(
        self, store: Store, area: Area, fields: Sequence[Field], method: ZonalWeights
    ) -> None:
        self._store, self._area, self._fields, self._method = store, area, fields, method
        self._lock = threading.Lock()
        self._kept: Weights | None = None
        self._storing: Future[None] | None = None

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if self._storing is not None and kind is None:
            self._storing.result()

    def of(self, index: NDArray[np.int64]) -> Weights:
        """The weights of the fields at the positions `index`, in that order."""
        if len(index) * FEW <= len(self._fields):
            return build_weights([self._fields[i] for i in index], self._area.grid, self._method)
        return self.kept().subset(index)

    def kept(self) -> Weights:
        """The weights of all fields, in their order."""
        with self._lock:
            if self._kept is None:
                key = weights_key(self._area.name)
                identity = _identity(self._area, self._method)
                stored = _unpack(self._store.get(key), identity)
                found = _completed(stored, self._area, self._fields, self._method)
                if found is not stored:
                    self._storing = self._pool.submit(self._keep, key, _pack(found, identity))
                ids = tuple(field.field_id for field in self._fields)
                self._kept = replace(found, field_ids=ids)
            return self._kept

    def _keep(self, key: str, data: bytes) -> None:
        with contextlib.suppress(StoreAccessError):  # Reading needs no right to write.
            self._store.put(key, data)


def _completed(
    stored: Weights | None, area: Area, fields: Sequence[Field], method: ZonalWeights
) -> Weights:
    """`stored` itself if it is what the fields need; else what is there, and the rest built."""
    hashes = tuple(field.hash(method) for field in fields)
    if stored is not None and stored.hashes == hashes:
        return stored
    built = set(stored.hashes) if stored else set()
    new = [f for f, digest in zip(fields, hashes, strict=True) if digest not in built]
    more = build_weights(new, area.grid, method)
    both = _joined(stored, more) if stored else more
    at = {digest: i for i, digest in enumerate(both.hashes)}
    return both.subset(np.array([at[digest] for digest in hashes], np.int64))


def _coverage(polygons: Geometries, grid: GeoBox) -> Iterator[FieldPixels]:
    extent = grid.boundingbox
    assert grid.crs is not None
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


def _centres(polygons: Geometries, grid: GeoBox) -> Iterator[FieldPixels]:
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
    def lists(values: NDArray[np.generic]) -> pa.Array:
        return pa.LargeListArray.from_arrays(weights.start, values)

    table = pa.table(
        {
            "hash": pa.array(weights.hashes, pa.string()),
            "total": pa.array(weights.total),
            "row": lists(weights.row),
            "col": lists(weights.col),
            "weight": lists(weights.weight),
        },
        metadata={"identity": identity},
    )
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    stored: bytes = sink.getvalue().to_pybytes()
    return stored + _digest(stored)


def _unpack(data: bytes | None, identity: str) -> Weights | None:
    """Stored weights, or None if there are none, or none that hold for `identity`."""
    if data is None:
        return None
    stored = memoryview(data)[:-DIGEST_BYTES]
    if _digest(stored) != data[-DIGEST_BYTES:]:
        return None
    table = pa.ipc.open_stream(pa.py_buffer(stored)).read_all()
    if table.schema.metadata[b"identity"].decode() != identity:
        return None
    hashes = tuple(table["hash"].to_pylist())
    rows, cols, shares = (table[name].combine_chunks() for name in ("row", "col", "weight"))
    start = rows.offsets.to_numpy() if len(rows) else np.zeros(1, np.int64)
    row, col, weight = (lists.values.to_numpy() for lists in (rows, cols, shares))
    return Weights(hashes, hashes, start, row, col, weight, table["total"].to_numpy())


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
