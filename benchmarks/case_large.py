"""One day over 100 x 100 km: time and peak memory."""

from collections.abc import Iterator

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.seasons import days_of, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row


def run(bench: Bench) -> Iterator[Row]:
    """Case (d)."""
    made = season(bench.folder, "large", days=1, size_km=100.0, n_fields=1000, n_late=0)
    with EarthSearch(made.directory, bench.far) as earth, Bucket(bench.wire) as bucket:
        settings = bucket.settings(catalog=earth.url)

        def fresh() -> None:
            bucket.clear()
            prepare(settings, made)

        day = measure(ours.composite, settings, days_of(made), repeat=bench.repeat, prepare=fresh)
        bench.say(f"large: {day.seconds} s, processor {day.cpu} s, {day.value['stages']}")
        stats = measure(ours.catch_up, settings)
        yield Row("large", "peak memory of the composite", day.peak_mib, "MiB", target="<= 1024")
        yield Row("large", "composite of a day of two scenes", day.median, "s")
        yield Row("large", "peak memory of 1,000 fields' statistics", stats.peak_mib, "MiB",
                  target="<= 1024")  # fmt: skip
        yield Row("large", "statistics of 1,000 fields", stats.median, "s")
