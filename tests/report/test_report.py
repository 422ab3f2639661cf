"""The report page: what it holds, and what it does in a browser."""

import base64
import datetime as dt
import re
import shutil
import sys
import zlib

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hydro_pipeline.cli import main as cli
from hydro_pipeline.days import day_number
from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.names import AREA_TAG, key
from hydro_pipeline.errors import MissingDayError
from hydro_pipeline.outputs.colours import variable_class
from hydro_pipeline.product import NODATA
from hydro_pipeline.report import frames as frames_module
from hydro_pipeline.report.blocks import pack
from hydro_pipeline.report.frames import frames
from hydro_pipeline.report.page import write_report
from hydro_pipeline.report.series import columns, series
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.product import NDVI


def unpack(text, dtype, width):
    steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).reshape(-1, width)
    return np.cumsum(steps, axis=1, dtype=dtype)


@pytest.fixture
def pipeline(reported, tmp_path):
    """A copy of the reported season, to be changed."""
    shutil.copytree(reported.pipeline.settings.root, tmp_path / "root")
    return Pipeline(reported.pipeline.settings.model_copy(update={"root": str(tmp_path / "root")}))


@given(arrays(st.sampled_from(["int16", "uint8", "uint16"]), (3, 5)))
def test_packed_numbers_come_back(array):
    np.testing.assert_array_equal(unpack(pack(array), array.dtype, 5), array)


def test_statistics_come_back_within_their_unit(pipeline, reported):
    rows = pipeline.open("demo").stats()
    for column in columns(NDVI):
        kept = reported.content["series"][column.name]
        numbers = unpack(kept["data"], kept["dtype"], 10)
        values = np.where(numbers == kept["none"], np.nan, numbers * kept["unit"])
        expected = np.array(rows[column.source].to_pylist(), float).reshape(10, 6).T
        np.testing.assert_allclose(values, expected, atol=kept["unit"] / 2 + 1e-12)


def test_ages_up_to_the_oldest_and_shares_are_told_exactly_enough():
    """An age in tenths of a day; a share in half percents."""
    told = {column.name: column for column in columns(NDVI)}
    found = told["age"].numbers(np.array([0.0, 12.34, 9_999.0, np.nan]))
    assert (found.tolist(), found.dtype) == ([0, 123, 65_534, 65_535], np.uint16)
    found = told["observed"].numbers(np.array([0.0, 0.5, 1.0, np.nan]))
    assert (found.tolist(), found.dtype) == ([0, 100, 200, 255], np.uint8)


def test_a_missing_row_is_none_and_a_foreign_one_left_out():
    rows = pa.table(
        {
            "field_id": ["B", "Z", "A", "B"],
            "planting_date": [dt.date(1970, 1, 1)] * 3 + [dt.date(1970, 1, 3)],
            "date": pa.array([1, 1, 9, 2], pa.int32()).cast(pa.date32()),
            **{column.source: [0.5, 0.6, None, 0.7] for column in columns(NDVI)},
        }
    )
    seasons = [(field_id, dt.date(1970, 1, 1)) for field_id in ("A", "B")]
    packed = series(rows, NDVI, seasons, dt.date(1970, 1, 1), 3)
    numbers = unpack(packed["mean"]["data"], "int16", 3)
    assert numbers.tolist() == [[NODATA] * 3, [NODATA, 5000, NODATA]]


def carried_forward(pictures, days):
    """The page's own way to a composite, in numpy: classes and age of the last of `days`."""
    ndvi = np.zeros(pictures.shape, np.uint8)
    age = np.full(pictures.shape, -1)
    for day in days:
        age[age >= 0] += 1
        if day in pictures.packed:
            seen = unpack(pictures.packed[day], "uint8", pictures.shape[1])
            ndvi = np.where(seen, seen, ndvi)
            age = np.where(seen, 0, age)
    return ndvi, age


@pytest.mark.parametrize("limit", [5_000_000, 20_000])
def test_pictures_carried_forward_are_the_cube(pipeline, monkeypatch, limit):
    monkeypatch.setattr(frames_module, "MAX_PIXELS", limit)
    cube = pipeline.open("demo").cube
    pictures = frames(pipeline.store, cube)
    assert (pictures.step > 1) == (limit == 20_000)
    for n in (0, 4, 9):
        ndvi, age = carried_forward(pictures, cube.days[: n + 1])
        (stored,), on = cube.read(cube.days[n])
        thin = (slice(None, None, pictures.step),) * 2
        stored, on = stored[thin], on[thin]
        np.testing.assert_array_equal(ndvi, variable_class(stored, NDVI))
        expected = np.where(stored == NODATA, -1, day_number(cube.days[n]) - on.astype(int))
        np.testing.assert_array_equal(age, expected)


@pytest.mark.parametrize(
    ("shape", "observed", "step"),
    [
        ((1000, 10), 5_000_000, 1),
        ((1000, 10), 5_000_001, 2),
        ((1000, 1000), 20_000_000, 2),
        ((1001, 10), 1, 2),
        ((10, 3001), 1, 4),
    ],
)
def test_pictures_hold_five_million_pixels_in_all_and_1000_on_a_side(shape, observed, step):
    assert frames_module._step(shape, observed) == step


def test_only_changed_days_are_read_again(pipeline, monkeypatch):
    calls = []
    inner = frames_module._frame
    cube = pipeline.open("demo").cube
    first = frames(pipeline.store, cube)
    monkeypatch.setattr(frames_module, "_frame", lambda *a: calls.append(a[1]) or inner(*a))
    assert frames(pipeline.store, cube) == first
    assert calls == []
    cube.revisions[cube.first_day] += 1
    assert frames(pipeline.store, cube) == first
    assert calls == [cube.first_day]


def test_an_area_without_a_day_has_no_report(season, tmp_path):
    pipeline = Pipeline(Settings.load(root=str(tmp_path / "root")))
    pipeline.put_area(season.area("new"))
    with pytest.raises(MissingDayError, match="hydro run new"):
        write_report(pipeline.open("new"))


def test_the_page_is_one_file_that_needs_nothing(reported):
    html = reported.page.read_text()
    assert reported.report.size == len(html.encode()) < 1_000_000
    assert "default-src 'none'" in html
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", html)
    assert "{{" not in html.split("<script>")[0]
    assert "<b>" not in html


def test_the_command(pipeline, monkeypatch, capsys):
    monkeypatch.setenv("HYDRO_ROOT", pipeline.settings.root)
    monkeypatch.setattr(sys, "argv", ["hydro", "report", "demo"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out = capsys.readouterr().out
    assert not stop.value.code
    assert "reports/demo/index.html: 6 fields, 10 days" in out
    assert "1 data warnings" in out


def test_the_asset_and_its_sensor(pipeline):
    defs = build_defs(pipeline, ["demo"])
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("demo_report").execute_in_process(instance=instance)
        event = instance.get_latest_materialization_event(key("demo", "report"))
        context = dg.build_run_status_sensor_context(
            sensor_name="demo_report",
            dagster_instance=instance,
            dagster_run=done.dagster_run,
            dagster_event=done.all_events[-1],
        )
        asked = defs.resolve_sensor_def("demo_report")(context)
    assert event.asset_materialization.metadata["fields"].value == 6
    assert (asked.run_key, asked.tags) == (done.run_id, {AREA_TAG: "demo"})
