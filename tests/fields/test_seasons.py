"""A field's seasons: every day from its first planting on, each day once."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from hydro_pipeline.fields.seasons import ends
from hydro_pipeline.stats.stale import Wanted

EPOCH = dt.date(1970, 1, 1)
FIRST = dt.date(2023, 1, 1)
DAYS = [FIRST + dt.timedelta(n) for n in range(60)]
plantings = st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from(DAYS)), max_size=8)


def wanted(seasons):
    return Wanted.of([(field, day, f"{field} {day}") for field, day in seasons], "1")


def rows_on(w, day):
    return [(w.field_ids[int(i)].as_py(), w.planted[i]) for i in w.on(day).nonzero()[0]]


def test_by_hand():
    spring, autumn = dt.date(2023, 3, 1), dt.date(2023, 9, 15)
    seasons = [("F1", spring), ("F1", autumn), ("F2", spring)]
    assert ends(seasons) == [dt.date(2023, 9, 14), None, None]
    assert ends([]) == []


@given(plantings)
def test_seasons_of_a_field_part_the_days_from_its_first_planting_on(seasons):
    w = wanted(seasons)
    for day in DAYS:
        running = rows_on(w, day)
        planted = {field for field, first in seasons if first <= day}
        assert sorted(field for field, _ in running) == sorted(planted)
        for field, number in running:
            latest = max(first for name, first in seasons if name == field and first <= day)
            assert number == (latest - EPOCH).days


@given(plantings, st.tuples(st.sampled_from("ab"), st.sampled_from(DAYS)))
def test_another_season_changes_no_row_before_its_planting(seasons, new):
    before, after = wanted(seasons), wanted(seasons | {new})
    for day in DAYS:
        if day < new[1]:
            assert rows_on(before, day) == rows_on(after, day)
            assert before.digest(day) == after.digest(day)
        others = [row for row in rows_on(after, day) if row[0] != new[0]]
        assert others == [row for row in rows_on(before, day) if row[0] != new[0]]


@given(plantings)
def test_the_digest_of_a_day_is_that_of_its_rows(seasons):
    w = wanted(seasons)
    for day in DAYS:
        running = [s for s in seasons if (s[0], (s[1] - EPOCH).days) in rows_on(w, day)]
        assert w.digest(day) == wanted(running).digest(DAYS[-1])
