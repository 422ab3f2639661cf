"""Ten years in one cube: what a day, an opening and a read cost then.

Days 31 to 3,650 are commits of days without a scene over a small area (their number is what
counts: snapshots, and references to chunks), but for the chunk references of a 100 x 100 km area,
which are made in two commits. Past states are then forgotten as the weekly housekeeping does.
"""

import datetime as dt
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.bench import Bench
from benchmarks.measure import measure, peak_mib
from benchmarks.seasons import season
from benchmarks.servers import Bucket
from benchmarks.table import Row, costs
from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.day import begin
from hydro_pipeline.cube.head import Head, Id, open_head
from hydro_pipeline.cube.layout import DAILY
from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.cube.read import Cube, open_repository
from hydro_pipeline.cube.target import Target
from hydro_pipeline.days import day_number
from hydro_pipeline.grid import Pixels, Tiling, Window
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store

FIRST = dt.date(2014, 1, 1)
YOUNG, OLD = 30, 3650
KEPT = 90
"""Newest days whose commits are kept, as by the weekly housekeeping."""
DAYS = 5
"""Days that are timed at each age."""
NAMES = {"day": "a day's commit", "empty": "an empty day's commit", "open": "open",
         "read": "read of a window"}  # fmt: skip


def run(bench: Bench) -> Iterator[Row]:
    """Case (f)."""
    for size_km, what in ((5.0, "5 x 5 km, 3,650 commits"), (100.0, "100 x 100 km, its chunks")):
        made = season(bench.folder, f"area-{size_km:g}", days=1, size_km=size_km, n_fields=0,
                      n_late=0, overpasses=())  # fmt: skip
        area = made.area("farm")
        with Bucket(bench.wire) as bucket:
            settings = bucket.settings()
            young = measure(_grow_and_time, settings, area, 0, YOUNG, True).value
            grow = size_km < 10
            bucket.latency(0.0)
            began = time.perf_counter()
            measure(_grow, settings, area, YOUNG + 2 * DAYS, OLD - KEPT, grow)
            moment = dt.datetime.now(dt.UTC)
            measure(_grow, settings, area, OLD - KEPT, OLD, grow)
            maintain(Store(settings), area.name, moment + dt.timedelta(1), keep_days=1)
            bench.say(f"growth: {what}: grown in {time.perf_counter() - began:.0f} s")
            bucket.latency(bench.wire.latency_s)
            timed = measure(_grow_and_time, settings, area, OLD, OLD, True)
            bench.say(f"growth: {what}: {young} then {timed.value}")
        for name, label in NAMES.items():
            yield costs("growth", f"{label}, {what}", timed.value[name], young[name],
                        f"at day {YOUNG}", "<= 1.3")  # fmt: skip
        yield Row("growth", f"peak memory at day {OLD:,}, {what}", timed.peak_mib, "MiB",
                  target="<= 1024")  # fmt: skip


def _grow_and_time(settings: Settings, area: Area, start: int, stop: int, one_by_one: bool) -> Any:
    _grow(settings, area, start, stop, one_by_one)
    store = Store(settings)
    head = open_head(Target.of(store, area, settings))
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    for n in range(2 * DAYS):
        head, took = _put(head, stop + n, seen=not n % 2)
        times["empty" if n % 2 else "day"].append(took)
    for _ in range(DAYS):
        began = time.perf_counter()
        cube = Cube.open(store, area.name)
        assert cube is not None
        cube.revisions  # noqa: B018
        times["open"].append(time.perf_counter() - began)
        began = time.perf_counter()
        cube.read(cube.last_day, Window(0, 0, 200, 200))
        times["read"].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()} | {"MiB": peak_mib()}


def _grow(settings: Settings, area: Area, start: int, stop: int, one_by_one: bool) -> None:
    store = Store(settings)
    head = open_head(Target.of(store, area, settings))
    if one_by_one:
        for n in range(start, stop):
            head, _ = _put(head, n, seen=n == 0)
        return
    repository = open_repository(store, area.name)
    assert repository is not None
    session = repository.writable_session("main")
    import zarr

    group = zarr.open_group(session.store, mode="r+")
    length = start
    while length < stop:
        longer = min(2 * length, stop)
        for name in ("ndvi", "observed_on", "time", *DAILY):
            array: Any = group[name]
            array.resize((longer, *array.shape[1:]))
        for name in ("ndvi", "observed_on"):
            session.reindex_array(f"/{name}", _shifted(length, longer))
        length = longer
    group["time"][:] = day_number(FIRST) + np.arange(stop)  # type: ignore[index]
    for name in DAILY:
        group[name][:] = 1  # type: ignore[index]
    session.commit("grown")


def _shifted(by: int, limit: int) -> Any:
    def target(position: Any) -> Any:
        day, *place = position
        return [day + by, *place] if day + by < limit else None

    return target


def _put(head: Head, number: int, seen: bool) -> tuple[Head, float]:
    """The cube with one more day of made-up pixels, and the seconds that it takes."""
    day = FIRST + dt.timedelta(number)
    rng = np.random.default_rng(number)
    pixels = {}
    if seen:
        values = rng.integers(0, 9000, (1024, 1024)).astype(np.int16)
        on = np.full((1024, 1024), day_number(day), np.int16)
        pixels = {"ndvi": values, "on": on}
    began = time.perf_counter()
    edit = begin(head, day)
    written = []
    for window in Tiling(head.target.area.grid.shape.yx, 1024):
        before = new = edit.part.previous(window)
        rows, cols = before.observed_on.shape
        if seen:
            new = Pixels(pixels["ndvi"][None, :rows, :cols], pixels["on"][:rows, :cols])
        written.append(edit.part.write(window, new, before))
    scenes = [f"S2A_31UFS_{day:%Y%m%d}_0_L2A"] * 2
    _, head = edit.commit(written, int(seen), {"scenes": scenes, "run_id": "x" * 36}, Id())
    return head, time.perf_counter() - began
