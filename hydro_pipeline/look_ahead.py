"""Imagery of the coming days, read while the day before them is made and committed."""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import dask
import pystac

from hydro_pipeline.area import Area
from hydro_pipeline.cluster import threads
from hydro_pipeline.imagery import Imagery, load
from hydro_pipeline.selection import Selection, select
from hydro_pipeline.settings import Settings

DAYS = 1
"""Days that are read ahead at most, one after the other."""
BYTES = 96 << 20
"""A day with more imagery than this, or one for a cluster, is read when its turn comes."""
THREADS = 16
"""Reads at once: they mostly wait for answers."""


@dataclass(frozen=True)
class DayImagery:
    """What a day is made from."""

    selection: Selection
    imagery: Imagery


def read_ahead(
    days: Iterable[tuple[dt.date, Sequence[pystac.Item]]], area: Area, settings: Settings
) -> Iterator[tuple[dt.date, "Future[DayImagery]"]]:
    """Each day of `days`, in order, with its imagery, being read already.

    A future's result raises `SceneReadError` where the imagery cannot be read. At most `DAYS` days
    of at most `BYTES` are held in memory.
    """
    pool = ThreadPoolExecutor(1, "read")
    waiting: deque[tuple[dt.date, Future[DayImagery]]] = deque()
    try:
        for day, items in days:
            waiting.append((day, pool.submit(_read, items, area, settings)))
            if len(waiting) > DAYS:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(items: Sequence[pystac.Item], area: Area, settings: Settings) -> DayImagery:
    selection = select(items)
    imagery = load(selection.scenes, area, settings)
    bands = imagery.red, imagery.nir, imagery.clear
    if not settings.dask_scheduler and sum(band.nbytes for band in bands) <= BYTES:
        red, nir, clear = dask.persist(*bands, scheduler=threads(THREADS))
        imagery = replace(imagery, red=red, nir=nir, clear=clear)
    return DayImagery(selection, imagery)
