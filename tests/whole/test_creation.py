"""Whatever is made for the first time can be started again, at whichever request it was killed."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from hydro_pipeline.cube.head import create_repository
from hydro_pipeline.cube.read import Cube, open_repository
from hydro_pipeline.cube.target import Target
from hydro_pipeline.errors import DamagedCubeError, HydroError
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.report.page import write_report
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.root import prepare_root
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import AREA, days_of, enter, pixels, run, table
from tests.support.counting_s3 import CountingS3


@pytest.fixture
def server(monkeypatch) -> Iterator[CountingS3]:
    with CountingS3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        yield s3


def killed_everywhere(
    server: CountingS3, work: Callable[[str], object], step: int = 1
) -> Iterator[str]:
    """Roots under which `work` stopped at each `step`-th request, and then was done again."""
    for dies_at in itertools.count(0, step):
        root = f"s3://bucket/killed{dies_at}"
        counted = itertools.count()
        server.fault = lambda _m, _p: "never" if next(counted) >= dies_at else None  # noqa: B023
        try:
            work(root)
        except HydroError:
            pass
        else:
            server.fault = lambda _m, _p: None
            assert next(counted) <= dies_at
            assert dies_at > 3
            return
        server.fault = lambda _m, _p: None
        work(root)
        yield root


def test_a_repository(server, season):
    def make(root: str) -> None:
        settings = Settings.load(root=root)
        create_repository(Target.of(Store(settings), season.area(AREA), settings))

    for root in killed_everywhere(server, make):
        store = Store(Settings.load(root=root))
        assert open_repository(store, AREA) is not None
        assert Cube.open(store, AREA) is None


@pytest.mark.slow
def test_an_area_with_its_first_day_page_and_catalog(server, season):
    def make(root: str) -> None:
        settings = Settings.load(root=root, catalog=str(season.directory / "items.json"))
        list(prepare_root(settings))
        pipeline = enter(Pipeline(settings), season)
        run(pipeline, days_of(season)[:1])
        state = pipeline.open(AREA)
        write_report(state)
        list(Publication(state).publish(None, None))

    make("s3://bucket/whole")
    whole = Pipeline(Settings.load(root="s3://bucket/whole"))
    for root in killed_everywhere(server, make, 9):
        again = Pipeline(Settings.load(root=root))
        assert pixels(again) == pixels(whole)
        assert table(again) == table(whole)
        names = [{o.key for o in each.store.listing("")} for each in (again, whole)]
        assert {n for n in names[0] if "cubes/" not in n} >= {
            n for n in names[1] if "cubes/" not in n
        }


@pytest.mark.parametrize("left", [["snapshots"], ["snapshots", "transactions"]])
def test_what_a_killed_process_left_in_a_directory(season, settings, left):
    """A snapshot is written before the object that names it."""
    store = Store(settings)
    target = Target.of(store, season.area(AREA), settings)
    create_repository(target)
    for stored in store.listing(f"cubes/{AREA}"):
        if stored.key.split("/")[2] not in left:
            store.delete(stored.key)
    assert Cube.open(store, AREA) is None
    create_repository(target)
    assert open_repository(store, AREA) is not None


def test_a_cube_that_lost_its_first_object_is_not_taken_for_a_new_one(season, tmp_path):
    pipeline = enter(
        Pipeline(Settings.load(root=str(tmp_path), catalog=str(season.directory / "items.json"))),
        season,
    )
    run(pipeline, days_of(season)[:2])
    before = {o.key for o in pipeline.store.listing("cubes")}
    pipeline.store.delete(f"cubes/{AREA}/repo")
    with pytest.raises(DamagedCubeError, match="bring its last version back"):
        list(pipeline.ingest_days(AREA, days_of(season)[2:3]))
    with pytest.raises(DamagedCubeError, match="bring its last version back"):
        _ = pipeline.open(AREA).cube
    assert {o.key for o in pipeline.store.listing("cubes")} == before - {f"cubes/{AREA}/repo"}
