"""Which rows of statistics are stale: the one rule. Pure."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hydro_pipeline.days import day_number
from hydro_pipeline.product import PRODUCT

VERSION_0_1_0 = "1-906a9685"
"""`Product.version` of the rows made by 0.1.0, whose hashes do not tell it."""

Planted = tuple[str, dt.date, str]
"""A field's id, its planting date, and a hash that changes when its statistics may change."""


@dataclass(frozen=True)
class Wanted:
    """The rows that should exist: fields in order of field_id, with what makes a row fresh."""

    field_ids: pa.Array
    """Strings, sorted, unique."""
    hashes: pa.Array
    """`row_hash` of each."""
    planted: NDArray[np.int32]
    """Planting date of each, days since 1970-01-01."""
    complete: bool = True
    """False if a fields file could not be read: rows of other fields may then be wanted too."""

    @classmethod
    def of(cls, fields: Iterable[Planted], complete: bool = True) -> "Wanted":
        """What the fields want, each of another id."""
        ordered = sorted(fields)
        return cls(
            pa.array([field_id for field_id, _, _ in ordered], pa.string()),
            pa.array([row_hash(digest, PRODUCT.version) for _, _, digest in ordered], pa.string()),
            np.array([day_number(planted) for _, planted, _ in ordered], np.int32),
            complete,
        )

    def on(self, day: dt.date) -> NDArray[np.bool_]:
        """Which fields are planted on or before `day`."""
        return self.planted <= day_number(day)

    def digest(self, day: dt.date) -> int:
        """Digest of the rows that should exist on `day`; see `DaySummary.digest`."""
        order, cumulative = self._cumulative
        count = np.searchsorted(order, day_number(day), side="right")
        return int(cumulative[count])

    @cached_property
    def _cumulative(self) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        by_planting = np.argsort(self.planted, kind="stable")
        digests = row_digests(self.field_ids, self.hashes)[by_planting]
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

NOT_READABLE = DaySummary(0, -1, 0)
"""Summary of a day whose file cannot be read: never fresh."""


@dataclass(frozen=True)
class StalePairs:
    """What one day's file needs."""

    compute: NDArray[np.int64]
    """Positions in `Wanted` of the fields whose row is missing or stale."""
    drop: tuple[str, ...]
    """field_ids of the rows that should not be there."""

    def __bool__(self) -> bool:
        return bool(len(self.compute) or self.drop)


def row_hash(field_hash: str, version: str) -> str:
    """16 hexadecimal digits that change with a field's hash or the statistics' version."""
    if version == VERSION_0_1_0:
        return field_hash
    return hashlib.sha256(f"{field_hash} {version}".encode()).hexdigest()[:16]


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


def row_digests(field_ids: pa.Array, hashes: pa.Array) -> NDArray[np.uint64]:
    """(row,): a digest of each row's field_id and field_hash; see `DaySummary.digest`."""
    joined = pc.binary_join_element_wise(field_ids, hashes, "\0").to_pylist()
    return np.array([_digest(text) for text in joined], np.uint64)


@lru_cache(65_536)  # The rows of a field are alike from day to day.
def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
