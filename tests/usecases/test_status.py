"""How an area stands."""

import datetime as dt

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
