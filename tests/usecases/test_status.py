"""How an area stands."""

import datetime as dt
from contextlib import contextmanager

import pytest

from hydro_pipeline.cube.day import DayEdit
from hydro_pipeline.errors import (
    CatalogAnswerError,
    CatalogUnavailableError,
    StoreUnavailableError,
)
from hydro_pipeline.simulation.server import Fault, StandIn
from hydro_pipeline.storage.notes import Step, notes
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of, put_late_fields, run, set_up


def test_before_the_first_day(season, tmp_path):
    first = season.first_day
    found = status(set_up(season, tmp_path).open("farm"), first)
    assert (found.first_day, found.last_day, found.gaps, found.outcomes) == (None, None, (), {})
    assert (found.stale_days, found.stale_pairs, len(found.fields.fields)) == ((), 0, 5)
    begun = set_up(season, tmp_path, start_date=first, latency_days=2)
    today = first + dt.timedelta(3)
    assert status(begun.open("farm"), today).gaps == (first, first + dt.timedelta(1))


def test_days_gaps_outcomes_and_stale_rows(season, tmp_path):
    days = days_of(season)
    pipeline = set_up(season, tmp_path, latency_days=1)
    reports, _ = run(pipeline, days[:6])
    outcomes = [report.outcome for report in reports]
    found = status(pipeline.open("farm"), days[8])
    assert (found.first_day, found.last_day) == (days[0], days[5])
    assert found.gaps == (days[6], days[7])
    assert found.outcomes == {
        name: outcomes.count(name) for name in ("observed", "all cloud", "no scene", "refused")
    }
    assert (found.stale_days, found.stale_pairs, found.notes) == ((), 0, ())
    assert (found.refused, found.warnings) == ({}, ())
    assert status(pipeline.open("farm"), days[2]).gaps == ()

    put_late_fields(pipeline, season)
    pipeline.store.delete("inputs/farm/fields/fields.geojson")
    (late,) = pipeline.open("farm").fields.fields
    planted = sum(day >= late.planting_date for day in days[:6])
    found = status(pipeline.open("farm"), days[8])
    assert found.stale_days == tuple(days[:6])
    assert found.stale_pairs == 5 * 6 + planted


def told(pipeline, today):
    return [(n.day, n.step, n.cause) for n in status(pipeline.open("farm"), today).notes]


def test_a_search_that_failed_is_told_until_the_day_is_made(season, tmp_path):
    days = days_of(season)
    with StandIn(season.directory) as earth_search:
        pipeline = set_up(season, tmp_path, catalog=earth_search.url)
        run(pipeline, days[:2])
        earth_search.fault = lambda request: Fault(html=True)
        for times in (1, 2):
            with pytest.raises(CatalogAnswerError) as caught:
                run(pipeline, days[2:4])
            (note,) = status(pipeline.open("farm"), days[3]).notes
            assert (note.day, note.step, note.times) == (days[2], Step.DAY, times)
            assert note.error == str(caught.value)
        earth_search.fault = None
        run(pipeline, days[2:4])
        assert told(pipeline, days[3]) == []


def test_a_store_that_failed_in_the_commit_is_told_until_the_day_is_made(
    season, tmp_path, monkeypatch
):
    days, pipeline = days_of(season), set_up(season, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(DayEdit, "commit", lambda *_: _raise(StoreUnavailableError("lost")))
        with pytest.raises(StoreUnavailableError, match="lost"):
            run(pipeline, days[:2])
    assert told(pipeline, days[1]) == [(days[0], Step.DAY, "StoreUnavailableError")]
    run(pipeline, days[:2])
    assert told(pipeline, days[1]) == []


def _raise(error):
    raise error


@pytest.fixture
def refusing(monkeypatch):
    """Let a day's rows be refused by the store while inside."""

    @contextmanager
    def refuse(day):
        def put_if(store, key, data, etag):
            if f"field_stats/area=farm/date={day}/" in key:
                raise StoreUnavailableError(f"{key} lost")
            sound(store, key, data, etag)

        sound = Store.put_if
        with monkeypatch.context() as patched:
            patched.setattr(Store, "put_if", put_if)
            yield pytest.raises(StoreUnavailableError, match=str(day))

    return refuse


def test_rows_that_could_not_be_made_are_told_until_they_are(season, tmp_path, refusing):
    days, pipeline = days_of(season), set_up(season, tmp_path)
    run(pipeline, days[:4])
    put_late_fields(pipeline, season)
    with refusing(days[1]) as refused, refused:
        list(pipeline.update_field_stats("farm", days[:4]))
    failed = [(days[1], Step.STATISTICS, "StoreUnavailableError")]
    assert told(pipeline, days[3]) == failed
    list(pipeline.update_field_stats("farm", days[2:4]))
    assert told(pipeline, days[3]) == failed
    list(pipeline.update_field_stats("farm", days[:2]))
    assert told(pipeline, days[3]) == []
    assert notes(pipeline.store, "farm") == []


def test_rows_that_are_not_wanted_any_more_are_not_told(season, tmp_path, refusing):
    days, pipeline = days_of(season), set_up(season, tmp_path)
    run(pipeline, days[:2])
    put_late_fields(pipeline, season)
    with refusing(days[1]) as refused, refused:
        list(pipeline.update_field_stats("farm", days[1:2]))
    assert told(pipeline, days[1]) == [(days[1], Step.STATISTICS, "StoreUnavailableError")]
    pipeline.store.delete("inputs/farm/fields/late.geojson")
    assert told(pipeline, days[1]) == []


def test_a_day_before_the_cube_is_not_told(season, tmp_path):
    days = days_of(season)
    pipeline = set_up(season, tmp_path, catalog=str(tmp_path / "nowhere.json"))
    with pytest.raises((CatalogAnswerError, CatalogUnavailableError)):
        run(pipeline, days[:1])
    assert [day for day, *_ in told(pipeline, days[0])] == [days[0]]
    run(set_up(season, tmp_path), days[1:2])
    assert told(pipeline, days[1]) == []
