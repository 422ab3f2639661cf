"""What was seen on the coming days, read while the day before them is made and committed."""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import prod

import pystac

from hydro_pipeline.area import Area
from hydro_pipeline.cluster import threads
from hydro_pipeline.compose import load_kernels, observed
from hydro_pipeline.composite import Block
from hydro_pipeline.cube import Window, day_number
from hydro_pipeline.imagery import Imagery, load
from hydro_pipeline.reading import Kept, expect
from hydro_pipeline.selection import Selection, select
from hydro_pipeline.settings import Settings

DAYS = 2
"""Days that are read ahead at most, one after the other."""
OPEN_DAYS = 5
"""Days whose files are opened ahead of that."""
BYTES = 64 << 20
"""A day of more bytes than this is made where it is stored, window by window."""
PIXEL_BYTES = 4
THREADS = 12
"""Files opened or read at once: they mostly wait for answers."""


@dataclass(frozen=True)
class DayFound:
    """What a day is made from."""

    selection: Selection
    imagery: Imagery
    """Not read."""
    observed: dict[Window, Block] | None = None
    """What was seen on the day by window, empty without a scene; None: to be made from `imagery`,
    since the area is too large to be held, or a cluster makes its days.
    """


def read_ahead(
    days: Iterable[tuple[dt.date, Sequence[pystac.Item]]], area: Area, settings: Settings
) -> Iterator[tuple[dt.date, "Future[DayFound]"]]:
    """Each day of `days`, in order, with what was seen on it, being read already.

    A future's result raises `SceneReadError` where the imagery cannot be read. At most `DAYS` days
    of at most `BYTES` are held in memory; of the `OPEN_DAYS` after them, what is at the beginning
    of their files.
    """
    pools = [
        ThreadPoolExecutor(n, name) for n, name in ((1, "read"), (2, "open"), (THREADS, "file"))
    ]
    reading, opening, files = pools
    reading.submit(load_kernels)
    large = settings.dask_scheduler or PIXEL_BYTES * prod(area.grid.shape) > BYTES
    held = None if large else files

    def opened() -> Iterator[tuple[dt.date, Future[_Opened]]]:
        for day, items in days:
            yield day, opening.submit(_open, items, area, settings, held)

    def read() -> Iterator[tuple[dt.date, Future[DayFound]]]:
        for day, found in _ahead(opened(), OPEN_DAYS):
            yield day, reading.submit(_read, day, found, held)

    finished = False
    try:
        yield from _ahead(read(), DAYS)
        finished = True
    finally:
        for pool in pools:
            pool.shutdown(wait=finished, cancel_futures=not finished)


def _ahead[T](items: Iterable[T], count: int) -> Iterator[T]:
    """The items, each taken when `count` more were taken."""
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


@dataclass(frozen=True)
class _Opened:
    """A day whose files are being opened."""

    found: DayFound
    files: list[Future[None]]


def _open(
    items: Sequence[pystac.Item],
    area: Area,
    settings: Settings,
    files: ThreadPoolExecutor | None,
) -> _Opened:
    selection = select(items)
    stripwise = files is None and settings.dask_scheduler is None
    kept = Kept(area.grid, settings.cloud_buffer_m) if stripwise else None
    imagery = load(selection.scenes, area, settings, kept)
    opening = [
        files.submit(expect, href, settings)
        for scene in selection.scenes
        for href in scene.hrefs
        if files is not None
    ]
    return _Opened(DayFound(selection, imagery), opening)


def _read(day: dt.date, opening: Future[_Opened], files: ThreadPoolExecutor | None) -> DayFound:
    opened = opening.result()
    wait(opened.files)
    if files is None:
        return opened.found
    seen = observed(opened.found.imagery, day_number(day), threads(THREADS, files))
    return replace(opened.found, observed=seen)
