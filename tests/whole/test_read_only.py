"""A reader needs no right to write, and meets nothing that a killed writer left."""

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import obstore
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
from obstore.exceptions import GenericError
from typer.testing import CliRunner

import hydro_pipeline
from hydro_pipeline.cli.main import app
from hydro_pipeline.cube.maintain import ORPHAN_HOURS, maintain
from hydro_pipeline.errors import StoreAccessError
from hydro_pipeline.stats.table import DayFile, write_day
from hydro_pipeline.storage.store import Store
from tests.support.areas import AREA, days_of, run, set_up
from tests.support.counting_s3 import CountingS3
from tests.support.stat_rows import DAY, A, of, wanted

DAYS = 3


@pytest.fixture(params=["directory", "s3"])
def readable(request, season, tmp_path, monkeypatch):
    """The root of an area that may be read and not be written; its days."""
    days = days_of(season)[:DAYS]
    monkeypatch.setenv("HYDRO_CATALOG", str(season.directory / "items.json"))
    if request.param == "directory":
        monkeypatch.setenv("HYDRO_ROOT", str(tmp_path / "root"))
        run(set_up(season), days)
        shutil.rmtree(tmp_path / "root/weights")

        def refuse(*_: object, **__: object) -> None:
            raise GenericError("Unable to open file: Permission denied (os error 13)")

        for name in ("put", "rename", "delete"):
            monkeypatch.setattr(obstore, name, refuse)
        yield days
    else:
        with CountingS3() as s3:
            for name, value in s3.environment.items():
                monkeypatch.setenv(name, value)
            run(set_up(season), days)
            s3.client().delete_object(Bucket="bucket", Key=f"data/weights/{AREA}.arrow")
            s3.fault = lambda method, _: "never" if method not in {"GET", "HEAD"} else None
            yield days


def commands(out: Path, days: list[dt.date]) -> list[list[str]]:
    return [
        ["status", AREA],
        ["stats", AREA, "--out", str(out / "stats.csv")],
        ["report", AREA, "--out", str(out / "page.html")],
        ["verify", AREA],
        ["export", AREA, str(out / "maps"), "--format", "cog", "--from", str(days[-1])],
        ["export", AREA, str(out / "cube.zarr"), "--format", "zarr"],
        ["export", AREA, str(out / "cube.nc"), "--format", "netcdf"],
        ["export", AREA, str(out / "rows.parquet"), "--format", "geoparquet"],
    ]


def test_every_reading_command_and_function(readable, tmp_path):
    out = tmp_path / "out"
    for arguments in commands(out, readable):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{arguments}: {done.output} {done.exception}"
    assert (out / "page.html").stat().st_size > 100_000
    assert pd.read_parquet(out / "rows.parquet").shape[0] > 0
    assert hydro_pipeline.open_cube(None, AREA).sizes["time"] == DAYS
    assert len(hydro_pipeline.open_field_stats(None, AREA)) > 0
    assert len(hydro_pipeline.history(None, AREA)) == DAYS
    assert hydro_pipeline.open_scenes(None, AREA, readable[0]) is not None


def test_what_has_to_write_says_that_it_may_not(readable):
    done = CliRunner().invoke(app, ["report", AREA])
    assert isinstance(done.exception, StoreAccessError)
    assert f"reports/{AREA}/index.html: access refused; check" in str(done.exception)


CHILD = """
import sys
from typer.testing import CliRunner
from hydro_pipeline.cli.main import app
from pathlib import Path
import datetime as dt
from tests.whole.test_read_only import commands
for arguments in commands(Path(sys.argv[1]), [dt.date.fromisoformat(sys.argv[2])]):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
"""


@pytest.mark.slow
def test_a_directory_whose_owner_may_not_write(season, tmp_path):
    days = days_of(season)[:DAYS]
    root = tmp_path / "root"
    run(set_up(season, root), days)
    shutil.rmtree(root / "weights")
    capability = "-dac_override,-dac_read_search"
    powerless = ["setpriv", f"--bounding-set={capability}", f"--inh-caps={capability}"]
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, to be root without its powers")
    paths = [root, *root.rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in paths}
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    child = [sys.executable, "-W", "ignore", "-c", CHILD, str(tmp_path / "out"), str(days[-1])]
    try:
        done = subprocess.run(
            [*(powerless if os.getuid() == 0 else []), *child],
            env=os.environ | {"HYDRO_ROOT": str(root), "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        for path in paths:
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*"))} == before


READERS = {
    "pandas": lambda root: len(pd.read_parquet(f"{root}/field_stats")),
    "pyarrow": lambda root: ds.dataset(f"{root}/field_stats", partitioning="hive").count_rows(),
    "polars": lambda root: len(pl.read_parquet(f"{root}/field_stats")),
    "duckdb": lambda root: len(
        duckdb.sql(f"from read_parquet('{root}/field_stats/*/*/*.parquet')").fetchall()
    ),
}


def test_what_a_killed_writer_left_meets_no_reader_and_goes(settings, monkeypatch):
    store = Store(settings)
    write_day(store, AREA, DAY, DayFile(None, None), of(wanted(A), "a"), [])
    with monkeypatch.context() as killed:
        # What is done after a kill: nothing, neither the move nor the cleaning up.
        for name in ("rename", "delete"):
            killed.setattr(obstore, name, lambda *_, **__: None)
        for day in (DAY, DAY + dt.timedelta(1)):
            write_day(store, "other", day, DayFile(None, None), of(wanted(A), "a"), [])
    assert {name: read(settings.root) for name, read in READERS.items()} == dict.fromkeys(
        READERS, 1
    )
    now = dt.datetime.now(dt.UTC)
    assert maintain(store, AREA, now).orphans == 0
    assert maintain(store, AREA, now + dt.timedelta(hours=ORPHAN_HOURS, minutes=1)).orphans == 2
    assert list((Path(settings.root) / ".writing").iterdir()) == []


def test_what_an_older_version_or_a_library_left_goes_and_nothing_of_people(settings):
    store = Store(settings)
    write_day(store, AREA, DAY, DayFile(None, None), of(wanted(A), "a"), [])
    root = Path(settings.root)
    theirs = [f"field_stats/area={AREA}/date={DAY}/part-0.parquet#1", f"cubes/{AREA}/chunks/X#12"]
    people = [f"inputs/{AREA}/fields/plots.geojson#1", f"field_stats/area={AREA}/notes #1.txt"]
    for name in (*theirs, *people):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{")
    store.put(".probe/left", b"hydro")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=ORPHAN_HOURS, minutes=1)
    assert maintain(store, AREA, later).orphans == 3
    assert [(root / name).exists() for name in (*theirs, *people)] == [False, False, True, True]
    (root / people[1]).unlink()
    assert {name: read(root) for name, read in READERS.items()} == dict.fromkeys(READERS, 1)


def test_a_write_that_fails_leaves_nothing(settings, monkeypatch):
    store = Store(settings)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(obstore, "rename", fail)
    with pytest.raises(Exception, match="No space left"):
        store.put("a/b", b"x")
    assert [path for path in Path(settings.root).rglob("*") if path.is_file()] == []
