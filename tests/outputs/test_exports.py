import datetime as dt
import json
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray as xr

import hydro_pipeline
from hydro_pipeline.cli import main as cli
from hydro_pipeline.errors import FieldsError, InputError, MissingDayError
from hydro_pipeline.outputs import colours as ramp
from hydro_pipeline.outputs.exports import Export, Format, field_window
from hydro_pipeline.product import NODATA
from tests.support.product import NDVI

FIRST, LAST = dt.date(2024, 4, 3), dt.date(2024, 4, 7)


@pytest.fixture(scope="module")
def export(made):
    return Export(made.open("demo"), FIRST, LAST)


@pytest.fixture(scope="module")
def cube(made):
    return hydro_pipeline.open_cube(made.settings.root, "demo").sel(
        time=slice("2024-04-03", "2024-04-07")
    )


def test_a_day_as_geotiffs(made, export, tmp_path):
    written = export.write(Format.COG, tmp_path / "maps")
    assert len(written) == 3 * 5
    (stored,), observed_on = made.open("demo").cube.read(FIRST)
    with rasterio.open(tmp_path / "maps/demo_2024-04-03_ndvi.tif") as file:
        np.testing.assert_array_equal(file.read(1), stored)
        assert (file.nodata, file.scales, file.offsets) == (NODATA, (1e-4,), (0.0,))
        assert file.crs.to_epsg() == 32631
        assert file.transform == made.area("demo").grid.transform
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags()["DAY"] == "2024-04-03"
    with rasterio.open(tmp_path / "maps/demo_2024-04-03_age.tif") as file:
        age = np.where(stored == NODATA, -1, (FIRST - dt.date(1970, 1, 1)).days - observed_on)
        np.testing.assert_array_equal(file.read(1), age)
        assert file.nodata == -1
    with rasterio.open(tmp_path / "maps/demo_2024-04-03_visual.tif") as file:
        np.testing.assert_array_equal(file.read(1), ramp.variable_class(stored, NDVI))
        assert file.colormap(1)[0] == (0, 0, 0, 0)
        assert file.colormap(1)[255] == (8, 63, 41, 255)


def test_a_large_map_has_overviews(made):
    from odc.geo.geobox import GeoBox

    from hydro_pipeline.outputs.cog import variable_cog

    grid = GeoBox.from_bbox((600_000, 5_600_000, 612_000, 5_612_000), "EPSG:32631", resolution=10)
    pixels = np.full(grid.shape, 5000, np.int16)
    pixels[::2] = NODATA
    with rasterio.MemoryFile(variable_cog(pixels, NDVI, grid, {})) as memory, memory.open() as file:
        assert file.overviews(1) == [2, 4]
        assert set(np.unique(file.read(1, out_shape=(600, 600)))) == {5000}


@pytest.mark.parametrize(("value", "expected"), [
    (NODATA, 0), (-10_000, 1), (-2000, 1), (10_000, 255), (4000, 128),
])  # fmt: skip
def test_classes_of_colour(value, expected):
    assert ramp.variable_class(np.array([value], np.int16), NDVI).item() == expected


@pytest.mark.parametrize(
    ("file_format", "name"), [(Format.ZARR, "c.zarr"), (Format.NETCDF, "c.nc")]
)
def test_the_cube_in_a_plain_file(export, cube, tmp_path, file_format, name):
    export.write(file_format, tmp_path / name)
    opened = (
        xr.open_zarr(tmp_path / name, decode_coords="all", chunks=None)
        if file_format == Format.ZARR
        else xr.open_dataset(tmp_path / name, decode_coords="all")
    )
    with opened as found:
        np.testing.assert_allclose(found.ndvi, cube.ndvi, atol=1e-7)
        age = (found.time - found.observed_on).dt.days.transpose("time", "y", "x")
        np.testing.assert_array_equal(age, cube.age)
        assert found.time.values.tolist() == cube.time.values.tolist()
        np.testing.assert_array_equal(found.revision, cube.revision)
        assert found.rio.crs == cube.rio.crs
        assert found.rio.transform() == cube.rio.transform()
        assert "grid_mapping" in found.ndvi.encoding
        assert f"snapshot {export.state.made_cube.session.snapshot_id}" in found.history


def test_zarr_needs_no_icechunk(export, tmp_path):
    export.write(Format.ZARR, tmp_path / "c.zarr")
    metadata = json.loads((tmp_path / "c.zarr/zarr.json").read_text())
    assert metadata["zarr_format"] == 3
    arrays = metadata["consolidated_metadata"]["metadata"]
    assert arrays["ndvi"]["fill_value"] == NODATA
    assert arrays["ndvi"]["attributes"]["scale_factor"] == 1e-4
    with pytest.raises(InputError, match="is there already"):
        export.write(Format.ZARR, tmp_path / "c.zarr")


