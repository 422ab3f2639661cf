"""Bring a range of days' statistics up to date: compute the stale rows, drop the unwanted."""

import datetime as dt
import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.product import Product
from hydro_pipeline.stats.kernel import NEVER_OBSERVED, Summary
from hydro_pipeline.stats.sample import AlikeDays, Amount, Samplers
from hydro_pipeline.stats.schema import schema_of, to_rows
from hydro_pipeline.stats.stale import Displaced, StalePairs, Wanted, stale_pairs
from hydro_pipeline.stats.table import read_day, write_day
from hydro_pipeline.stats.weights import FieldWeights
from hydro_pipeline.storage.notes import Step, noting
from hydro_pipeline.storage.store import Store

RUNS_AT_ONCE = 8
"""Runs of days with the same pixels that are worked on at once."""
SAMPLES_BYTES = 8 << 20
"""Memory for the pixels of such runs; the pixels of one run may take more."""
ROWS = 16_384
"""Rows of one such run that are held in memory at once: files of that many wanted rows."""
REQUESTS = 16
"""Files that are read or written at once."""
CHUNKS = 6
"""Chunks of the cube that are read at once: each is held as it was stored and as pixels."""


@dataclass(frozen=True)
class StatsReport:
    """What was done for one day."""

    area: str
    day: dt.date
    product: Product
    """What was measured."""
    computed: tuple[str, ...]
    """field_ids of the rows computed."""
    dropped: int
    """Rows taken out."""
    displaced: tuple[Displaced, ...]
    """The rows that were taken out, or made anew for another season."""
    fields: int
    """Fields that are planted on that day."""
    chunks_read: int
    """Chunks of the cube that were read."""
    bytes_read: int
    """Size of these chunks in memory, bytes."""
    seconds: float


@dataclass(frozen=True)
class StatsUpdate:
    """One update of one area's statistics from one state of its cube."""

    store: Store
    cube: Cube
    wanted: Wanted
    weights: FieldWeights
    """Of the wanted fields, in the same order."""
    now: dt.datetime
    """Goes into `computed_at`."""
    anew: bool = False
    """Whether rows are computed that seem to be up to date too."""

    def run(self, days: Sequence[dt.date]) -> Iterator[StatsReport]:
        """Update the days, several at a time; reports come in order. Memory does not grow with
        the number of days. Raises `MissingDayError` before any work if a day is not in the cube,
        and `DamagedCubeError` after all other days if one cannot be read. A day that fails has a
        note then.
        """
        alike = self.cube.alike(days)
        damaged: list[DamagedCubeError] = []
        with (
            ThreadPoolExecutor(REQUESTS) as requests,
            ThreadPoolExecutor(CHUNKS) as chunks,
            ThreadPoolExecutor(RUNS_AT_ONCE) as pool,
        ):
            requests.map(self.cube.prefetch, days[:1])

            def updates(days: Sequence[dt.date]) -> list[StatsReport]:
                pixels = AlikeDays(self._samplers, chunks.map)
                return self._updates(days, pixels, requests, damaged)

            for reports in pool.map(updates, alike):
                yield from reports
        if damaged:
            raise min(damaged, key=lambda error: error.day or days[0])

    def current(self, day: dt.date, rows: pa.Table) -> NDArray[np.int64]:
        """Positions of the fields whose row among a day's `rows` is up to date."""
        stale = stale_pairs(self.wanted, day, self.cube.revisions[day], rows)
        return np.setdiff1d(np.flatnonzero(self.wanted.on(day)), stale.compute)

    def rows(self, day: dt.date, index: NDArray[np.int64]) -> pa.Table:
        """The rows of the fields at the positions `index`, computed from the cube."""
        return self._rows(day, index, AlikeDays(self._samplers, map).under(day, index))

    @cached_property
    def _schema(self) -> pa.Schema:
        return schema_of(self.cube.product)

    @cached_property
    def _samplers(self) -> Samplers:
        return Samplers(self.cube, self.weights.of, SAMPLES_BYTES)

    def _updates(
        self,
        days: Sequence[dt.date],
        pixels: AlikeDays,
        requests: ThreadPoolExecutor,
        damaged: list[DamagedCubeError],
    ) -> list[StatsReport]:
        """Days with the same pixels, which are read once as long as the same fields need them."""
        area = self.cube.area_name
        held = max(1, ROWS // max(1, len(self.wanted.planted)))
        reports: list[StatsReport] = []
        for some in itertools.batched(days, held):
            started = time.perf_counter()
            writing: list[tuple[dt.date, Future[None]]] = []
            files = [requests.submit(read_day, self.store, area, day, self._schema) for day in some]
            for day, reading in zip(some, files, strict=True):
                before = pixels.read
                try:
                    with noting(self.store, area, day, Step.STATISTICS):
                        file = reading.result()
                        known = None if self.anew else file.rows
                        stale = stale_pairs(self.wanted, day, self.cube.revisions[day], known)
                        if stale or file.broken:
                            rows = self._rows(day, stale.compute, pixels.under(day, stale.compute))
                            put = self.store, area, day, file, rows, stale.drop
                            writing.append((day, requests.submit(write_day, *put)))
                except DamagedCubeError as error:
                    damaged.append(error)
                    continue
                reports.append(self._report(day, stale, pixels.read - before, started))
                started = time.perf_counter()
            for day, written in writing:
                with noting(self.store, area, day, Step.STATISTICS):
                    written.result()
        return reports

    def _report(self, day: dt.date, stale: StalePairs, read: Amount, started: float) -> StatsReport:
        return StatsReport(
            self.cube.area_name,
            day,
            self.cube.product,
            tuple(self.wanted.field_ids.take(pa.array(stale.compute)).to_pylist()),
            len(stale.drop),
            stale.displaced,
            int(self.wanted.on(day).sum()),
            read.chunks,
            read.bytes,
            time.perf_counter() - started,
        )

    def _rows(self, day: dt.date, index: NDArray[np.int64], summary: Summary) -> pa.Table:
        columns = summary.on(day_number(day))
        planted = self.wanted.planted[index]
        last = columns["last_observed"]
        count = len(index)
        return to_rows(
            {
                **columns,
                "field_id": self.wanted.field_ids.take(pa.array(index)),
                "field_hash": self.wanted.hashes.take(pa.array(index)),
                "planting_date": pa.array(planted.astype(np.int32)).cast(pa.date32()),
                "days_after_planting": day_number(day) - planted,
                "last_observed": pa.array(last.astype(np.int32), mask=last == NEVER_OBSERVED).cast(
                    pa.date32()
                ),
                "cube_revision": np.full(count, self.cube.revisions[day], np.int32),
                "computed_at": pa.array([self.now] * count, pa.timestamp("us", tz="UTC")),
            },
            self._schema,
        )
