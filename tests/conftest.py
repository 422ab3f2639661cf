"""Fixtures that every test may use, and an environment without the caller's settings."""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from hydro_pipeline.report.page import write_report
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.buckets import Bucket, make_bucket
from tests.support.pages import Reported
from tests.support.seasons import make_season, small_season

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


@pytest.fixture(scope="session")
def made(season: Season, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The season as area demo: its days, and statistics of all fields. Only to be read."""
    return make_season(season, Settings.load(root=str(tmp_path_factory.mktemp("made"))))


@pytest.fixture(scope="session")
def reported(made: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The season's page, with one file of fields that cannot be read, to warn of; to be read."""
    root = tmp_path_factory.mktemp("reported") / "root"
    shutil.copytree(made.settings.root, root)
    (root / "inputs/demo/fields/broken <b>.geojson").write_text("{")
    pipeline = Pipeline(made.settings.model_copy(update={"root": str(root)}))
    report = write_report(pipeline.open("demo"))
    html = Path(report.url).read_text()
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)
    assert found is not None
    return Reported(pipeline, report, json.loads(found[1]))