def test_netcdf_says_what_cf_asks_for(export, tmp_path):
    export.write(Format.NETCDF, tmp_path / "c.nc")
    with xr.open_dataset(tmp_path / "c.nc", decode_cf=False) as file:
        assert file.attrs["Conventions"] == "CF-1.11"
        assert {"title", "source", "history"} <= file.attrs.keys()
        for name in ("ndvi", "observed_on"):
            assert file[name].dtype == file[name].attrs["_FillValue"].dtype == np.int16
            assert file[name].attrs["grid_mapping"] == "spatial_ref"
        packing = {n: file.ndvi.attrs[n] for n in ("scale_factor", "add_offset")}
        assert {type(value) for value in packing.values()} == {np.float32}
        assert {file.ndvi.attrs[n].dtype for n in ("valid_min", "valid_max")} == {np.dtype("int16")}
        for axis in "xy":
            assert "_FillValue" not in file[axis].attrs
            assert file[axis].attrs["standard_name"] == f"projection_{axis}_coordinate"
            assert (file[axis].attrs["units"], file[axis].attrs["axis"]) == ("metre", axis.upper())
        assert (
            file.time.attrs["units"] == file.observed_on.attrs["units"] == "days since 1970-01-01"
        )
        assert file.spatial_ref.attrs["grid_mapping_name"] == "transverse_mercator"
        for variable in file.variables.values():
            assert set(variable.attrs) & {"long_name", "standard_name", "grid_mapping_name"}


def test_statistics_with_outlines(made, export, tmp_path):
    export.write(Format.GEOPARQUET, tmp_path / "s.parquet")
    geo = json.loads(pq.read_schema(tmp_path / "s.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert "covering" in geo["columns"]["geometry"]
    found = gpd.read_parquet(tmp_path / "s.parquet")
    assert len(found) == 6 * 5
    outlines = {f.field_id: f.geometry for f in made.open("demo").fields.fields}
    assert all(row.geometry.equals(outlines[row.field_id]) for row in found.itertuples())
    export.write(Format.CSV, tmp_path / "s.csv")
    rows = pyarrow.csv.read_csv(tmp_path / "s.csv")
    np.testing.assert_array_equal(rows["ndvi_mean"].to_numpy(), found["ndvi_mean"])


def test_one_field_is_its_rows_and_the_pixels_around_it(made, tmp_path):
    one = Export(made.open("demo"), field_id="F02")
    one.write(Format.CSV, tmp_path / "s.csv")
    assert pyarrow.csv.read_csv(tmp_path / "s.csv")["field_id"].unique().to_pylist() == ["F02"]
    one.write(Format.NETCDF, tmp_path / "c.nc")
    field = next(f for f in made.open("demo").fields.fields if f.field_id == "F02")
    with xr.open_dataset(tmp_path / "c.nc", decode_coords="all") as found:
        west, south, east, north = found.rio.bounds()
        assert found.ndvi.shape[1:] == field_window(made.area("demo").grid, [field]).shape
    outline = gpd.GeoSeries([field.geometry], crs=4326).to_crs(32631).total_bounds
    outward = np.array(
        [outline[0] - west, outline[1] - south, east - outline[2], north - outline[3]]
    )
    assert ((outward >= 0) & (outward < 10)).all()


def test_what_cannot_be_exported_is_named(made, tmp_path):
    with pytest.raises(FieldsError, match="has no field 'F99'"):
        Export(made.open("demo"), field_id="F99").write(Format.COG, tmp_path / "x")
    with pytest.raises(MissingDayError, match="2024-05-01 is not in the cube"):
        Export(made.open("demo"), last=dt.date(2024, 5, 1)).write(Format.COG, tmp_path / "x")
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(InputError, match=r"there\.zarr is there already"):
        Export(made.open("demo")).write(Format.ZARR, tmp_path / "there.zarr")


@pytest.mark.parametrize(
    ("file_format", "writer"),
    [
        (Format.ZARR, "xarray.Dataset.to_zarr"),
        (Format.CSV, "hydro_pipeline.outputs.exports.write_csv"),
    ],
)
def test_an_export_that_ends_half_way_is_not_there_and_can_be_made_again(
    export, tmp_path, monkeypatch, file_format, writer
):
    to = tmp_path / "out"

    def half(*args, **_):
        part = next(arg for arg in args if isinstance(arg, Path))
        if file_format is Format.ZARR:
            part.mkdir()
            part /= "c"
        part.write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(writer, half)
        with pytest.raises(KeyboardInterrupt):
            export.write(file_format, to)
    assert not to.exists()
    assert export.write(file_format, to) == [to]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HYDRO_ROOT", made.settings.root)
    monkeypatch.setattr(sys, "argv", [
        "hydro", "export", "demo", "--format", "cog", "--from", "2024-04-03", "--to", "2024-04-03",
        str(tmp_path / "maps"),
    ])  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert f"3 files written to {tmp_path}/maps/" in capsys.readouterr().out
