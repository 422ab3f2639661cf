"""What was seen on the coming days, read while the day before them is made and committed."""

import datetime as dt
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from hydro_pipeline.area.area import Area
from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import Seen
from hydro_pipeline.grid import Tiling, Window
from hydro_pipeline.imagery.gdal import open_ahead
from hydro_pipeline.imagery.load import Imagery, load
from hydro_pipeline.imagery.reading import Kept
from hydro_pipeline.ingest.blocks import load_kernels, observed
from hydro_pipeline.ingest.workers import threads
from hydro_pipeline.scenes.choice import Sources
from hydro_pipeline.scenes.scene import Selection
from hydro_pipeline.scenes.selection import check_usable
from hydro_pipeline.settings import Settings

DAYS = 1
"""Days with scenes that are read ahead at most."""
OPEN_DAYS = 3
"""Days with scenes whose files are opened ahead of that."""
MANY = 16
"""Days at most, with or without scenes, in either case."""
BYTES = 64 << 20
"""A day of more bytes than this is made where it is stored, window by window."""
ARRAY_BYTES = 2
"""Of a pixel in one array of the product."""
OPENS = 6
"""Files opened at once."""
PARTS_AT_ONCE = 5
"""Parts of files read at once: they mostly wait for answers."""


@dataclass(frozen=True)
class DayFound:
    """What a day is made from."""

    selection: Selection
    imagery: Imagery
    """Not read."""
    observed: Mapping[Window, Seen | None] | None = None
    """What was seen on the day in each tile, None without a scene; None for all: to be made from
    `imagery`, since the area is too large to be held, or a cluster makes its days.
    """
    seconds: float = 0.0
    """That reading what was seen took."""
    recorded: int = 0
    """Scenes with data in the area that the day was made from before, as its record says."""


def is_held(area: Area, settings: Settings) -> bool:
    """Whether what is seen on a day is held in memory, all of it at once."""
    size = ARRAY_BYTES * len(settings.product.names) * prod(area.grid.shape)
    return not settings.dask_scheduler and size <= BYTES


def read_ahead(
    days: Iterable[tuple[dt.date, Sources]],
    area: Area,
    settings: Settings,
    tiling: Tiling,
) -> Iterator[tuple[dt.date, "Future[DayFound]"]]:
    """Each day of `days`, in order, with what was seen on it, being read already, tile by tile.

    A future's result raises `SceneError` where scenes are gone or all are refused,
    `SceneReadError` where the imagery cannot be read, and `StoredObjectError` where the day's
    record cannot. At most `DAYS` days
    of at most `BYTES` are held in memory; of the `OPEN_DAYS` after them, what is at the beginning
    of their files.
    """
    pools = [
        ThreadPoolExecutor(count, name)
        for count, name in ((1, "find"), (OPENS, "open"), (1, "read"), (PARTS_AT_ONCE, "file"))
    ]
    finding, opening, reading, files = pools
    reading.submit(load_kernels, Formulas.of(settings.product))
    held = is_held(area, settings)

    def opened() -> Iterator[_Coming[_Opened]]:
        for day, sources in days:
            ahead = opening if held else None
            found = finding.submit(_find, day, sources, area, settings, tiling, ahead)
            yield _Coming(day, bool(sources.offered or sources.recorded.items), found)

    def read() -> Iterator[_Coming[DayFound]]:
        for day, has_scenes, found in _ahead(opened(), OPEN_DAYS):
            yield _Coming(day, has_scenes, reading.submit(_read, found, files if held else None))

    finished = False
    try:
        for day, _, found in _ahead(read(), DAYS):
            yield day, found
        finished = True
    finally:
        for pool in pools:
            pool.shutdown(wait=finished, cancel_futures=not finished)


class _Coming[T](NamedTuple):
    """A day on its way."""

    day: dt.date
    has_scenes: bool
    found: Future[T]


def _ahead[T](coming: Iterable[_Coming[T]], count: int) -> Iterator[_Coming[T]]:
    """The days, each when `count` with scenes were taken after it, or many without."""
    waiting: deque[_Coming[T]] = deque()
    for one in coming:
        waiting.append(one)
        while sum(day.has_scenes for day in waiting) > count or len(waiting) > MANY:
            yield waiting.popleft()
    yield from waiting


@dataclass(frozen=True)
class _Opened:
    """A day whose files are being opened."""

    found: DayFound
    files: list[Future[None]]


def _find(
    day: dt.date,
    sources: Sources,
    area: Area,
    settings: Settings,
    tiling: Tiling,
    opening: ThreadPoolExecutor | None,
) -> _Opened:
    selection = sources.selection(settings.product)
    check_usable(selection, area.name, day)
    stripwise = opening is None and settings.dask_scheduler is None
    kept = Kept(area.grid, settings.cloud_buffer_m) if stripwise else None
    imagery = load(selection.scenes, area, settings, tiling, kept)
    files = [
        opening.submit(open_ahead, href, settings)
        for scene in selection.scenes
        for href in scene.hrefs
        if opening is not None
    ]
    recorded = sum(used["valid_share"] > 0 for used in sources.recorded.used.values())
    return _Opened(DayFound(selection, imagery, recorded=recorded), files)


def _read(opening: Future[_Opened], files: ThreadPoolExecutor | None) -> DayFound:
    opened = opening.result()
    wait(opened.files)
    if files is None:
        return opened.found
    started = time.perf_counter()
    seen = observed(opened.found.imagery, threads(PARTS_AT_ONCE, files))
    return replace(opened.found, observed=seen, seconds=time.perf_counter() - started)
