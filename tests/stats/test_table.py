"""A day's file is read back as it was written, and no writer's row is lost."""

import datetime as dt
import io
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hydro_pipeline.stats.stale import NO_FILE
from hydro_pipeline.stats.table import (
    DayFile,
    is_stale,
    read_day,
    read_summary,
    read_table,
    stored_days,
    write_day,
)
from hydro_pipeline.storage.keys import stats_key
from hydro_pipeline.storage.store import Store
from tests.support.product import SCHEMA
from tests.support.stat_rows import DAY, A, B, C, of, wanted


@pytest.fixture(params=["directory", "s3"])
def store(request, settings):
    if request.param == "directory":
        return Store(settings)
    return Store(request.getfixturevalue("s3").settings())


def test_what_is_written_is_read_back(store):
    w = wanted(A, B)
    assert read_day(store, "farm", DAY, SCHEMA) == DayFile(None, None)
    assert read_summary(store, "farm", DAY, SCHEMA) == NO_FILE
    write_day(store, "farm", DAY, read_day(store, "farm", DAY, SCHEMA), of(w, "b", "a"), [])
    table = read_day(store, "farm", DAY, SCHEMA).rows
    assert table["field_id"].to_pylist() == ["a", "b"]
    assert read_summary(store, "farm", DAY, SCHEMA).is_fresh(w, DAY, 1)
    assert not read_summary(store, "farm", DAY, SCHEMA).is_fresh(w, DAY, 2)
    assert stored_days(store, "farm") == [DAY]
    assert read_table(store, "farm", [DAY], SCHEMA, "b")["date"].to_pylist() == [DAY]


def test_a_writer_on_an_old_read_loses_nothing(store):
    w = wanted(A, B, C)
    old = read_day(store, "farm", DAY, SCHEMA)
    write_day(store, "farm", DAY, old, of(w, "a"), [])
    write_day(store, "farm", DAY, old, of(w, "b"), [])
    assert read_day(store, "farm", DAY, SCHEMA).rows["field_id"].to_pylist() == ["a", "b"]


def test_a_row_of_a_newer_revision_is_kept(store):
    w = wanted(A)
    old = read_day(store, "farm", DAY, SCHEMA)
    write_day(store, "farm", DAY, old, of(w, "a", revision=3, mean=0.9), [])
    write_day(store, "farm", DAY, old, of(w, "a", revision=2, mean=0.1), [])
    assert read_day(store, "farm", DAY, SCHEMA).rows["ndvi_mean"].to_pylist() == [0.9]


def test_twenty_threads_on_one_day(store):
    names = [f"f{n:02}" for n in range(20)]
    w = wanted(*((n, DAY, 0.1) for n in names))

    def write(name):
        write_day(store, "farm", DAY, DayFile(None, None), of(w, name), [])

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, names))
    assert read_day(store, "farm", DAY, SCHEMA).rows["field_id"].to_pylist() == names


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support.stat_rows import DAY, of, wanted
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.table import DayFile, write_day
from hydro_pipeline.storage.store import Store
from tests.support.product import SCHEMA
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
    assert [p.wait(200) for p in processes] == [0, 0]
    stored = read_day(store, "farm", DAY, SCHEMA).rows["field_id"].to_pylist()
    assert stored == sorted(f"{p}{n}" for p in "pq" for n in range(15))


@pytest.mark.parametrize("data", [b"", b"PAR1 not really", bytes(20_000), b"PAR1" * 5_000])
def test_a_broken_file_is_named_stale_and_written_anew(store, data):
    w = wanted(A, B)
    write_day(store, "farm", DAY + dt.timedelta(1), DayFile(None, None), of(w, "a"), [])
    store.put(stats_key("farm", DAY), data)
    broken = read_day(store, "farm", DAY, SCHEMA)
    assert broken.rows is None
    assert "date=2024-05-01/part-0.parquet is not readable as Parquet" in str(broken.broken)
    assert is_stale(store, "farm", w, DAY, 1, SCHEMA)
    assert is_stale(store, "farm", replace(wanted(), complete=True), DAY, 1, SCHEMA)
    with pytest.warns(UserWarning, match="date=2024-05-01.*hydro catch-up farm"):
        table = read_table(store, "farm", [DAY, DAY + dt.timedelta(1)], SCHEMA)
    assert table["date"].to_pylist() == [DAY + dt.timedelta(1)]
    write_day(store, "farm", DAY, broken, of(w, "a", "b"), [])
    assert read_day(store, "farm", DAY, SCHEMA).rows["field_id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("name", ["field_id", "field_hash", "cube_revision", "pixel_count"])
def test_a_file_without_what_every_row_has_is_named(settings, name):
    store = Store(settings)
    sink = io.BytesIO()
    pq.write_table(of(wanted(A), "a").drop_columns([name]), sink)
    store.put(stats_key("farm", DAY), sink.getvalue())
    file = read_day(store, "farm", DAY, SCHEMA)
    assert file.rows is None
    assert re.search(f"date=2024-05-01.*{name}", file.broken or "")


def test_rows_of_unknown_fields_are_not_stale_while_a_fields_file_is_broken(store):
    both = wanted(A, B)
    known = replace(wanted(A), complete=False)
    write_day(store, "farm", DAY, DayFile(None, None), of(both, "a", "b"), [])
    assert not is_stale(store, "farm", both, DAY, 1, SCHEMA)
    assert is_stale(store, "farm", wanted(A), DAY, 1, SCHEMA)
    assert not is_stale(store, "farm", known, DAY, 1, SCHEMA)
    assert is_stale(store, "farm", known, DAY, 2, SCHEMA)
    assert not is_stale(store, "farm", both, DAY - dt.timedelta(4), 1, SCHEMA)
