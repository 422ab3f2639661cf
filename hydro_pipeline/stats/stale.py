"""Which rows of statistics are stale: the one rule. Pure."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hydro_pipeline.days import day_number, number_day
from hydro_pipeline.fields.seasons import ends

VERSION_0_1_0 = "1-906a9685"
"""`Product.version` of the rows made by 0.1.0, whose hashes do not tell it."""

NEVER = int(np.iinfo(np.int32).max)
"""A day that no season lasts to."""

Planted = tuple[str, dt.date, str]
"""A field's id, a planting date, and a hash that changes when its statistics may change."""


@dataclass(frozen=True)
class Wanted:
    """The rows that should exist: the seasons of fields, with what makes a row fresh.

    In order of field_id and planting date; on any day, at most one season of a field runs.
    """

    field_ids: pa.Array
    """Strings, sorted; a field has one for each of its plantings."""
    hashes: pa.Array
    """`row_hash` of each."""
    planted: NDArray[np.int32]
    """Planting date of each, days since 1970-01-01."""
    ended: NDArray[np.int32]
    """First day of each that belongs to the field's next season; the highest int32: none does."""
    complete: bool = True
    """False if a file or a feature of it could not be read: other rows may then be wanted too."""

    @classmethod
    def of(cls, fields: Iterable[Planted], version: str, complete: bool = True) -> "Wanted":
        """What the fields want, each of another id or planting date; `version` is the product's."""
        ordered = sorted(fields)
        last_days = ends([(field_id, planted) for field_id, planted, _ in ordered])
        return cls(
            pa.array([field_id for field_id, _, _ in ordered], pa.string()),
            pa.array([row_hash(digest, version) for _, _, digest in ordered], pa.string()),
            np.array([day_number(planted) for _, planted, _ in ordered], np.int32),
            np.array([NEVER if d is None else day_number(d) + 1 for d in last_days], np.int32),
            complete,
        )

    def on(self, day: dt.date) -> NDArray[np.bool_]:
        """Which seasons run on `day`."""
        return (self.planted <= day_number(day)) & (day_number(day) < self.ended)

    def nearest(self, field_id: str, day: dt.date) -> dt.date | None:
        """The planting date of a field that is nearest to `day`; None if it has none."""
        first, after = self._places.get(field_id, (0, 0))
        numbers = self.planted[first:after]
        if not len(numbers):
            return None
        return number_day(numbers[np.argmin(np.abs(numbers - day_number(day)))])

    def digest(self, day: dt.date) -> int:
        """Digest of the rows that should exist on `day`; see `DaySummary.digest`."""
        begun, ended = (
            int(sums[np.searchsorted(days, day_number(day), side="right")])
            for days, sums in self._cumulative
        )
        return (begun - ended) % 2**64

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        for i, field_id in enumerate(self.field_ids.to_pylist()):
            places[field_id] = places.get(field_id, (i, i))[0], i + 1
        return places

    @cached_property
    def _cumulative(self) -> list[tuple[NDArray[np.int32], NDArray[np.uint64]]]:
        """Days on which seasons begin and end, in order, each with the sums of their digests."""
        digests = row_digests(self.field_ids, self.hashes)
        found = []
        for days in (self.planted, self.ended):
            order = np.argsort(days, kind="stable")
            sums = np.cumsum(digests[order], dtype=np.uint64)
            found.append((days[order], np.concatenate([np.zeros(1, np.uint64), sums])))
        return found


@dataclass(frozen=True)
class DaySummary:
    """What the footer of a day's file says of its rows, enough to tell whether any is stale."""

    digest: int
    """Sum modulo 2**64 of one hash for each row's (field_id, field_hash)."""
    revision: int
    """Lowest cube_revision of the rows; the highest int32 where there are none."""

    def is_fresh(self, wanted: Wanted, day: dt.date, revision: int) -> bool:
        """True if the file holds exactly the wanted rows of `day` at `revision` or newer."""
        return self.digest == wanted.digest(day) and self.revision >= revision


