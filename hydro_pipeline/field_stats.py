"""Bring a range of days' statistics up to date: compute the stale rows, drop the unwanted."""

import datetime as dt
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hydro_pipeline.cube import Cube, day_number
from hydro_pipeline.sample import Sample, Sampler
from hydro_pipeline.stats import StalePairs, Wanted, read_day, stale_pairs, to_rows, write_day
from hydro_pipeline.store import Store
from hydro_pipeline.zonal import Weights, load_kernel, statistics

THREADS = 8
"""Runs of days with the same pixels that are worked on at once."""
FILES = 4
"""Days of one such run whose files are held in memory at once."""
REQUESTS = 16
"""Requests that wait for the store at once."""


@dataclass(frozen=True)
class StatsReport:
    """What was done for one day."""

    area: str
    day: dt.date
    computed: tuple[str, ...]
    """field_ids of the rows computed."""
    dropped: int
    """Rows taken out."""
    fields: int
    """Fields planted by that day."""
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
    weights: Weights
    """Of the wanted fields, in the same order."""
    now: dt.datetime
    """Goes into `computed_at`."""

    def run(self, days: Sequence[dt.date]) -> Iterator[StatsReport]:
        """Update the days, several at a time; reports come in order. Memory does not grow with
        the number of days. Raises `MissingDayError` before any work if a day is not in the cube.
        """
        alike = self.cube.alike(days)
        subsets = _Subsets(self.cube, self.weights)
        with ThreadPoolExecutor(REQUESTS) as requests, ThreadPoolExecutor(THREADS) as pool:
            requests.submit(load_kernel)
            for reports in pool.map(lambda days: self._updates(days, subsets, requests), alike):
                yield from reports

    def _updates(
        self, days: Sequence[dt.date], subsets: "_Subsets", requests: ThreadPoolExecutor
    ) -> list[StatsReport]:
        """Days with the same pixels, which are read once as long as the same fields need them."""
        area = self.cube.area_name
        reports: list[StatsReport] = []
        key, sample = b"", None
        for some in itertools.batched(days, FILES):
            started = time.perf_counter()
            writing = []
            for day, file in zip(
                some, requests.map(lambda day: read_day(self.store, area, day), some), strict=True
            ):
                stale = stale_pairs(self.wanted, day, self.cube.revisions[day], file.rows)
                chunks_read = bytes_read = 0
                if stale:
                    weights, sampler = subsets.of(stale.compute)
                    if sample is None or key != stale.compute.tobytes():
                        key, sample = stale.compute.tobytes(), sampler.read(day, requests.map)
                        chunks_read, bytes_read = sample.chunks_read, sample.bytes_read
                    rows = self._rows(day, stale.compute, weights, sample)
                    writing.append(
                        requests.submit(write_day, self.store, area, day, file, rows, stale.drop)
                    )
                reports.append(self._report(day, stale, chunks_read, bytes_read, started))
                started = time.perf_counter()
            for written in writing:
                written.result()
        return reports

    def _report(
        self, day: dt.date, stale: StalePairs, chunks_read: int, bytes_read: int, started: float
    ) -> StatsReport:
        return StatsReport(
            self.cube.area_name,
            day,
            tuple(self.wanted.field_ids.take(pa.array(stale.compute)).to_pylist()),
            len(stale.drop),
            int(self.wanted.on(day).sum()),
            chunks_read,
            bytes_read,
            time.perf_counter() - started,
        )

    def _rows(
        self, day: dt.date, index: NDArray[np.int64], weights: Weights, sample: Sample
    ) -> pa.Table:
        columns = statistics(weights, sample.ndvi, sample.observed_on, day_number(day))
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
                "last_observed": pa.array(
                    last.astype(np.int32), mask=last == np.iinfo(np.int32).min
                ).cast(pa.date32()),
                "cube_revision": np.full(count, self.cube.revisions[day], np.int32),
                "computed_at": pa.array([self.now] * count, pa.timestamp("us", tz="UTC")),
            }
        )


class _Subsets:
    """Weights and sampler of each set of stale fields, made once while days share it."""

    def __init__(self, cube: Cube, weights: Weights) -> None:
        self._cube, self._weights = cube, weights
        self._made: dict[bytes, tuple[Weights, Sampler]] = {}
        self._lock = threading.Lock()

    def of(self, index: NDArray[np.int64]) -> tuple[Weights, Sampler]:
        """Of the fields at the positions `index`."""
        key = index.tobytes()
        with self._lock:
            if key not in self._made:
                if len(self._made) >= THREADS:
                    self._made.clear()
                subset = self._weights.subset(index)
                self._made[key] = subset, Sampler(self._cube, subset)
            return self._made[key]
