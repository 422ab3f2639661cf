"""What a late field costs, counted request by request."""

import datetime as dt
from collections.abc import Iterator
from threading import Thread

import boto3
import dagster as dg
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from hydro_pipeline.area import Area
from hydro_pipeline.cube import Cube, windows
from hydro_pipeline.defs.launch import materialize
from hydro_pipeline.fields import put_fields
from hydro_pipeline.pipeline import Pipeline
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulate import Season, simulate
from hydro_pipeline.standin import StandIn
from hydro_pipeline.weights import build_weights

DAYS = 30


class CountingS3:
    """A moto server that remembers what was asked of it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        moto = DomainDispatcherApplication(create_backend_app)

        def application(environ, start_response):
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            return moto(environ, start_response)

        self._server = make_server("127.0.0.1", 0, application, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)

    def __enter__(self) -> "CountingS3":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def gets(self, part: str) -> list[str]:
        return [path for method, path in self.requests if method == "GET" and part in path]


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


@pytest.fixture
def counting() -> Iterator[CountingS3]:
    with CountingS3() as server:
        yield server


def test_a_late_field_reads_its_chunks_and_nothing_else(season, counting, tmp_path, monkeypatch):
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    boto3.client("s3", endpoint_url=counting.url, region_name="us-east-1", **keys).create_bucket(
        Bucket="bucket"
    )
    with StandIn(season.directory) as earth_search:
        for name, value in {
            "HYDRO_ROOT": "s3://bucket/data",
            "HYDRO_S3_ENDPOINT_URL": counting.url,
            "HYDRO_S3_ACCESS_KEY_ID": "testing",
            "HYDRO_S3_SECRET_ACCESS_KEY": "testing",
            "HYDRO_CATALOG": earth_search.url,
            "DAGSTER_HOME": str(tmp_path),
        }.items():
            monkeypatch.setenv(name, value)
        pipeline = Pipeline(Settings.load())
        area: Area = season.area("farm")
        pipeline.put_area(area)
        put_fields(pipeline.store, area, "fields.geojson", season.fields_geojson)
        first, last = season.first_day, season.first_day + dt.timedelta(DAYS - 1)
        materialize("farm", first, last, "all")
        cube = Cube.open(pipeline.store, "farm")
        assert cube is not None

        put_fields(pipeline.store, area, "late.geojson", season.late_fields_geojson)
        stale = pipeline.stale_days("farm")
        (late,) = [f for f in pipeline.fields("farm").fields if f.source == "late.geojson"]
        assert stale == [d for d in cube.days if d >= late.planting_date]
        earth_search.reset_counts()
        counting.requests.clear()
        materialize("farm", stale[0], stale[-1], "field_stats")

        assert set(earth_search.counts.values()) == {0}
        assert [r for r in counting.requests if r[0] == "PUT" and "/cubes/" in r[1]] == []
        weights = build_weights([late], area.grid, pipeline.settings.zonal_weights)
        side = cube.chunk
        under = {(r // side, c // side) for r, c in zip(weights.row, weights.col, strict=True)}
        gets = counting.gets("/cubes/farm/chunks/")
        per_array = len(under) * len(stale)
        # Of the two arrays, observed_on may compress into its manifest and needs no GET then.
        assert per_array <= len(gets) <= 2 * per_array + _daily(cube)
        assert len(under) < len(windows(cube.shape, side))

    with dg.DagsterInstance.get() as instance:
        asked = dg.AssetKey(["farm", "ndvi_composite"])
        events = instance.fetch_materializations(asked, limit=1000).records
        assert len(events) == DAYS
        runs = instance.get_runs()
        assert len(runs) == 2
        assert {e.run_id for e in events} == {runs[-1].run_id}
        assert asked not in (runs[0].asset_selection or set())


def _daily(cube: Cube) -> int:
    """Chunks of the per-day variables and coordinates, which any reader may look at once."""
    return sum(1 for name, array in cube.group.arrays() if array.ndim < 3)
