"""Statistics per field and day: one Parquet file a day, and whether a row of it is stale."""

import datetime as dt
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hydro_pipeline.errors import ConflictError
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.stats.schema import as_rows
from hydro_pipeline.stats.stale import (
    NO_FILE,
    NOT_READABLE,
    DaySummary,
    Wanted,
    row_digests,
    stale_pairs,
)
from hydro_pipeline.storage.keys import stats_day, stats_folder, stats_key
from hydro_pipeline.storage.store import Store

FOOTER_BYTES = 8_192
READ_THREADS = 16
SUMMARY = b"hydro_pipeline"
BROKEN = (pa.ArrowException, OSError, KeyError, ValueError)
"""What pyarrow raises of a file that is not what was written."""


@dataclass(frozen=True)
class DayFile:
    """A day's file as it was read."""

    rows: pa.Table | None
    """None if there is no file, or a broken one: all rows are to be computed."""
    etag: str | None
    broken: str | None = None
    """A sentence on a file that cannot be read."""


def read_day(store: Store, area_name: str, day: dt.date, schema: pa.Schema) -> DayFile:
    """A day's rows in `schema`.

    A statistic that the file has no column of is null; its rows are stale by their hash.
    """
    key = stats_key(area_name, day)
    data, etag = store.get_versioned(key)
    if data is None:
        return DayFile(None, etag)
    try:
        return DayFile(_decode(data, schema), etag)
    except BROKEN as error:
        broken = (
            f"{store.url(key)} is not readable as Parquet ({error}); its rows are computed anew by "
            f"hydro catch-up {area_name}"
        )
        return DayFile(None, etag, broken)


def read_summary(store: Store, area_name: str, day: dt.date, schema: pa.Schema) -> DaySummary:
    """A day's summary from the footer of its file alone; one small request."""
    key = stats_key(area_name, day)
    tail = store.tail(key, FOOTER_BYTES)
    if tail is None:
        return NO_FILE
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        digest, revision = (metadata.metadata or {})[SUMMARY].split(b",")
        return DaySummary(int(digest), int(revision))
    except BROKEN:
        file = read_day(store, area_name, day, schema)
        return NOT_READABLE if file.rows is None else _summary(file.rows)


def is_stale(
    store: Store, area_name: str, wanted: Wanted, day: dt.date, revision: int, schema: pa.Schema
) -> bool:
    """Whether a day's file has a stale or unwanted row; `revision` is the day's in the cube.

    The footer of the file tells; the rows are read only where it does not, while not all fields are
    known.
    """
    if read_summary(store, area_name, day, schema).is_fresh(wanted, day, revision):
        return False
    if wanted.complete:
        return True
    rows = read_day(store, area_name, day, schema).rows
    return bool(stale_pairs(wanted, day, revision, rows))


def write_day(
    store: Store, area_name: str, day: dt.date, file: DayFile, rows: pa.Table, drop: Sequence[str]
) -> None:
    """Put rows into a day's file and take others out, losing no other writer's row.

    `file` is the day as it was read; if it changed since, the change is made on top of what is
    there now. A stored row of the same field_hash and a newer cube_revision is kept.
    """
    key = stats_key(area_name, day)
    current = file

    def attempt() -> None:
        nonlocal current
        try:
            store.put_if(key, _encode(_merge(current.rows, rows, drop)), current.etag)
        except ConflictError:
            current = read_day(store, area_name, day, rows.schema)
            raise

    store.against_others(key, attempt)


def stored_days(
    store: Store, area_name: str, first: dt.date | None = None, last: dt.date | None = None
) -> list[dt.date]:
    """Days that have a file, in order, `first` and `last` included; None is no bound."""
    days = map(stats_day, store.folders(stats_folder(area_name)))
    return [d for d in days if d and (first is None or d >= first) and (last is None or d <= last)]


def read_table(
    store: Store,
    area_name: str,
    days: Sequence[dt.date],
    schema: pa.Schema,
    field_id: str | None = None,
) -> pa.Table:
    """The rows of several days in one table, of one field if `field_id` is given.

    Columns of `schema` with `date` after field_id; ordered by date and field_id. A file that
    cannot be read is left out, with a warning that names it.
    """

    def rows(day: dt.date) -> pa.Table:
        file = read_day(store, area_name, day, schema)
        if file.broken:
            warnings.warn(file.broken, stacklevel=2)
        table = schema.empty_table() if file.rows is None else file.rows
        if field_id is not None:
            table = table.filter(pc.equal(table["field_id"], field_id))
        dates = pa.array([day] * table.num_rows, pa.date32())
        return table.add_column(1, pa.field("date", pa.date32(), nullable=False), dates)

    tables = in_threads(rows, days, READ_THREADS)
    empty = schema.insert(1, pa.field("date", pa.date32(), nullable=False)).empty_table()
    return pa.concat_tables([empty, *tables])


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


def _decode(data: bytes, schema: pa.Schema) -> pa.Table:
    rows = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    return as_rows(rows, schema).combine_chunks()


def _summary(rows: pa.Table) -> DaySummary:
    if rows.num_rows == 0:
        return NO_FILE
    digests = row_digests(rows["field_id"].combine_chunks(), rows["field_hash"].combine_chunks())
    lowest = pc.min(rows["cube_revision"]).as_py()
    return DaySummary(int(np.sum(digests, dtype=np.uint64)), lowest)
