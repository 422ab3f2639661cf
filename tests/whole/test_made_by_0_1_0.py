"""What version 0.1.0 wrote is read, found up to date, and carried on."""

import datetime as dt

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import pixels, set_up, table
from tests.support.made_by_0_1_0 import DAYS, FIRST, lay_out, season_of

SEASON = [FIRST + dt.timedelta(n) for n in range(6)]


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return season_of(tmp_path_factory.mktemp("season"))


@pytest.fixture
def old(season, tmp_path):
    lay_out(season, tmp_path / "old")
    catalog = str(season.directory / "items.json")
    return Pipeline(Settings.load(root=str(tmp_path / "old"), catalog=catalog))


@pytest.fixture(scope="module")
def anew(season, tmp_path_factory):
    """The same season, all of it made by the code of today."""
    pipeline = set_up(season, tmp_path_factory.mktemp("anew"))
    assert len(list(pipeline.ingest_days("farm", SEASON))) == 6
    list(pipeline.update_field_stats("farm", SEASON))
    return pipeline


def test_its_rows_are_read_and_up_to_date(old, anew):
    assert old.open("farm").stale_days() == []
    assert table(old) == [r for r in table(anew) if r["date"] < FIRST + dt.timedelta(DAYS)]
    reports = list(old.update_field_stats("farm", SEASON[:DAYS]))
    assert [report.computed for report in reports] == [()] * DAYS


def test_its_cube_is_read_and_carried_on(old, anew):
    assert Cube.open(old.store, "farm").days == SEASON[:DAYS]
    assert [r.day for r in old.ingest_days("farm", SEASON[DAYS:])] == SEASON[DAYS:]
    list(old.update_field_stats("farm", SEASON))
    assert pixels(old) == pixels(anew)
    assert table(old) == table(anew)


def test_a_day_of_it_made_again_is_the_same(old, anew):
    (report,) = old.ingest_days("farm", SEASON[2:3])
    assert not report.changed
    assert report.refreshed == ()
    assert pixels(old) == pixels(anew)[:DAYS]