NO_FILE = DaySummary(0, np.iinfo(np.int32).max)
"""Summary of a day without a file: fresh exactly while no field is wanted."""

NOT_READABLE = DaySummary(0, -1)
"""Summary of a day whose file cannot be read: never fresh."""


class Displaced(NamedTuple):
    """A row of a season that does not run on the row's day any more."""

    field_id: str
    planted: dt.date
    """Planting date of the row's season."""
    became: dt.date | None
    """The field's planting date nearest to it now; itself if it is still one; None: none."""
    dropped: bool
    """False where the row of another season takes its place."""


@dataclass(frozen=True)
class StalePairs:
    """What one day's file needs."""

    compute: NDArray[np.int64]
    """Positions in `Wanted` of the seasons whose row is missing or stale."""
    drop: tuple[str, ...]
    """field_ids of the rows that should not be there."""
    displaced: tuple[Displaced, ...] = ()
    """The rows that go: those that `drop` names, and those whose season another takes over."""

    def __bool__(self) -> bool:
        return bool(len(self.compute) or self.drop)


def row_hash(field_hash: str, version: str) -> str:
    """16 hexadecimal digits that change with a field's hash or the statistics' version."""
    if version == VERSION_0_1_0:
        return field_hash
    return hashlib.sha256(f"{field_hash} {version}".encode()).hexdigest()[:16]


def stale_pairs(wanted: Wanted, day: dt.date, revision: int, rows: pa.Table | None) -> StalePairs:
    """Which rows of one day are stale, and which should not be there.

    A wanted row (of the season that runs on the day) is stale if it is missing, its field_hash is
    not the season's, or its cube_revision is older than `revision`, the day's. A row should not be
    there if its field is gone or not planted yet; while not all fields are known, none counts as
    gone. Pure.
    """
    running = np.flatnonzero(wanted.on(day))
    if rows is None or rows.num_rows == 0:
        return StalePairs(running, ())
    stored_ids, planted = (rows[n].combine_chunks() for n in ("field_id", "planting_date"))
    wanted_ids = wanted.field_ids.take(pa.array(running))
    position = pc.index_in(wanted_ids, value_set=stored_ids)
    same_hash = pc.equal(
        rows["field_hash"].combine_chunks().take(position), wanted.hashes.take(pa.array(running))
    )
    new_enough = pc.greater_equal(rows["cube_revision"].combine_chunks().take(position), revision)
    fresh = pc.fill_null(pc.and_(same_hash, new_enough), False).to_numpy(zero_copy_only=False)
    season = pa.array(wanted.planted[running]).cast(pa.date32())
    taken_over = position.filter(pc.fill_null(pc.not_equal(planted.take(position), season), False))
    unwanted = pc.invert(pc.is_in(stored_ids, value_set=wanted_ids))
    if not wanted.complete:
        unwanted = pc.and_(unwanted, False)
    drop = stored_ids.filter(unwanted).to_pylist()
    displaced = [
        *_displaced(wanted, drop, planted.filter(unwanted), dropped=True),
        *_displaced(wanted, stored_ids.take(taken_over).to_pylist(), planted.take(taken_over)),
    ]
    return StalePairs(running[~fresh], tuple(drop), tuple(displaced))


def _displaced(
    wanted: Wanted, field_ids: Sequence[str], planted: pa.Array, *, dropped: bool = False
) -> Iterator[Displaced]:
    for field_id, day in zip(field_ids, planted.to_pylist(), strict=True):
        yield Displaced(field_id, day, wanted.nearest(field_id, day), dropped)


def row_digests(field_ids: pa.Array, hashes: pa.Array) -> NDArray[np.uint64]:
    """(row,): a digest of each row's field_id and field_hash; see `DaySummary.digest`."""
    joined = pc.binary_join_element_wise(field_ids, hashes, "\0").to_pylist()
    return np.array([_digest(text) for text in joined], np.uint64)


@lru_cache(65_536)  # The rows of a field are alike from day to day.
def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
