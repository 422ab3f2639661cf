"""Whatever goes wrong outside, an operation ends well or with one sentence, and nothing is lost."""

import re
import shutil
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hydro_pipeline.errors import HydroError
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.storage.notes import Step
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import AREA, content
from tests.support.buckets import make_bucket
from tests.support.deadlines import shortened
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.operations import (
    DAYS,
    OPERATIONS,
    begun,
    commit,
    look_for_late_scenes,
    tiny_season,
)

WITHIN_S = 25.0
"""The deadline of every operation, with its tries, as shortened."""
FAST = {
    ("S3", "commit", Kind.BUSY, 1),
    ("S3", "statistics", Kind.RESET, 1),
    ("catalog", "commit", Kind.HTML, None),
    ("COG", "commit", Kind.CUT, 1),
}
"""Cells that every run of the tests tries."""


def cells(target: str, operations: Any, without: set[Kind] = frozenset()) -> list[Any]:
    """Every operation of a target by every kind, once and for ever."""
    return [
        pytest.param(
            target,
            operation,
            kind,
            times,
            id=f"{target}-{operation}-{kind}-{'once' if times else 'for ever'}",
            marks=() if (target, operation, kind, times) in FAST else pytest.mark.faults,
        )
        for operation in operations
        for kind in Kind
        for times in (1, None)
        if kind not in without
    ]


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return tiny_season(tmp_path_factory.mktemp("season"))


@pytest.fixture(scope="module")
def template(season, tmp_path_factory):
    """The folder of the area as every operation finds it."""
    root = tmp_path_factory.mktemp("template") / "root"
    begun(season, root)
    return root


@pytest.fixture(scope="module")
def undisturbed(season, template, tmp_path_factory):
    """Cube and rows after an operation without a fault."""
    known = {}

    def content_after(name: str, run: Callable[[Pipeline], None]) -> Any:
        if name not in known:
            root = tmp_path_factory.mktemp("undisturbed") / "root"
            shutil.copytree(template, root)
            catalog = str(season.directory / "items.json")
            pipeline = Pipeline(Settings.load(root=str(root), catalog=catalog))
            run(pipeline)
            known[name] = content(pipeline)
        return known[name]

    return content_after


class Proxied(StandIn):
    """A stand-in that names itself by the proxy before it."""

    before: FaultProxy

    @property
    def origin(self) -> str:
        return self.before.url

    @property
    def own(self) -> str:
        return super().origin


@pytest.fixture(scope="module")
def catalog(season):
    """The proxy before the catalog and its files."""
    with Proxied(season.directory) as stand_in, FaultProxy(stand_in.own) as proxy:
        stand_in.before = proxy
        yield proxy


@pytest.fixture(scope="module")
def bucket(s3_server):
    return make_bucket(s3_server)


@pytest.fixture(scope="module")
def before_s3(s3_server):
    with FaultProxy(s3_server, s3=True) as proxy:
        yield proxy


def ended(run: Callable[[Pipeline], None], pipeline: Pipeline, proxy: FaultProxy) -> Any:
    """The sentence that an operation ends with, None if it succeeds; fails on any other end."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(pipeline)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    if thread.is_alive():
        proxy.fault = None
        thread.join(60)
        pytest.fail(f"no end after {WITHIN_S:g} s")
    for error in errors:
        if not isinstance(error, HydroError):
            raise AssertionError(f"raw {type(error).__module__}.{type(error).__name__}") from error
        said = str(error)
        assert "\n" not in said
        assert 20 < len(said) < 700
        assert re.search(r"s3://|http://127|farm", said), said
        return error
    return None


def told(pipeline: Pipeline) -> Any:
    return [(n.step, n.day, n.cause) for n in status(pipeline.open(AREA), DAYS[-1]).notes]


STEPS = {"commit": (Step.DAY, DAYS[2]), "statistics": (Step.STATISTICS, DAYS[1])}
"""What is noted of an operation that fails."""


@pytest.mark.parametrize(("target", "name", "kind", "times"), cells("S3", OPERATIONS))
def test_s3(target, name, kind, times, season, template, undisturbed, bucket, before_s3):
    root = re.sub("[^A-Za-z0-9]", "", f"{name}{kind}{times}")
    bucket.put_folder(template, root)
    settings = bucket.settings(
        root=f"s3://{bucket.name}/{root}",
        s3_endpoint_url=before_s3.url,
        catalog=str(season.directory / "items.json"),
    )
    operation = OPERATIONS[name]
    expected = undisturbed(name, operation.run)
    check(settings, name, operation.run, before_s3, Fault(kind, operation.asks, times), expected)


CATALOG = {"commit": commit, "late scenes": look_for_late_scenes}


@pytest.mark.parametrize(
    ("target", "name", "kind", "times"),
    cells("catalog", CATALOG, {Kind.ETAG}) + cells("COG", ["commit"], {Kind.ETAG}),
)
def test_catalog_and_files(target, name, kind, times, template, undisturbed, catalog, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(template, root)
    settings = Settings.load(root=str(root), catalog=f"{catalog.url}/v1")
    files = target == "COG"
    fault = Fault(kind, lambda method, path: path.startswith("/cogs/") == files, times)
    expected = undisturbed(name, CATALOG[name])
    check(settings, name, CATALOG[name], catalog, fault, expected)


def check(
    settings: Settings,
    name: str,
    run: Callable[[Pipeline], None],
    proxy: FaultProxy,
    fault: Fault,
    expected: Any,
) -> None:
    """Do an operation under a fault, and see what status tells of it and what is there in the end:
    at once where it succeeds, else after it was done again without the fault.
    """
    proxy.fault = fault
    with shortened():
        error = ended(run, Pipeline(settings), proxy)
    assert proxy.hits, "nothing was hit"
    proxy.fault = None
    if error is not None:
        if name in STEPS:
            assert told(Pipeline(settings)) == [(*STEPS[name], type(error).__name__)]
        run(Pipeline(settings))
    assert told(Pipeline(settings)) == []
    assert content(Pipeline(settings)) == expected


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"commit"}))
def test_the_other_operations_ask_nothing_of_the_catalog(
    name, template, catalog, tmp_path, undisturbed
):
    root = tmp_path / "root"
    shutil.copytree(template, root)
    pipeline = Pipeline(Settings.load(root=str(root), catalog=f"{catalog.url}/v1"))
    catalog.requests.clear()
    OPERATIONS[name].run(pipeline)
    assert catalog.requests == []
