"""Whatever goes wrong with a catalog or its files, all ends well or with one sentence."""

import shutil

import pytest

from hydro_pipeline.ingest import look_ahead
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.faults import cells, check
from tests.support.operations import OPERATIONS, commit, look_for_late_scenes

ASKING = {"commit": commit, "late scenes": look_for_late_scenes}
NO_ETAGS = frozenset({Kind.ETAG})


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
def catalog(tiny):
    """The proxy before the catalog and its files."""
    with Proxied(tiny.directory) as stand_in, FaultProxy(stand_in.own) as proxy:
        stand_in.before = proxy
        yield proxy


@pytest.fixture
def check_here(template, undisturbed, catalog, tmp_path):
    def check_one(name: str, kind: Kind, times: int | None, files: bool) -> None:
        root = tmp_path / "root"
        shutil.copytree(template, root)
        settings = Settings.load(root=str(root), catalog=f"{catalog.url}/v1")
        fault = Fault(kind, lambda method, path: path.startswith("/cogs/") == files, times)
        expected = undisturbed(name, ASKING[name])
        check(settings, name, ASKING[name], catalog, fault, expected)

    return check_one


@cells("catalog", ASKING, NO_ETAGS)
def test_catalog(name, kind, times, check_here):
    check_here(name, kind, times, files=False)


@cells("COG", ["commit"], NO_ETAGS)
def test_files(name, kind, times, check_here):
    check_here(name, kind, times, files=True)


@pytest.mark.parametrize("kind", [Kind.SILENT, Kind.CUT])
def test_files_that_are_read_strip_by_strip(kind, check_here, monkeypatch):
    monkeypatch.setattr(look_ahead, "BYTES", 0)
    check_here("commit", kind, None, files=True)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"commit"}))
def test_the_other_operations_ask_nothing_of_the_catalog(name, template, catalog, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(template, root)
    pipeline = Pipeline(Settings.load(root=str(root), catalog=f"{catalog.url}/v1"))
    catalog.requests.clear()
    OPERATIONS[name].run(pipeline)
    assert catalog.requests == []
