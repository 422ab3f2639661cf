"""How much each pixel of the grid counts in each field: built once, then kept."""

import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import StoreAccessError
from hydro_pipeline.fields.fields import Field
from hydro_pipeline.fields.file import LONLAT, reprojected
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.coverage import BATCH, centred, covered
from hydro_pipeline.stats.runs import Runs, Weights
from hydro_pipeline.storage.keys import weights_key
from hydro_pipeline.storage.store import Store

VERSION = 3
"""Of the stored form, and of the rules that weights are made by."""

DIGEST_BYTES = 32
"""The stored form is an Arrow stream, a row a field, and this much of blake2b after it."""

FEW = 8
"""One field in so many, or fewer, are built anew rather than read with all the others."""


def build_weights(fields: Sequence[Field], grid: GeoBox, method: ZonalWeights) -> Weights:
    """The weights of `fields` on a north-up `grid`, in the order given.

    `coverage`: the fraction of a pixel that the polygon covers, by exactextract. `centre`: 1 for
    each pixel whose centre GDAL finds inside, as rasterstats does; a sliver may have none.
    Polygons are moved to the grid's CRS by their vertices. Every field is computed by itself.
    """
    polygons = reprojected(
        np.array([field.geometry for field in fields], dtype=object), LONLAT, str(grid.crs)
    )
    build = covered if method is ZonalWeights.COVERAGE else centred
    runs: list[Runs] = []
    totals: list[float] = []
    counts = [0]
    # Joined as they come: memory of many small arrays is not always given back.
    for some in itertools.batched(build(polygons, grid), BATCH):
        own, total = zip(*some, strict=True)
        totals += total
        counts += [len(of.row) for of in own]
        runs.append(Runs.joined(list(own)))
    return Weights(
        tuple(field.field_id for field in fields),
        tuple(field.hash(method) for field in fields),
        np.cumsum(counts, dtype=np.int64),
        Runs.joined(runs),
        np.array(totals, np.float64),
    )


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


def _joined(a: Weights, b: Weights) -> Weights:
    return Weights(
        a.field_ids + b.field_ids,
        a.hashes + b.hashes,
        np.concatenate([a.start, a.start[-1] + b.start[1:]]),
        Runs.joined([a.runs, b.runs]),
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
            **{name: lists(column) for name, column in weights.runs._asdict().items()},
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
    lists = [table[name].combine_chunks() for name in Runs._fields]
    start = lists[0].offsets.to_numpy() if len(lists[0]) else np.zeros(1, np.int64)
    runs = Runs(*(of.values.to_numpy() for of in lists))
    return Weights(hashes, hashes, start, runs, table["total"].to_numpy())


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
