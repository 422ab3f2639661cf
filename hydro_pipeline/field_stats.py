"""Bring a range of days' statistics up to date: compute the stale rows, drop the unwanted."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hydro_pipeline.cube import Cube, day_number
from hydro_pipeline.sample import Sample, Sampler
from hydro_pipeline.stats import StalePairs, Wanted, read_day, stale_pairs, to_rows, write_day
from hydro_pipeline.store import Store
from hydro_pipeline.zonal import Weights, statistics

THREADS = 8


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
        samplers: dict[bytes, tuple[Weights, Sampler]] = {}
        with ThreadPoolExecutor(THREADS) as chunks, ThreadPoolExecutor(THREADS) as pool:
            for reports in pool.map(lambda days: self._updates(days, samplers, chunks), alike):
                yield from reports

    def _updates(
        self,
        days: Sequence[dt.date],
        samplers: dict[bytes, tuple[Weights, Sampler]],
        chunks: ThreadPoolExecutor,
    ) -> list[StatsReport]:
        """Days with the same pixels, which are read once as long as the same fields need them."""
        samples: dict[bytes, Sample] = {}
        return [self._update(day, samplers, samples, chunks) for day in days]

    def _update(
        self,
        day: dt.date,
        samplers: dict[bytes, tuple[Weights, Sampler]],
        samples: dict[bytes, Sample],
        chunks: ThreadPoolExecutor,
    ) -> StatsReport:
        started = time.perf_counter()
        area = self.cube.area_name
        file = read_day(self.store, area, day)
        stale = stale_pairs(self.wanted, day, self.cube.revisions[day], file.rows)
        chunks_read = bytes_read = 0
        if stale:
            rows, chunks_read, bytes_read = self._rows(day, stale, samplers, samples, chunks)
            write_day(self.store, area, day, file, rows, stale.drop)
        return StatsReport(
            area,
            day,
            tuple(self.wanted.field_ids.take(pa.array(stale.compute)).to_pylist()),
            len(stale.drop),
            int(self.wanted.on(day).sum()),
            chunks_read,
            bytes_read,
            time.perf_counter() - started,
        )

    def _rows(
        self,
        day: dt.date,
        stale: StalePairs,
        samplers: dict[bytes, tuple[Weights, Sampler]],
        samples: dict[bytes, Sample],
        chunks: ThreadPoolExecutor,
    ) -> tuple[pa.Table, int, int]:
        key = stale.compute.tobytes()
        known = samplers.get(key)
        if known is None:
            subset = self.weights.subset(stale.compute)
            known = subset, Sampler(self.cube, subset)
            if len(samplers) >= THREADS:
                samplers.clear()
            samplers[key] = known
        weights, sampler = known
        sample = samples.get(key)
        chunks_read = bytes_read = 0
        if sample is None:
            sample = sampler.read(day, chunks.map)
            chunks_read, bytes_read = sample.chunks_read, sample.bytes_read
            samples.clear()
            samples[key] = sample
        columns = statistics(weights, sample.ndvi, sample.observed_on, day_number(day))
        return (
            self._table(day, stale.compute, columns),
            chunks_read,
            bytes_read,
        )

    def _table(
        self, day: dt.date, index: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> pa.Table:
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
