"""What is read from one fields file, and what is repaired."""

import datetime as dt
import json
import time
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from shapely import box

from hydro_pipeline.fields.fields import (
    FieldsReading,
    parse_fields,
)
from hydro_pipeline.settings import ZonalWeights
from tests.support.field_files import (
    BOWTIE,
    PLANTED,
    PLOT,
    feature,
    geojson,
    geoparquet,
    in_utm,
    only,
)

COVERAGE = ZonalWeights.COVERAGE


def test_fields_are_sorted_and_other_properties_are_ignored() -> None:
    reading = parse_fields(
        "a.geojson",
        geojson(feature("F2", crop="maize", n=1), feature("F1", crop=["a", {"b": None}], n="x")),
    )
    assert [f.field_id for f in reading.fields] == ["F1", "F2"]
    first = reading.fields[0]
    assert first.planting_date == dt.date(2023, 4, 7)
    assert first.source == "a.geojson"
    assert first.geometry.equals(PLOT)


@pytest.mark.parametrize(
    ("given_id", "field_id"),
    [
        ("F1", "F1"), (" F1 ", "F1"), (7, "7"), (7.0, "7"), ("007", "007"),
        (2.0**53 - 1, "9007199254740991"), ("F" * 200, "F" * 200),
    ],
)  # fmt: skip
def test_field_id_is_text(given_id: Any, field_id: str) -> None:
    assert only(parse_fields("a.geojson", geojson(feature(given_id)))).field_id == field_id


def test_field_id_columns_of_geoparquet() -> None:
    for ids in ([7], pd.array([7], "Int64"), np.array([7.0]), ["7"], pd.Categorical(["7"])):
        data = geoparquet({"field_id": ids, "planting_date": [PLANTED]})
        assert only(parse_fields("a.parquet", data)).field_id == "7"


@pytest.mark.parametrize(
    "value", [PLANTED, "2023-04-07T00:00:00Z", "2023-04-07T00:00+09:00", " 2023-04-07 ", "20230407"]
)
def test_planting_date_as_text(value: str) -> None:
    field = only(parse_fields("a.geojson", geojson(feature(planting_date=value))))
    assert field.planting_date == dt.date(2023, 4, 7)


@pytest.mark.parametrize(
    "column",
    [
        [PLANTED],
        [dt.date(2023, 4, 7)],
        [dt.datetime(2023, 4, 7)],
        pd.to_datetime(["2023-04-07"]),
        pd.to_datetime(["2023-04-07"]).tz_localize("Europe/Brussels"),
        pd.array([dt.date(2023, 4, 7)], pd.ArrowDtype(pa.date32())),
    ],
    ids=["text", "date", "datetime", "datetime64", "with time zone", "arrow date"],
)
def test_planting_date_columns_of_geoparquet(column: Any) -> None:
    data = geoparquet({"field_id": ["F1"], "planting_date": column})
    assert only(parse_fields("a.parquet", data)).planting_date == dt.date(2023, 4, 7)


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:EPSG::32631", "EPSG:32631", "urn:ogc:def:crs:EPSG::25831"]
)
def test_declared_crs_of_geojson(name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    data = geojson(feature(geometry=in_utm(PLOT)), crs=crs)
    field = only(parse_fields("a.geojson", data))
    assert field.geometry.equals_exact(shapely.normalize(PLOT), 1e-7)


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326"])
def test_declared_lonlat_is_taken_as_it_is(name: str) -> None:
    data = geojson(feature(), crs={"type": "name", "properties": {"name": name}})
    assert only(parse_fields("a.geojson", data)).geometry == shapely.normalize(PLOT)


@pytest.mark.parametrize("crs", ["EPSG:4326", "OGC:CRS84", None, "EPSG:32631", "EPSG:3035"])
def test_declared_crs_of_geoparquet(crs: str | None) -> None:
    plots = gpd.GeoSeries([PLOT], crs="EPSG:4326")
    plots = plots.set_crs(None, allow_override=True) if crs is None else plots.to_crs(crs)
    data = geoparquet({"field_id": ["F1"], "planting_date": [PLANTED]}, list(plots), crs)
    field = only(parse_fields("a.parquet", data))
    assert field.geometry.equals_exact(shapely.normalize(PLOT), 1e-7)


def test_z_is_dropped_and_a_single_part_is_a_polygon() -> None:
    multi = shapely.force_3d(shapely.MultiPolygon([PLOT]), 12.0)
    field = only(parse_fields("a.geojson", geojson(feature(geometry=multi))))
    assert field.geometry == shapely.normalize(PLOT)
    assert not field.geometry.has_z


def test_a_single_feature_is_a_file_and_so_is_an_empty_collection() -> None:
    assert only(parse_fields("a.geojson", json.dumps(feature()).encode())).field_id == "F1"
    assert parse_fields("a.geojson", geojson()) == FieldsReading()
    nothing = geoparquet({"field_id": [], "planting_date": []})
    assert parse_fields("a.parquet", nothing) == FieldsReading()


def test_self_crossing_polygon_is_repaired_and_reported() -> None:
    reading = parse_fields("a.geojson", geojson(feature("F1", geometry=BOWTIE), feature("F2")))
    repaired = reading.fields[0].geometry
    assert repaired.is_valid
    assert repaired.geom_type == "MultiPolygon"
    assert repaired.area == pytest.approx(PLOT.area / 2)
    (problem,) = reading.problems
    assert (problem.source, problem.field_id) == ("a.geojson", "F1")
    assert problem.message.startswith("a.geojson: field F1 was repaired, check its outline: Self-")


def test_overlapping_parts_are_united_not_cut_out() -> None:
    parts = shapely.MultiPolygon([box(5.02, 51.02, 5.04, 51.03), box(5.03, 51.02, 5.05, 51.03)])
    reading = parse_fields("a.geojson", geojson(feature(geometry=parts)))
    assert reading.fields[0].geometry.equals(box(5.02, 51.02, 5.05, 51.03))


def test_fields_of_the_real_case(realcase: Any) -> None:
    reading = parse_fields("fields.geojson", (realcase / "fields.geojson").read_bytes())
    assert [f.field_id for f in reading.fields] == [f"F{i:02}" for i in range(1, 16)]
    assert reading.problems == ()
    assert reading.fields[12].geometry.geom_type == "MultiPolygon"
    assert len(reading.fields[13].geometry.interiors) == 1


@pytest.mark.slow
def test_fifty_thousand_fields_are_read_in_seconds() -> None:
    count = 50_000
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    centre = rng.uniform((5.01, 51.01), (5.09, 51.04), (count, 2))
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * 1e-3
    shapes = shapely.polygons(centre[:, None] + ring)
    columns = {"field_id": np.arange(count), "planting_date": [PLANTED] * count}
    plain = gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326").to_json().encode()
    hashes = []
    for data in (plain, geoparquet(columns, shapes)):
        started = time.perf_counter()
        reading = parse_fields("a", data)
        hashes.append([f.hash(COVERAGE) for f in reading.fields])
        assert time.perf_counter() - started < 60
        assert len(reading.fields) == count
    assert hashes[0] == hashes[1]
