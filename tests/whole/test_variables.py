"""Several variables of one run: each is what it is alone, under one `observed_on`."""

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

import hydro_pipeline
from hydro_pipeline.area.area import Area
from hydro_pipeline.area.rules import rules_of
from hydro_pipeline.cli.main import app
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import CubeMeaningError
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.outputs.exports import Export, Format
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.product import NODATA
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import AREA, days_of, run, set_up, table

NAMES = ("savi", "ndvi", "sr", "red", "nir")


@pytest.fixture(scope="module")
def alone(season, tmp_path_factory):
    """NDVI alone, as ever."""
    pipeline = set_up(season, tmp_path_factory.mktemp("alone"))
    run(pipeline, days_of(season))
    return pipeline


@pytest.fixture(scope="module")
def made(season, tmp_path_factory):
    """All of `NAMES`, which the area has of its own."""
    pipeline = set_up(season, tmp_path_factory.mktemp("made"))
    own = rules_of(AREA, {"variables": ",".join(NAMES)})
    known = season.area(AREA)
    pipeline.put_area(Area.from_bbox(AREA, known.bbox, known.crs, known.resolution, own))
    run(pipeline, days_of(season))
    return pipeline


def test_ndvi_is_what_it_is_alone(season, alone, made):
    ours, theirs = (Cube.open(p.store, AREA) for p in (made, alone))
    for day in days_of(season):
        mine, other = ours.read(day), theirs.read(day)
        np.testing.assert_array_equal(mine.values[NAMES.index("ndvi")], other.values[0])
        np.testing.assert_array_equal(mine.observed_on, other.observed_on)
    assert theirs.product.names == ("ndvi", "observed_on")
    assert ours.product.names == (*NAMES, "observed_on")


def test_an_index_is_that_of_the_bands_that_are_kept(season, made):
    cube = Cube.open(made.store, AREA)
    values, observed_on = cube.read(days_of(season)[-1])
    savi, ndvi, sr, red, nir = values.astype(float)
    seen = observed_on != NODATA
    assert ((values != NODATA) == seen).all()
    assert 0.5 < seen.mean() <= 1
    red, nir = red[seen] / 1e4, nir[seen] / 1e4
    assert np.abs(ndvi[seen] / 1e4 - (nir - red) / (nir + red)).max() < 5.1e-5
    assert np.abs(savi[seen] / 1e4 - 1.5 * (nir - red) / (nir + red + 0.5)).max() < 5.1e-5
    assert np.abs(sr[seen] / 1e3 - np.clip(nir / red, -32, 32)).max() < 5.1e-4


def test_statistics_have_columns_of_each(alone, made):
    ours, theirs = table(made), table(alone)
    assert len(ours) == len(theirs) > 0
    for mine, other in zip(ours, theirs, strict=True):
        assert {k: mine[k] for k in other if k != "field_hash"} == {
            k: v for k, v in other.items() if k != "field_hash"
        }
        assert mine["field_hash"] != other["field_hash"]
    row = next(row for row in ours if row["pixel_count"])
    assert row["red_mean"] < row["nir_mean"] < 1
    assert row["sr_min"] <= row["sr_p10"] <= row["sr_median"] <= row["sr_p90"] <= row["sr_max"]
    assert made.open(AREA).stale_days() == []
    assert made.settled(AREA)


def test_the_same_is_read_in_a_notebook(made):
    root = made.settings.root
    cube = hydro_pipeline.open_cube(root, AREA)
    assert list(cube.data_vars) == [*NAMES, "age"]
    assert cube.savi.attrs["long_name"].startswith("soil adjusted vegetation index, L = 0.5, (1.5")
    assert float(cube.sr.max()) > 1
    stats = hydro_pipeline.open_field_stats(root, AREA)
    assert {"savi_mean", "red_p90"} <= set(stats.columns)
    assert isinstance(stats, pd.DataFrame)


