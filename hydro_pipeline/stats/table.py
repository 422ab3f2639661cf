"""Statistics per field and day: one Parquet file a day, and which of its rows are stale."""

import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hydro_pipeline.errors import ConflictError, StoredObjectError
from hydro_pipeline.fields.fields import Field
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.storage.store import Store

SCHEMA = pa.schema(
    [
        pa.field("field_id", pa.string(), nullable=False),
        pa.field("planting_date", pa.date32(), nullable=False),
        pa.field("days_after_planting", pa.int32(), nullable=False),
        *(
            pa.field(f"ndvi_{name}", pa.float64())
            for name in ("mean", "median", "std", "min", "max", "p10", "p90")
        ),
        pa.field("pixel_count", pa.float64(), nullable=False),
        pa.field("valid_fraction", pa.float64()),
        pa.field("observed_fraction", pa.float64()),
        pa.field("age_mean_days", pa.float64()),
        pa.field("age_max_days", pa.int32()),
        pa.field("last_observed", pa.date32()),
        pa.field("field_hash", pa.string(), nullable=False),
        pa.field("cube_revision", pa.int32(), nullable=False),
        pa.field("computed_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""Columns of a day's file, sorted by field_id. Statistics of nothing are null."""

FOOTER_BYTES = 8_192
READ_THREADS = 16
SUMMARY = b"hydro_pipeline"


def stats_key(area_name: str, day: dt.date) -> str:
    """Where a day's statistics are, under the root."""
    return f"field_stats/area={area_name}/date={day}/part-0.parquet"


@dataclass(frozen=True)
class Wanted:
    """The rows that should exist: fields in order of field_id, with what makes a row fresh."""

    field_ids: pa.Array
    """Strings, sorted, unique."""
    hashes: pa.Array
    """`Field.hash` of each."""
    planted: NDArray[np.int32]
    """Planting date of each, days since 1970-01-01."""
    complete: bool = True
    """False if a fields file could not be read: rows of other fields may then be wanted too."""

    @classmethod
    def of(cls, fields: Sequence[Field], weights: ZonalWeights, complete: bool = True) -> "Wanted":
        """What the fields want, under one way of weighting pixels."""
        ordered = sorted(fields, key=lambda f: f.field_id)
        epoch = dt.date(1970, 1, 1)
        return cls(
            pa.array([f.field_id for f in ordered], pa.string()),
            pa.array([f.hash(weights) for f in ordered], pa.string()),
            np.array([(f.planting_date - epoch).days for f in ordered], np.int32),
            complete,
        )

    def on(self, day: dt.date) -> NDArray[np.bool_]:
        """Which fields are planted on or before `day`."""
        return self.planted <= (day - dt.date(1970, 1, 1)).days

    def digest(self, day: dt.date) -> int:
        """Digest of the rows that should exist on `day`; see `DaySummary.digest`."""
        order, cumulative = self._cumulative
        count = np.searchsorted(order, (day - dt.date(1970, 1, 1)).days, side="right")
        return int(cumulative[count])

    @cached_property
    def _cumulative(self) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        by_planting = np.argsort(self.planted, kind="stable")
        digests = _digests(self.field_ids, self.hashes)[by_planting]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(digests, dtype=np.uint64)])
        return self.planted[by_planting], sums


@dataclass(frozen=True)
class DaySummary:
    """What the footer of a day's file says of its rows, enough to tell whether any is stale."""

    digest: int
    """Sum modulo 2**64 of one hash for each row's (field_id, field_hash)."""
    revision: int
    """Lowest cube_revision of the rows; the highest int32 where there are none."""
    rows: int
    """Number of rows."""

    def is_fresh(self, wanted: Wanted, day: dt.date, revision: int) -> bool:
        """True if the file holds exactly the wanted rows of `day` at `revision` or newer."""
        return self.digest == wanted.digest(day) and self.revision >= revision


NO_FILE = DaySummary(0, np.iinfo(np.int32).max, 0)
"""Summary of a day without a file: fresh exactly while no field is wanted."""


@dataclass(frozen=True)
class StalePairs:
    """What one day's file needs."""

    compute: NDArray[np.int64]
    """Positions in `Wanted` of the fields whose row is missing or stale."""
    drop: tuple[str, ...]
    """field_ids of the rows that should not be there."""

    def __bool__(self) -> bool:
        return bool(len(self.compute) or self.drop)


def stale_pairs(wanted: Wanted, day: dt.date, revision: int, rows: pa.Table | None) -> StalePairs:
    """Which rows of one day are stale, and which should not be there.

    A wanted row (planting_date <= day) is stale if it is missing, its field_hash is not the
    field's, or its cube_revision is older than `revision`, the day's. A row should not be there if
    its field is gone or not planted yet; while not all fields are known, none counts as gone. Pure.
    """
    planted = np.flatnonzero(wanted.on(day))
    if rows is None or rows.num_rows == 0:
        return StalePairs(planted, ())
    stored_ids = rows["field_id"].combine_chunks()
    wanted_ids = wanted.field_ids.take(pa.array(planted))
    position = pc.index_in(wanted_ids, value_set=stored_ids)
    same_hash = pc.equal(
        rows["field_hash"].combine_chunks().take(position), wanted.hashes.take(pa.array(planted))
    )
    new_enough = pc.greater_equal(rows["cube_revision"].combine_chunks().take(position), revision)
    fresh = pc.fill_null(pc.and_(same_hash, new_enough), False).to_numpy(zero_copy_only=False)
    unwanted = pc.invert(pc.is_in(stored_ids, value_set=wanted_ids))
    if not wanted.complete:
        unwanted = pc.and_(unwanted, pc.is_in(stored_ids, value_set=wanted.field_ids))
    return StalePairs(planted[~fresh], tuple(stored_ids.filter(unwanted).to_pylist()))


@dataclass(frozen=True)
class DayFile:
    """A day's file as it was read."""

    rows: pa.Table | None
    etag: str | None


def read_day(store: Store, area_name: str, day: dt.date) -> DayFile:
    """A day's rows, None if there is no file. Raises `StoredObjectError` if it is broken."""
    key = stats_key(area_name, day)
    data, etag = store.get_versioned(key)
    return DayFile(None if data is None else _decode(store.url(key), data), etag)


def read_summary(store: Store, area_name: str, day: dt.date) -> DaySummary:
    """A day's summary from the footer of its file alone; one small request."""
    key = stats_key(area_name, day)
    tail = store.tail(key, FOOTER_BYTES)
    if tail is None:
        return NO_FILE
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        digest, revision = (metadata.metadata or {})[SUMMARY].split(b",")
        return DaySummary(int(digest), int(revision), metadata.num_rows)
    except (pa.ArrowInvalid, OSError, KeyError, ValueError):
        return _summary(_decode(store.url(key), store.get(key) or b""))


def write_day(
    store: Store, area_name: str, day: dt.date, file: DayFile, rows: pa.Table, drop: Sequence[str]
) -> None:
    """Put rows into a day's file and take others out, losing no other writer's row.

    `file` is the day as it was read; if it changed since, the change is made on top of what is
    there now. A stored row of the same field_hash and a newer cube_revision is kept.
    """
    key = stats_key(area_name, day)
    current = file
    for _ in range(100):
        merged = _merge(current.rows, rows, drop)
        try:
            store.put_if(key, _encode(merged), current.etag)
        except ConflictError:
            current = read_day(store, area_name, day)
        else:
            return
    raise ConflictError(f"{store.url(key)} is changed by others without end; try again later")


def stored_days(store: Store, area_name: str) -> list[dt.date]:
    """Days that have a file, in order."""
    folders = store.folders(f"field_stats/area={area_name}")
    return [dt.date.fromisoformat(name.removeprefix("date=")) for name in folders]


def read_table(
    store: Store, area_name: str, days: Sequence[dt.date], field_id: str | None = None
) -> pa.Table:
    """The rows of several days in one table, of one field if `field_id` is given.

    Columns of `SCHEMA` with `date` after field_id; ordered by date and field_id.
    """

    def rows(day: dt.date) -> pa.Table:
        table = read_day(store, area_name, day).rows
        table = SCHEMA.empty_table() if table is None else table
        if field_id is not None:
            table = table.filter(pc.equal(table["field_id"], field_id))
        dates = pa.array([day] * table.num_rows, pa.date32())
        return table.add_column(1, pa.field("date", pa.date32(), nullable=False), dates)

    with ThreadPoolExecutor(READ_THREADS) as pool:
        tables = list(pool.map(rows, days))
    empty = SCHEMA.insert(1, pa.field("date", pa.date32(), nullable=False)).empty_table()
    return pa.concat_tables([empty, *tables])


def to_rows(columns: dict[str, Any]) -> pa.Table:
    """A table in `SCHEMA` from one array for each column; NaN becomes null."""
    arrays = [
        pa.array(columns[f.name], f.type, from_pandas=True)
        if not isinstance(columns[f.name], pa.Array)
        else columns[f.name]
        for f in SCHEMA
    ]
    return pa.table(arrays, SCHEMA)


def _merge(stored: pa.Table | None, rows: pa.Table, drop: Sequence[str]) -> pa.Table:
    if stored is None:
        return rows.sort_by("field_id")
    position = pc.index_in(rows["field_id"], value_set=stored["field_id"].combine_chunks())
    position = position.combine_chunks() if isinstance(position, pa.ChunkedArray) else position
    outdated = pc.and_(
        pc.equal(stored["field_hash"].combine_chunks().take(position), rows["field_hash"]),
        pc.greater(stored["cube_revision"].combine_chunks().take(position), rows["cube_revision"]),
    )
    rows = rows.filter(pc.invert(pc.fill_null(outdated, False)))
    gone = pa.concat_arrays([rows["field_id"].combine_chunks(), pa.array(list(drop), pa.string())])
    kept = stored.filter(pc.invert(pc.is_in(stored["field_id"], value_set=gone)))
    return pa.concat_tables([kept, rows]).sort_by("field_id")


def _encode(rows: pa.Table) -> bytes:
    summary = _summary(rows)
    rows = rows.replace_schema_metadata({SUMMARY: f"{summary.digest},{summary.revision}"})
    sink = io.BytesIO()
    pq.write_table(rows.combine_chunks(), sink, compression="snappy", use_dictionary=False)
    return sink.getvalue()


def _decode(url: str, data: bytes) -> pa.Table:
    try:
        rows = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        return rows.select(SCHEMA.names).cast(SCHEMA).combine_chunks()
    except (pa.ArrowInvalid, KeyError, OSError, ValueError) as error:
        raise StoredObjectError(
            f"{url} is not readable as Parquet ({error}); remove it and its day is computed anew"
        ) from None


def _summary(rows: pa.Table) -> DaySummary:
    if rows.num_rows == 0:
        return NO_FILE
    digests = _digests(rows["field_id"].combine_chunks(), rows["field_hash"].combine_chunks())
    lowest = pc.min(rows["cube_revision"]).as_py()
    return DaySummary(int(np.sum(digests, dtype=np.uint64)), lowest, rows.num_rows)


def _digests(field_ids: pa.Array, hashes: pa.Array) -> NDArray[np.uint64]:
    joined = pc.binary_join_element_wise(field_ids, hashes, "\0").to_pylist()
    return np.array([_digest(text) for text in joined], np.uint64)


@lru_cache(65_536)  # The rows of a field are alike from day to day.
def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
