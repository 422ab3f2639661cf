"""The whole pipeline against the script of the benchmarks, which shares no code with it."""

import warnings

import pytest

from benchmarks import naive, ours
from benchmarks.table import limit_of
from hydro_pipeline.settings import Settings, ZonalWeights
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import days_of, enter


@pytest.mark.parametrize(
    ("weights", "library", "without"),
    [
        (ZonalWeights.COVERAGE, "exactextract", ("median",)),
        (ZonalWeights.CENTRE, "rasterstats", ()),
    ],
)
def test_statistics_equal_those_of_a_script_in_memory(season, tmp_path, weights, library, without):
    days = days_of(season)
    area = season.area("farm")
    with StandIn(season.directory) as earth_search:
        settings = Settings.load(
            root=str(tmp_path), catalog=earth_search.url, cloud_buffer_m=0, zonal_weights=weights
        )
        enter(Pipeline(settings), season)
        ours.run_days(settings, days)
        with warnings.catch_warnings(action="ignore"):
            rows = naive.script(
                earth_search.url, season.bbox, area.grid, season.fields_geojson, days, library
            )
    assert len(rows) == 5 * len(days)
    differences = ours.largest_differences(ours.table(settings), rows, without)
    assert {n: v for n, v in differences.items() if v > limit_of(n)} == {}
