"""Which rows are stale, and that no writer's row is lost."""

import datetime as dt
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.fields.fields import Field, FieldsReading
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.schema import to_rows
from hydro_pipeline.stats.stale import NO_FILE, VERSION_0_1_0, Wanted, row_hash, stale_pairs
from hydro_pipeline.stats.table import (
    DayFile,
    read_day,
    read_summary,
    read_table,
    stored_days,
    write_day,
)
from hydro_pipeline.storage.keys import stats_key
from hydro_pipeline.storage.store import Store

DAY = dt.date(2024, 5, 1)


def wanted(*fields):
    """Fields from (id, planting date, side in degrees)."""
    made = [Field(i, planted, box(5, 51, 5 + side, 51 + side), "f") for i, planted, side in fields]
    return Wanted.of(FieldsReading(tuple(made)).planted(ZonalWeights.COVERAGE))


def rows(ids, hashes, revision=1, mean=0.5):
    n = len(ids)
    columns = {
        "field_id": pa.array(ids, pa.string()),
        "field_hash": pa.array(hashes, pa.string()),
        "planting_date": [DAY] * n,
        "days_after_planting": [0] * n,
        "last_observed": [None] * n,
        "cube_revision": [revision] * n,
        "computed_at": [dt.datetime(2024, 5, 2, tzinfo=dt.UTC)] * n,
        "age_max_days": [None] * n,
        **{
            k: np.full(n, mean)
            for k in (
                "ndvi_mean", "ndvi_median", "ndvi_std", "ndvi_min", "ndvi_max", "ndvi_p10",
                "ndvi_p90", "pixel_count", "valid_fraction", "observed_fraction", "age_mean_days",
            )
        },
    }  # fmt: skip
    return to_rows(columns)


def of(w, *ids, revision=1, mean=0.5):
    """Fresh rows of the given fields."""
    index = [w.field_ids.to_pylist().index(i) for i in ids]
    return rows(list(ids), [w.hashes[i].as_py() for i in index], revision, mean)


def named(w, pairs):
    return [w.field_ids[int(i)].as_py() for i in pairs.compute]


A, B, C = ("a", DAY, 0.1), ("b", DAY - dt.timedelta(3), 0.2), ("c", DAY + dt.timedelta(1), 0.1)


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
    summary = _summary(table) if stored else NO_FILE
    assert summary.is_fresh(now, day, revision) == (not stale_pairs(now, day, revision, store_rows))


def _summary(table):
    from hydro_pipeline.stats.table import _summary as summarize

    return summarize(table)


@pytest.fixture(params=["directory", "s3"])
def store(request, settings):
    if request.param == "directory":
        return Store(settings)
    return Store(request.getfixturevalue("s3").settings())


def test_what_is_written_is_read_back(store):
    w = wanted(A, B)
    assert read_day(store, "farm", DAY) == DayFile(None, None)
    assert read_summary(store, "farm", DAY) == NO_FILE
    write_day(store, "farm", DAY, read_day(store, "farm", DAY), of(w, "b", "a"), [])
    table = read_day(store, "farm", DAY).rows
    assert table["field_id"].to_pylist() == ["a", "b"]
    assert read_summary(store, "farm", DAY).is_fresh(w, DAY, 1)
    assert not read_summary(store, "farm", DAY).is_fresh(w, DAY, 2)
    assert stored_days(store, "farm") == [DAY]
    assert read_table(store, "farm", [DAY], "b")["date"].to_pylist() == [DAY]


def test_a_writer_on_an_old_read_loses_nothing(store):
    w = wanted(A, B, C)
    old = read_day(store, "farm", DAY)
    write_day(store, "farm", DAY, old, of(w, "a"), [])
    write_day(store, "farm", DAY, old, of(w, "b"), [])
    assert read_day(store, "farm", DAY).rows["field_id"].to_pylist() == ["a", "b"]


def test_a_row_of_a_newer_revision_is_kept(store):
    w = wanted(A)
    old = read_day(store, "farm", DAY)
    write_day(store, "farm", DAY, old, of(w, "a", revision=3, mean=0.9), [])
    write_day(store, "farm", DAY, old, of(w, "a", revision=2, mean=0.1), [])
    assert read_day(store, "farm", DAY).rows["ndvi_mean"].to_pylist() == [0.9]


def test_twenty_threads_on_one_day(store):
    names = [f"f{n:02}" for n in range(20)]
    w = wanted(*((n, DAY, 0.1) for n in names))

    def write(name):
        write_day(store, "farm", DAY, DayFile(None, None), of(w, name), [])

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, names))
    assert read_day(store, "farm", DAY).rows["field_id"].to_pylist() == names


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.stats.test_table import DAY, DayFile, of, wanted, write_day
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store
names = [f"{p}{n}" for p in "pq" for n in range(15)]
w = wanted(*((n, DAY, 0.1) for n in names))
store, new = Store(Settings.load()), DayFile(None, None)
for n in range(15):
    write_day(store, "farm", DAY, new, of(w, sys.argv[2] + str(n)), [])
"""


def test_two_processes_on_one_day(store):
    environment = {
        f"HYDRO_{k.upper()}": getattr(v, "get_secret_value", lambda v=v: v)()
        for k, v in store.settings
        if k.startswith(("root", "s3_")) and v is not None
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parents[2]), prefix],
            env=os.environ | environment,
        )
        for prefix in "pq"
    ]
    assert [p.wait(60) for p in processes] == [0, 0]
    stored = read_day(store, "farm", DAY).rows["field_id"].to_pylist()
    assert stored == sorted(f"{p}{n}" for p in "pq" for n in range(15))


def test_a_broken_file_is_named(store):
    store.put(stats_key("farm", DAY), b"PAR1 not really")
    for read in (read_day, read_summary):
        with pytest.raises(StoredObjectError, match="date=2024-05-01"):
            read(store, "farm", DAY)


@pytest.mark.parametrize("name", ["field_id", "field_hash", "cube_revision", "pixel_count"])
def test_a_file_without_what_every_row_has_is_named(settings, name):
    store = Store(settings)
    sink = io.BytesIO()
    pq.write_table(of(wanted(A), "a").drop_columns([name]), sink)
    store.put(stats_key("farm", DAY), sink.getvalue())
    with pytest.raises(StoredObjectError, match=f"date=2024-05-01.*{name}"):
        read_day(store, "farm", DAY)


def test_a_row_is_fresh_for_one_version_of_the_statistics():
    assert row_hash("84af4c4fa859e298", VERSION_0_1_0) == "84af4c4fa859e298"
    hashes = {row_hash("84af4c4fa859e298", version) for version in (VERSION_0_1_0, "a", "b")}
    assert len(hashes) == 3
    assert row_hash("b", "a") != row_hash("a", "a")
