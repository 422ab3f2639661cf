"""Fixtures that every test may use, and an environment without the caller's settings."""

import contextlib
import datetime as dt
import json
import logging
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from hydro_pipeline.fields import put_fields
from hydro_pipeline.pipeline import Pipeline
from hydro_pipeline.report.page import Report, write_report
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulate import Season, simulate

SHARED = Path(__file__).parents[2] / "shared"

for _name in [n for n in os.environ if n.startswith(("HYDRO_", "AWS_", "DAGSTER_"))]:
    del os.environ[_name]
os.environ |= {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "DAGSTER_DISABLE_TELEMETRY": "true",
}
# The first example may have to compile a kernel.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a moto server on loopback."""

    name: str
    endpoint: str
    client: Any
    """A boto3 S3 client of the server."""

    @property
    def environment(self) -> dict[str, str]:
        """The `HYDRO_*` variables that lead to the bucket, for child processes."""
        return {
            "HYDRO_ROOT": f"s3://{self.name}/data",
            "HYDRO_S3_ENDPOINT_URL": self.endpoint,
            "HYDRO_S3_REGION": "us-east-1",
            "HYDRO_S3_ACCESS_KEY_ID": "testing",
            "HYDRO_S3_SECRET_ACCESS_KEY": "testing",
        }

    def settings(self, **overrides: Any) -> Settings:
        """Settings whose root is in the bucket, with `overrides` by field name."""
        ours = {k.removeprefix("HYDRO_").lower(): v for k, v in self.environment.items()}
        return Settings.load(**(ours | overrides))

    def keys(self) -> list[str]:
        """Every key in the bucket, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(o["Key"] for page in pages for o in page.get("Contents", []))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of a moto S3 server on a free port of 127.0.0.1, for the whole run."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        # moto looks at If-Match and writes in two steps, which other threads could come between.
        with turn, contextlib.closing(moto(environ, start_response)) as answer:
            return list(answer)

    server = make_server(
        "127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def s3(s3_server: str) -> Bucket:
    """A new, empty, versionless bucket."""
    return make_bucket(s3_server)


def make_bucket(s3_server: str) -> Bucket:
    """A new, empty, versionless bucket on the server."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(name, s3_server, client)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose root is an empty directory."""
    return Settings.load(root=str(tmp_path / "root"))


@pytest.fixture(scope="session")
def realcase() -> Path:
    """The folder of 29 real Sentinel-2 days over fields near Mol; skips where it is not at hand."""
    folder = SHARED / "realcase"
    if not folder.is_dir():
        pytest.skip("needs ../shared/realcase (real imagery that is not part of this repository)")
    return folder


@pytest.fixture(scope="session")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    """A small simulated season: 10 days from 2024-04-01, 5 fields and one late one."""
    return small_season(tmp_path_factory.mktemp("season"))


def small_season(folder: Path) -> Season:
    """The season of the fixture `season`, in a folder."""
    return simulate(
        folder,
        first_day=dt.date(2024, 4, 1),
        days=10,
        size_km=1.2,
        n_fields=5,
        n_late=1,
    )


@pytest.fixture(scope="session")
def made(season: Season, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The season as area demo: its days, and statistics of all fields. Only to be read."""
    return make_season(season, Settings.load(root=str(tmp_path_factory.mktemp("made"))))


def make_season(season: Season, settings: Settings) -> Pipeline:
    """Run the season as area demo under the settings' root, the late field entered last."""
    catalog = str(season.directory / "items.json")
    pipeline = Pipeline(settings.model_copy(update={"catalog": catalog}))
    area = season.area("demo")
    pipeline.put_area(area)
    put_fields(pipeline.store, area, "fields.geojson", season.fields_geojson)
    days = [season.first_day + dt.timedelta(n) for n in range(season.days)]
    for _ in pipeline.ingest_days("demo", days, run_id="a-run"):
        pass
    put_fields(pipeline.store, area, "late.geojson", season.late_fields_geojson)
    for _ in pipeline.update_field_stats("demo", days):
        pass
    return pipeline


@dataclass(frozen=True)
class Reported:
    """A report page, and what it was made from."""

    pipeline: Pipeline
    report: Report
    content: dict[str, Any]
    """What the page carries for its scripts."""

    @property
    def page(self) -> Path:
        """The file."""
        return Path(self.report.url)


@pytest.fixture(scope="session")
def reported(made: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The season's page, with one file of fields that cannot be read, to warn of."""
    root = tmp_path_factory.mktemp("reported") / "root"
    shutil.copytree(made.settings.root, root)
    (root / "inputs/demo/fields/broken <b>.geojson").write_text("{")
    pipeline = Pipeline(made.settings.model_copy(update={"root": str(root)}))
    report = write_report(pipeline, "demo")
    html = Path(report.url).read_text()
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)
    assert found is not None
    return Reported(pipeline, report, json.loads(found[1]))
