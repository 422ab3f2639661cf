"""Which names readers of the folder `area=<name>` take for something else."""

import duckdb
import pandas as pd
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.name import check_new_name, misread, note
from hydro_pipeline.errors import AreaError
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline

BOX = (5.05, 51.19, 5.07, 51.21)
ODD = ["007", "1e5", "20240101", "true", "NULL", "nan", "Inf", "__HIVE_DEFAULT_PARTITION__"]


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(Settings.load(root=str(tmp_path)))


@pytest.mark.parametrize("name", [*ODD, "None", "no", "x" * 65])
def test_a_new_area_of_such_a_name_is_refused(pipeline, name):
    with pytest.raises(AreaError, match=f"area name '{name[:4]}"):
        pipeline.put_area(Area.from_bbox(name, BOX))
    assert pipeline.names() == []


@pytest.mark.parametrize("name", ODD)
def test_one_that_is_there_stays_readable_with_a_note(pipeline, name):
    area = Area.from_bbox(name, BOX)
    pipeline.store.put(f"inputs/{name}/area.geojson", area.to_geojson())
    assert pipeline.names() == [name]
    assert pipeline.open(name).remarks == (note(name),)
    pipeline.put_area(area)
    assert f"area {name}: pandas, Polars and other readers" in note(name)


def test_names_that_differ_in_case_only(pipeline):
    pipeline.put_area(Area.from_bbox("Mol", BOX))
    pipeline.put_area(Area.from_bbox("Mol", BOX))
    with pytest.raises(AreaError, match="'mol' differs from that of area Mol in the case"):
        pipeline.put_area(Area.from_bbox("mol", BOX))


@pytest.mark.parametrize("name", ["mol", "F1", "e5", "area_007", "_x", "x" * 64])
def test_names_that_are_taken_as_they_are(name, tmp_path):
    """By pandas and DuckDB themselves."""
    check_new_name(name, [])
    assert misread(name) is None
    (tmp_path / f"area={name}").mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / f"area={name}" / "part-0.parquet")
    assert pd.read_parquet(tmp_path)["area"].tolist() == [name]
    query = f"select area from read_parquet('{tmp_path}/*/*.parquet', hive_partitioning = true)"
    assert duckdb.sql(query).fetchall() == [(name,)]


@pytest.mark.parametrize("name", ["a\tb", "a/b", "", "../x", "\udcff", "x" * 10_000_000 + "-"])
def test_a_name_that_is_none_is_refused_in_a_short_sentence(pipeline, name):
    with pytest.raises(AreaError, match="use letters, digits and _ only") as caught:
        pipeline.open(name)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_folders_that_are_no_areas_are_named(pipeline, tmp_path):
    pipeline.put_area(Area.from_bbox("mol", BOX))
    for folder in ("a b", "t\tt", ".trash", "empty"):
        (tmp_path / "inputs" / folder).mkdir()
        (tmp_path / "inputs" / folder / "x").write_text("x")
    assert pipeline.names() == ["mol"]
    told = pipeline.strangers()
    assert len(told) == 3
    assert [name in "".join(told) for name in ("'a b'", "'t\\tt'", "'.trash'", "empty")] == [
        True, True, True, False,
    ]  # fmt: skip
