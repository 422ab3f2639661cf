"""The same days made by threads of the run, and by the two workers of a Dask cluster."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from distributed import LocalCluster

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.seasons import days_of, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row, costs
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store


def run(bench: Bench) -> Iterator[Row]:
    """Case (h)."""
    made = season(bench.folder, "cluster", days=10, size_km=20.0, n_fields=0, n_late=0)
    days = days_of(made)
    with (
        EarthSearch(made.directory, bench.far) as earth,
        Bucket(bench.wire) as bucket,
        LocalCluster(
            n_workers=2, threads_per_worker=4, processes=True, dashboard_address=None
        ) as cluster,
    ):
        here = bucket.settings(catalog=earth.url)
        there = here.model_copy(update={"dask_scheduler": cluster.scheduler_address})

        def fresh() -> None:
            bucket.clear()
            prepare(here, made)

        taken, cubes = [], []
        for settings in (here, there):
            taken.append(
                measure(ours.composite, settings, days, repeat=bench.repeat, prepare=fresh)
            )
            cubes.append(_pixels(here))
        bench.say(f"cluster: threads {taken[0].seconds} s, workers {taken[1].seconds} s")
    yield costs("cluster", "10 days, 20 x 20 km, by 2 workers", taken[1].median, taken[0].median,
                "threads of the run")  # fmt: skip
    yield Row("cluster", "pixels that differ", float(np.count_nonzero(cubes[0] != cubes[1])), "",
              target="<= 0")  # fmt: skip
    yield Row("cluster", "peak memory of the run with workers", taken[1].peak_mib, "MiB")


def _pixels(settings: Settings) -> Any:
    cube = Cube.open(Store(settings), "farm")
    assert cube is not None
    return np.array([cube.read(day).arrays for day in cube.days])
