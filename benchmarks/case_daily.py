"""One more day on a cube of a year, and what a day without a scene writes."""

import datetime as dt
from collections.abc import Iterator

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.seasons import FIRST_DAY, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row, costs
from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.storage.store import Store

STORED = 365


def run(bench: Bench) -> Iterator[Row]:
    """Cases (b) and (e): imagery of the same kind on the first day and on day 366."""
    same = {"days": 1, "size_km": 20.0, "n_fields": 500, "n_late": 0}
    early = season(bench.folder, "first-day", **same)
    day = FIRST_DAY + dt.timedelta(STORED)
    late = season(bench.folder, "day-366", **(same | {"first_day": day, "seed": 2}))
    with (
        EarthSearch(early.directory, bench.far) as first_year,
        EarthSearch(late.directory, bench.far) as second_year,
        Bucket(bench.wire) as bucket,
    ):
        before = bucket.settings(catalog=first_year.url)
        after = bucket.settings(catalog=second_year.url)

        def fresh() -> None:
            bucket.clear()
            prepare(before, early)

        first = measure(ours.run_days, before, [FIRST_DAY], repeat=bench.repeat, prepare=fresh)
        bench.say(f"daily: first day {first.seconds} s, {first.value['stages']}")
        bucket.latency(0.0)
        ours.run_days(before, [FIRST_DAY + dt.timedelta(n) for n in range(1, STORED)])
        maintain(Store(before), "farm", dt.datetime.now(dt.UTC) + dt.timedelta(2), 1)
        bucket.latency(bench.wire.latency_s)
        bucket.keep()
        written = []

        def again() -> None:
            bucket.restore()
            bucket.reset()

        grown = measure(ours.run_days, after, [day], repeat=bench.repeat, prepare=again)
        written.append(bucket.counts()["bytes_in"])
        bench.say(f"daily: day {STORED + 1} {grown.seconds} s, {grown.value['stages']}")
        again()
        empty = measure(ours.composite, before, [day])
        written.append(bucket.counts()["bytes_in"])
        bench.say(f"daily: empty day {empty.seconds} s, {empty.value['stages']}")
    yield costs("daily", f"one day with {STORED} stored, tidied", grown.median, first.median,
                "the first day", "<= 1.2")  # fmt: skip
    yield costs("empty", "bytes written by a day without a scene", written[1] / 1e3,
                written[0] / 1e3, "a day with two scenes", "<= 0.01", "kB")  # fmt: skip
