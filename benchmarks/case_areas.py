"""One, two and four areas at once, each in a process of its own, as pods would run them."""

from collections.abc import Iterator

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.measure import at_once
from benchmarks.seasons import days_of, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row


def run(bench: Bench) -> Iterator[Row]:
    """Case (g): days of all areas made in a second, against one area alone."""
    made = season(bench.folder, "ten-days", days=10, size_km=10.0, n_fields=100, n_late=0)
    with EarthSearch(made.directory, bench.far) as earth, Bucket(bench.wire) as bucket:
        settings = bucket.settings(catalog=earth.url)
        alone = 0.0
        for count in (1, 2, 4):
            bucket.clear()
            names = [f"farm{n}" for n in range(count)]
            for name in names:
                prepare(settings, made, name)
            runs = at_once([(ours.run_days, (settings, days_of(made), name)) for name in names])
            seconds = max(took for took, *_ in runs)
            speed = count * made.days / seconds
            alone = alone or speed
            yield Row("areas", f"{count} at once, 10 x 10 km", speed, "days/s", alone,
                      "1 alone", speed / alone)  # fmt: skip
