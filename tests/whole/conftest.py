"""An area on which every operation has something to do, before which faults can be put."""

import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import content
from tests.support.buckets import make_bucket
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.faults import check
from tests.support.operations import OPERATIONS, begun, tiny_season


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The season of the operations."""
    return tiny_season(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def template(tiny, tmp_path_factory):
    """The folder of the area as every operation finds it; only to be copied."""
    root = tmp_path_factory.mktemp("template") / "root"
    begun(tiny, root)
    return root


@pytest.fixture(scope="session")
def undisturbed(tiny, template, tmp_path_factory):
    """Cube and rows after an operation without a fault."""
    known = {}

    def content_after(name: str, run: Callable[[Pipeline], None]) -> Any:
        if name not in known:
            root = tmp_path_factory.mktemp("undisturbed") / "root"
            shutil.copytree(template, root)
            catalog = str(tiny.directory / "items.json")
            pipeline = Pipeline(Settings.load(root=str(root), catalog=catalog))
            run(pipeline)
            known[name] = content(pipeline)
        return known[name]

    return content_after


@pytest.fixture(scope="session")
def check_on_s3(tiny, template, undisturbed, s3_server):
    """`check` of an operation on a bucket, by name, with a kind of fault so many times."""
    bucket = make_bucket(s3_server)
    with FaultProxy(s3_server, s3=True) as proxy:

        def check_one(name: str, kind: Kind, times: int | None) -> None:
            root = re.sub("[^A-Za-z0-9]", "", f"{name}{kind}{times}")
            bucket.put_folder(template, root)
            settings = bucket.settings(
                root=f"s3://{bucket.name}/{root}",
                s3_endpoint_url=proxy.url,
                catalog=str(tiny.directory / "items.json"),
            )
            operation = OPERATIONS[name]
            expected = undisturbed(name, operation.run)
            fault = Fault(kind, operation.asks, times)
            check(settings, name, operation.run, proxy, fault, expected)

        yield check_one
