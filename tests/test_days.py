"""Days as numbers and as ranges, and which are run next."""

import datetime as dt

import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.days import day_number, due_days, last_due_day, number_day, ranges

DAY = dt.date(2024, 5, 20)


@pytest.mark.parametrize(
    ("longitude", "utc", "latency", "expected"),
    [
        (5.0, "2024-05-20T10:00", 2, "2024-05-18"),
        (5.0, "2024-05-20T10:00", 0, "2024-05-19"),
        (5.0, "2024-05-20T23:50", 2, "2024-05-18"),
        (175.0, "2024-05-20T23:50", 1, "2024-05-19"),
        (-170.0, "2024-05-20T05:00", 1, "2024-05-18"),
    ],
)
def test_last_due_day_has_ended_at_the_area_and_in_utc(longitude, utc, latency, expected):
    area = Area.from_bbox("a", (longitude, 10, longitude + 0.1, 10.1))
    now = dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC)
    assert last_due_day(area, now, latency) == dt.date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("start", "committed", "first", "last"),
    [
        (None, DAY - dt.timedelta(5), DAY - dt.timedelta(4), DAY),
        (DAY - dt.timedelta(2), None, DAY - dt.timedelta(2), DAY),
        (DAY - dt.timedelta(400), DAY - dt.timedelta(1), DAY, DAY),
        (None, DAY - dt.timedelta(100), DAY - dt.timedelta(99), DAY - dt.timedelta(69)),
        (None, DAY - dt.timedelta(31), DAY - dt.timedelta(30), DAY),
    ],
)
def test_catch_up_begins_at_the_first_gap_and_is_at_most_a_month(start, committed, first, last):
    assert due_days(start, committed, DAY) == (first, last)


@pytest.mark.parametrize(
    ("start", "committed"), [(None, None), (None, DAY), (DAY + dt.timedelta(1), None)]
)
def test_nothing_is_due(start, committed):
    assert due_days(start, committed, DAY) is None


def test_days_that_follow_each_other_are_ranges():
    days = [dt.date(2024, 3, d) for d in (1, 2, 3, 7, 9, 10)]
    assert [(a.day, b.day) for a, b in ranges(reversed(days))] == [(1, 3), (7, 7), (9, 10)]
    assert ranges([]) == []


@pytest.mark.parametrize(("day", "number"), [("1970-01-01", 0), ("2024-05-20", 19_863)])
def test_days_are_counted_from_1970(day, number):
    assert day_number(dt.date.fromisoformat(day)) == number
    assert number_day(number) == dt.date.fromisoformat(day)