def test_every_variable_is_exported(made, tmp_path):
    state = made.open(AREA)
    day = state.made_cube.last_day
    stored = state.made_cube.read(day)
    export = Export(state, day, day)
    maps = {path.name for path in export.write(Format.COG, tmp_path / "maps")}
    kinds = {*NAMES, "age", "visual", *(f"visual_{name}" for name in NAMES[1:])}
    assert maps == {f"farm_{day}_{kind}.tif" for kind in kinds}
    with rasterio.open(tmp_path / f"maps/farm_{day}_sr.tif") as file:
        np.testing.assert_array_equal(file.read(1), stored.values[2])
        assert file.scales == (1e-3,)
    export.write(Format.NETCDF, tmp_path / "farm.nc")
    with xr.open_dataset(tmp_path / "farm.nc", engine="h5netcdf") as dataset:
        expected = np.where(stored.values[2] == NODATA, np.nan, stored.values[2] * 1e-3)
        np.testing.assert_allclose(dataset.sr[0], expected, atol=1e-6)


def test_the_catalog_tells_of_every_variable(made):
    state = made.open(AREA)
    day = state.made_cube.last_day
    assert list(Publication(state).publish(day, day)) == [day]
    keys = [o.key for o in made.store.listing("stac")]
    item = json.loads(made.store.get(next(k for k in keys if k.endswith(f"{day}.json"))))
    assert {*NAMES, "age", "visual", "visual_ndvi"} <= item["assets"].keys()
    assert item["assets"]["sr"]["raster:bands"][0]["scale"] == 1e-3
    collection = json.loads(made.store.get(next(k for k in keys if k.endswith("collection.json"))))
    assert {*NAMES, "observed_on"} == collection["cube:variables"].keys()


def test_other_variables_are_not_put_beside_those_that_are_there(season, made):
    other = made.settings.model_copy(update={"variables": ("ndvi",)})
    pipeline = Pipeline(other)
    with pytest.raises(CubeMeaningError, match="variables is"):
        pipeline.put_area(season.area(AREA))
    # The area's own rule is not overruled by the environment.
    assert list(pipeline.ingest_days(AREA, days_of(season)[-1:]))


def test_areas_of_one_root_measure_their_own(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    box, own = season.area("other").bbox, rules_of("other", {"variables": "red"})
    pipeline.put_area(Area.from_bbox("other", box, rules=own))
    put_fields(pipeline.store, season.area("other"), "f.geojson", season.fields_geojson)
    for name in (AREA, "other"):
        run(pipeline, days_of(season)[:1], name)
    ours, theirs = (table(pipeline, name) for name in (AREA, "other"))
    assert "ndvi_mean" in ours[0]
    assert "red_mean" in theirs[0]
    assert "ndvi_mean" not in theirs[0]


def test_rules_are_set_and_shown_by_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRO_ROOT", str(tmp_path))
    monkeypatch.setenv("HYDRO_MAX_AGE_DAYS", "40")

    def hydro(*arguments):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
        return done.exit_code, done.output + str(done.exception or "")

    assert hydro("area", "set", "mol", "--variables", "ndmi")[0] != 0  # No box.
    box = "--bbox=5.05,51.19,5.07,51.21"
    assert hydro("area", "set", "mol", box, "--variables", "ndmi,nir")[0] == 0
    assert hydro("area", "set", "mol", "--cloud-buffer", "0")[0] == 0
    stored = Pipeline(Settings.load()).area("mol")
    assert dict(stored.rules) == {"variables": "ndmi,nir", "cloud_buffer_m": "0"}
    code, shown = hydro("settings", "--area", "mol")
    assert code == 0
    rows = {line.split()[0]: line for line in shown.splitlines() if line.startswith("HYDRO_")}
    assert "ndmi,nir" in rows["HYDRO_VARIABLES"]
    assert "the area" in rows["HYDRO_VARIABLES"]
    assert "environment" in rows["HYDRO_MAX_AGE_DAYS"]
    assert "default" in rows["HYDRO_COLLECTION"]
    assert hydro("area", "set", "mol", "--variables", "")[0] == 0
    assert dict(Pipeline(Settings.load()).area("mol").rules) == {"cloud_buffer_m": "0"}
    code, said = hydro("area", "set", "mol", "--variables", "msavi")
    assert code != 0
    assert "the index 'msavi' cannot be had" in said
    code, said = hydro("variables")
    assert code == 0
    assert "nir / red" in said
    assert "McFeeters 1996" in said
