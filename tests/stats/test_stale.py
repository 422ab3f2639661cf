"""Which rows are stale: the one rule."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from hydro_pipeline.fields.fields import Field
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.stale import NO_FILE, NOT_READABLE, VERSION_0_1_0, row_hash, stale_pairs
from hydro_pipeline.stats.table import _summary as summary_of
from tests.support.stat_rows import DAY, A, B, C, of, wanted


def named(w, pairs):
    return [w.field_ids[int(i)].as_py() for i in pairs.compute]


def test_a_missing_row_is_stale_from_its_planting_date_on():
    w = wanted(A, B, C)
    assert named(w, stale_pairs(w, DAY, 1, None)) == ["a", "b"]
    assert named(w, stale_pairs(w, DAY - dt.timedelta(1), 1, None)) == ["b"]
    assert named(w, stale_pairs(w, DAY + dt.timedelta(1), 1, None)) == ["a", "b", "c"]
    assert not stale_pairs(w, DAY - dt.timedelta(4), 1, None)


def test_fresh_rows_are_left_alone():
    w = wanted(A, B)
    pairs = stale_pairs(w, DAY, 2, of(w, "a", "b", revision=2))
    assert not pairs
    assert pairs.drop == ()


def test_an_older_revision_an_edited_field_and_a_stranger():
    w = wanted(A, B)
    edited = wanted(("a", DAY, 0.3), B)
    assert named(w, stale_pairs(w, DAY, 2, of(w, "a", "b", revision=1))) == ["a", "b"]
    assert named(edited, stale_pairs(edited, DAY, 1, of(w, "a", "b"))) == ["a"]
    pairs = stale_pairs(w, DAY, 1, of(wanted(A, B, ("x", DAY, 0.1)), "a", "b", "x"))
    assert (named(w, pairs), pairs.drop) == ([], ("x",))


def test_a_row_before_planting_is_dropped():
    w, moved = wanted(A), wanted(("a", DAY + dt.timedelta(2), 0.1))
    pairs = stale_pairs(moved, DAY, 1, of(w, "a"))
    assert pairs.drop == ("a",)
    assert len(pairs.compute) == 0


def test_a_new_planting_date_or_way_of_weighting_makes_rows_stale():
    field = Field("a", DAY, box(5, 51, 5.1, 51.1), "f")
    moved = Field("a", DAY - dt.timedelta(1), field.geometry, "f")
    hashes = {
        field.hash(ZonalWeights.COVERAGE),
        field.hash(ZonalWeights.CENTRE),
        moved.hash(ZonalWeights.COVERAGE),
    }
    assert len(hashes) == 3


ids = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


@given(fields=ids, stored=ids, edited=ids, revision=st.integers(1, 3), offset=st.integers(-4, 4))
def test_the_footer_tells_exactly_whether_anything_is_stale(
    fields, stored, edited, revision, offset
):
    day = DAY + dt.timedelta(offset)
    planted = {i: DAY + dt.timedelta(n - 4) for n, i in enumerate("abcdefgh")}
    now = wanted(*((i, planted[i], 0.1 if i not in edited else 0.4) for i in fields))
    then = wanted(*((i, planted[i], 0.1) for i in "abcdefgh"))
    table = of(then, *sorted(stored), revision=2)
    store_rows = table if stored else None
    summary = summary_of(table) if stored else NO_FILE
    assert summary.is_fresh(now, day, revision) == (not stale_pairs(now, day, revision, store_rows))


def test_a_file_that_cannot_be_read_is_never_fresh():
    """Nor where no field is wanted, on the first revision of a day."""
    assert NO_FILE.is_fresh(wanted(), DAY, 0)
    assert not NOT_READABLE.is_fresh(wanted(), DAY, 0)


def test_a_row_is_fresh_for_one_version_of_the_statistics():
    assert row_hash("84af4c4fa859e298", VERSION_0_1_0) == "84af4c4fa859e298"
    hashes = {row_hash("84af4c4fa859e298", version) for version in (VERSION_0_1_0, "a", "b")}
    assert len(hashes) == 3
    assert row_hash("b", "a") != row_hash("a", "a")
