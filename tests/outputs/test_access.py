import datetime as dt
import json
import shutil
import subprocess
import sys

import duckdb
import numpy as np
import odc.geo.xr  # noqa: F401
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import hydro_pipeline
from hydro_pipeline.errors import DamagedCubeError, MissingDayError
from tests.support.buckets import make_bucket
from tests.support.seasons import make_season

DAY = dt.date(2024, 4, 6)


@pytest.fixture(scope="module", params=["directory", "S3"])
def root(request, made, season, s3_server):
    """The root of the season, and the environment that it needs."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "directory":
            yield made.settings.root
        else:
            bucket = make_bucket(s3_server)
            for name, value in bucket.environment.items():
                patch.setenv(name, value)
            make_season(season, bucket.settings())
            yield bucket.settings().root


def test_the_cube_is_lazy_float32_with_nan_and_crs(root, made):
    cube = hydro_pipeline.open_cube(root, "demo")
    assert dict(cube.sizes) == {"time": 10, "y": 132, "x": 132}
    assert cube.ndvi.chunks is not None
    assert (cube.ndvi.dtype, cube.age.dtype) == (np.float32, np.float32)
    assert cube.rio.crs.to_epsg() == cube.odc.crs.epsg == 32631
    assert cube.odc.geobox == made.area("demo").grid
    (ndvi,), observed_on = made.open("demo").cube.read(DAY)
    day = cube.sel(time=str(DAY)).compute()
    expected = np.where(ndvi == -32768, np.nan, ndvi * 1e-4)
    np.testing.assert_allclose(day.ndvi, expected, atol=1e-7)
    age = np.where(ndvi == -32768, np.nan, (DAY - dt.date(1970, 1, 1)).days - observed_on * 1.0)
    np.testing.assert_array_equal(day.age, age)
    assert set(day.ndvi.attrs) == set(day.age.attrs) == {"long_name", "units", "grid_mapping"}
    assert day.observed_fraction.item() == pytest.approx(np.mean(age == 0))


def test_a_field_is_clipped_out_of_the_cube(made):
    cube = hydro_pipeline.open_cube(made.settings.root, "demo")
    stats = made.open("demo").stats(DAY, DAY).to_pylist()
    for row, field in zip(stats, made.open("demo").fields.fields, strict=True):
        inside = cube.rio.clip([field.geometry], crs=4326).sel(time=str(DAY)).compute()
        assert inside.ndvi.mean().item() == pytest.approx(row["ndvi_mean"], abs=0.02)
        assert inside.age.mean().item() == pytest.approx(row["age_mean_days"], abs=0.3)


def test_what_is_opened_can_be_written(made, tmp_path):
    cube = hydro_pipeline.open_cube(made.settings.root, "demo").isel(time=[0, 5])
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "cube.nc", decode_coords="all", decode_timedelta=False) as back:
        np.testing.assert_array_equal(back.ndvi, cube.ndvi)
        assert back.rio.crs == cube.rio.crs


def test_the_history_leads_back_to_every_state(root):
    commits = hydro_pipeline.history(root, "demo")
    assert commits["day"].dt.date.tolist() == [dt.date(2024, 4, n) for n in range(10, 0, -1)]
    assert set(commits["run_id"]) == {"a-run"}
    fourth = commits[commits["day"] == "2024-04-04"].index[0]
    assert hydro_pipeline.open_cube(root, "demo", snapshot=fourth).sizes["time"] == 4
    assert commits["scenes"].map(len).sum() == int(
        hydro_pipeline.open_cube(root, "demo").scene_count.sum()
    )


def test_statistics_as_a_data_frame(root):
    stats = hydro_pipeline.open_field_stats(root, "demo")
    assert len(stats) == 60
    assert stats["date"].dtype.kind == stats["last_observed"].dtype.kind == "M"
    some = hydro_pipeline.open_field_stats(root, "demo", DAY, DAY + dt.timedelta(1), "L01")
    assert some["date"].dt.date.tolist() == [DAY, DAY + dt.timedelta(1)]
    assert some["field_id"].tolist() == ["L01", "L01"]


def test_the_scenes_of_a_day(root, made):
    scenes = hydro_pipeline.open_scenes(root, "demo", DAY)
    used = scenes.extra_fields["hydro:used"]
    assert [item.id for item in scenes] == [u["id"] for u in used]
    assert sum(u["used_share"] for u in used) == pytest.approx(
        float(made.open("demo").cube.daily("observed_fraction")[5]), abs=1e-5
    )


def test_what_is_not_there_is_named(root):
    for function in (hydro_pipeline.open_cube, hydro_pipeline.history):
        with pytest.raises(MissingDayError, match="cubes/nowhere: there is no cube yet"):
            function(root, "nowhere")
    with pytest.raises(MissingDayError, match="2023-01-01 was not made yet"):
        hydro_pipeline.open_scenes(root, "demo", dt.date(2023, 1, 1))
    assert hydro_pipeline.open_field_stats(root, "nowhere").empty


def test_hive_partitions_are_read_by_others(made):
    stats = hydro_pipeline.open_field_stats(made.settings.root, "demo")
    everything = f"{made.settings.root}/field_stats/**/*.parquet"
    query = f"""
        select area, date, field_id, ndvi_mean
        from read_parquet('{everything}', hive_partitioning = true) order by date, field_id
    """
    by_duckdb = duckdb.sql(query).df()
    by_polars = pl.scan_parquet(everything, hive_partitioning=True).sort("date", "field_id")
    by_pandas = pd.read_parquet(f"{made.settings.root}/field_stats")
    by_pandas = by_pandas.sort_values(["date", "field_id"])
    for mean in (by_duckdb["ndvi_mean"], by_polars.collect()["ndvi_mean"], by_pandas["ndvi_mean"]):
        np.testing.assert_array_equal(mean.to_numpy(), stats["ndvi_mean"].to_numpy())
    assert set(by_duckdb["area"]) == {"demo"}
    assert pd.to_datetime(by_duckdb["date"]).tolist() == stats["date"].tolist()


def test_importing_the_package_is_light():
    code = (
        "import json, sys, hydro_pipeline;"
        "print(json.dumps(sorted(sys.modules))); hydro_pipeline.open_cube"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout)) & {"numpy", "xarray", "pandas", "icechunk", "pystac"}
    with pytest.raises(AttributeError, match="no attribute 'open_nothing'"):
        hydro_pipeline.open_nothing  # noqa: B018


def test_a_chunk_that_is_lost_is_named_where_it_is_computed(made, tmp_path):
    shutil.copytree(made.settings.root, tmp_path / "root")
    for chunk in (tmp_path / "root/cubes/demo/chunks").iterdir():
        chunk.unlink()
    lazy = hydro_pipeline.open_cube(str(tmp_path / "root"), "demo")
    assert lazy.observed_fraction.values[0] >= 0  # What is beside the pixels is still there.
    day = lazy.time.values[1].astype("datetime64[D]")
    for name in ("ndvi", "age"):
        with pytest.raises(DamagedCubeError, match=rf"of {day}, chunk 0/0, is lost; mend it"):
            lazy[name][1].compute()
