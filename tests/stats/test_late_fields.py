"""What a late field costs, counted request by request."""

import datetime as dt

import dagster as dg
import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.defs.launch import materialize
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.stats.weights import build_weights
from tests.support.areas import put_late_fields, set_up
from tests.support.counting_s3 import CountingS3
from tests.support.zonal_cases import pixels

DAYS = 30


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Season:
    """A month over more than one chunk, with pixels that do not compress to nothing."""
    return simulate(
        tmp_path_factory.mktemp("month"),
        first_day=dt.date(2024, 4, 1),
        days=DAYS,
        size_km=3.6,
        n_fields=6,
        n_late=1,
        overpasses=(0, 1, 2, 3, 4),
        grain=0.02,
    )


def test_a_late_field_reads_its_chunks_and_nothing_else(season, tmp_path, monkeypatch):
    with StandIn(season.directory) as earth_search, CountingS3() as counting:
        for name, value in {
            **counting.environment,
            "HYDRO_CATALOG": earth_search.url,
            "DAGSTER_HOME": str(tmp_path),
        }.items():
            monkeypatch.setenv(name, value)
        pipeline = set_up(season, catalog=earth_search.url)
        area = pipeline.area("farm")
        first, last = season.first_day, season.first_day + dt.timedelta(DAYS - 1)
        materialize("farm", first, last, "all")
        cube = Cube.open(pipeline.store, "farm")
        assert cube is not None

        put_late_fields(pipeline, season)
        stale = pipeline.open("farm").stale_days()
        (late,) = [f for f in pipeline.open("farm").fields.fields if f.source == "late.geojson"]
        assert stale == [d for d in cube.days if d >= late.planting_date]
        earth_search.reset_counts()
        counting.requests.clear()
        materialize("farm", stale[0], stale[-1], "field_stats")

        assert set(earth_search.counts.values()) == {0}
        assert [r for r in counting.requests if r[0] == "PUT" and "/cubes/" in r[1]] == []
        weights = build_weights([late], area.grid, pipeline.settings.zonal_weights)
        side = cube.tiling.side
        under = {(r // side, c // side) for r, c in zip(*pixels(weights)[:2], strict=True)}
        gets = counting.gets("/cubes/farm/chunks/")
        per_array = len(under) * len(stale)
        # Of the two arrays, observed_on may compress into its manifest and needs no GET then.
        assert per_array <= len(gets) <= 2 * per_array + _daily(cube)
        assert len(under) < len(cube.tiling)

    with dg.DagsterInstance.get() as instance:
        asked = dg.AssetKey(["farm", "composite"])
        events = instance.fetch_materializations(asked, limit=1000).records
        assert len(events) == DAYS
        runs = instance.get_runs()
        assert len(runs) == 2
        assert {e.run_id for e in events} == {runs[-1].run_id}
        assert asked not in (runs[0].asset_selection or set())


def _daily(cube: Cube) -> int:
    """Chunks of the per-day variables and coordinates, which any reader may look at once."""
    return sum(1 for name, array in cube.group.arrays() if array.ndim < 3)
