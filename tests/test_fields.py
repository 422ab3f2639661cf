"""Fields files: what is read, what is repaired, what is refused, and with which words."""

import datetime as dt
import io
import json
import time
from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from conftest import Bucket
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area import Area
from hydro_pipeline.errors import FieldsError
from hydro_pipeline.fields import (
    Field,
    FieldsReading,
    fields_etag,
    parse_fields,
    put_fields,
    read_fields,
)
from hydro_pipeline.settings import Settings, ZonalWeights
from hydro_pipeline.store import Store

AREA = Area.from_bbox("mol", (5.0, 51.0, 5.1, 51.05))
PLOT = box(5.02, 51.02, 5.03, 51.03)
BOWTIE = shapely.Polygon([(5.02, 51.02), (5.03, 51.03), (5.03, 51.02), (5.02, 51.03)])
PLANTED = "2023-04-07"
COVERAGE = ZonalWeights.COVERAGE


def feature(
    field_id: Any = "F1", planting_date: Any = PLANTED, geometry: Any = PLOT, **properties: Any
) -> dict[str, Any]:
    """A GeoJSON Feature."""
    if isinstance(geometry, BaseGeometry):
        geometry = mapping(geometry)
    properties |= {"field_id": field_id, "planting_date": planting_date}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def polygon(ring: list[Any]) -> dict[str, Any]:
    """A GeoJSON Polygon, right or wrong."""
    return {"type": "Polygon", "coordinates": [ring]}


def geojson(*features: Any, **members: Any) -> bytes:
    """A FeatureCollection."""
    return json.dumps({"type": "FeatureCollection", "features": list(features), **members}).encode()


def geoparquet(columns: dict[str, Any], geometry: Any = None, crs: Any = "EPSG:4326") -> bytes:
    """A GeoParquet file; one plot per row by default."""
    rows = len(next(iter(columns.values())))
    file = io.BytesIO()
    geometry = [PLOT] * rows if geometry is None else geometry
    gpd.GeoDataFrame(columns, geometry=geometry, crs=crs).to_parquet(file)
    return file.getvalue()


def only(reading: FieldsReading) -> Field:
    """The one field of a reading without problems."""
    assert reading.problems == ()
    (field,) = reading.fields
    return field


def in_utm(geometry: BaseGeometry) -> BaseGeometry:
    moved: BaseGeometry = gpd.GeoSeries([geometry], crs="EPSG:4326").to_crs("EPSG:32631").iloc[0]
    return moved


# --- What is read ---


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
    ("given_id", "field_id"), [("F1", "F1"), (" F1 ", "F1"), (7, "7"), (7.0, "7"), ("007", "007")]
)
def test_field_id_is_text(given_id: Any, field_id: str) -> None:
    assert only(parse_fields("a.geojson", geojson(feature(given_id)))).field_id == field_id


def test_field_id_columns_of_geoparquet() -> None:
    for ids in ([7], pd.array([7], "Int64"), np.array([7.0]), ["7"], pd.Categorical(["7"])):
        data = geoparquet({"field_id": ids, "planting_date": [PLANTED]})
        assert only(parse_fields("a.parquet", data)).field_id == "7"


@pytest.mark.parametrize(
    "value", [PLANTED, "2023-04-07T10:30:00", "2023-04-07T00:00:00Z", " 2023-04-07 ", "20230407"]
)
def test_planting_date_as_text(value: str) -> None:
    field = only(parse_fields("a.geojson", geojson(feature(planting_date=value))))
    assert field.planting_date == dt.date(2023, 4, 7)


@pytest.mark.parametrize(
    "column",
    [
        [PLANTED],
        [dt.date(2023, 4, 7)],
        [dt.datetime(2023, 4, 7, 23)],
        pd.to_datetime(["2023-04-07T23:30"]),
        pd.to_datetime(["2023-04-07T23:30"]).tz_localize("Europe/Brussels"),
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


# --- What is refused ---

REFUSED: list[tuple[bytes, str]] = [
    (b"{", "not readable as GeoJSON or GeoParquet: Expecting property name"),
    (b"", "not readable as GeoJSON or GeoParquet: Expecting value"),
    (b"\xff\xfe\x00", "not readable as GeoJSON or GeoParquet"),
    (b"PAR1 and nothing else", "not readable as GeoParquet"),
    (b"[1]", "a GeoJSON list; expected a FeatureCollection"),
    (b"3", "a GeoJSON int; expected a FeatureCollection"),
    (b'{"type": "Point"}', "a GeoJSON Point; expected a FeatureCollection"),
    (b'{"type": "FeatureCollection"}', "a GeoJSON FeatureCollection without a list of features"),
    (geojson(7), "feature 1 is not a GeoJSON Feature"),
    (geojson(feature(), {"properties": 1}), "feature 2 is not a GeoJSON Feature"),
    (geojson(feature(None)), "feature 1 has no field_id"),
    (geojson(feature(), {"type": "Feature", "geometry": None}), "feature 2 has no field_id"),
    (geojson(feature(" ")), "feature 1 has no field_id"),
    (geojson(feature(1.5)), "feature 1: field_id 1.5 must be text or a whole number"),
    (geojson(feature(True)), "feature 1: field_id True must be text or a whole number"),
    (geojson(feature({"a": 1})), "feature 1: field_id {'a': 1} must be"),
    (
        geojson(feature("F1"), feature("F2"), feature("F1")),
        "features 1 and 3 both have field_id 'F1'",
    ),
    (geojson(feature(1), feature("1")), "features 1 and 2 both have field_id '1'"),
    (geojson(feature(planting_date=None)), "feature 1 (field_id 'F1') has no planting_date"),
    (geojson(feature(planting_date=" ")), "feature 1 (field_id 'F1') has no planting_date"),
    (
        geojson(feature(planting_date="07/04/2023")),
        "feature 1 (field_id 'F1'): planting_date '07/04/2023' is not a date; give it as YYYY-",
    ),
    (geojson(feature(planting_date="2023-02-30")), "planting_date '2023-02-30' is not a date"),
    (geojson(feature(planting_date=20230407)), "planting_date 20230407 is not a date"),
    (geojson(feature(geometry=None)), "feature 1 (field_id 'F1') has no geometry"),
    (geojson(feature(geometry=shapely.Polygon())), "feature 1 (field_id 'F1') has no geometry"),
    (geojson(feature(geometry=shapely.Point(5, 51))), "(field_id 'F1') is a Point; fields are Pol"),
    (
        geojson(feature(geometry=shapely.GeometryCollection([PLOT]))),
        "(field_id 'F1') is a GeometryCollection",
    ),
    (
        geojson(feature(), feature("F2", geometry=polygon([[0, 1]]))),
        "feature 2: geometry not readable",
    ),
    (geojson(feature(geometry={"type": "Polygon"})), "feature 1: geometry not readable"),
    (
        geojson(feature(geometry=polygon([[5, 51], [5, None]] * 2))),
        "feature 1: geometry not readable",
    ),
    (
        geojson(feature(geometry=shapely.Polygon([(5, 51), (6, 52), (7, 53)]))),
        "feature 1 (field_id 'F1') has no area",
    ),
    (
        geojson(feature(geometry=box(643260, 5675820, 643360, 5675920))),
        "feature 1 (field_id 'F1') spans x 643260 to 643360, y 5.67582e+06 to 5.67592e+06, "
        "which is not longitude and latitude, and a.geojson declares no CRS",
    ),
    (
        geojson(feature(geometry=box(5, 51, 5.1, 95))),
        "spans x 5 to 5.1, y 51 to 95, which is not longitude and latitude",
    ),
    (
        geojson(feature(geometry=polygon([(5, 51), (5, float("nan")), (6, 51)]))),
        "feature 1 (field_id 'F1') has coordinates that are not finite",
    ),
    (
        geojson(
            feature(geometry=box(1e9, 1e9, 2e9, 2e9)), crs={"properties": {"name": "EPSG:32631"}}
        ),
        "which is outside its declared CRS WGS 84 / UTM zone 31N",
    ),
    (
        geojson(feature(), crs={"type": "name", "properties": {"name": "EPSG:999999"}}),
        'unknown crs {"type": "name", "properties": {"name": "EPSG:999999"}}',
    ),
    (geojson(feature(), crs="EPSG:32631"), 'unknown crs "EPSG:32631"'),
    (
        geoparquet({"field_id": [["F1", "F2"]], "planting_date": [PLANTED]}),
        "feature 1: field_id array(['F1', 'F2'], dtype=object) must be text or a whole number",
    ),
    (
        geoparquet({"planting_date": [PLANTED]}),
        "feature 1 has no field_id",
    ),
    (geoparquet({"field_id": ["F1"]}), "feature 1 (field_id 'F1') has no planting_date"),
    (
        geoparquet({"field_id": ["F1"], "planting_date": pd.to_datetime([None])}),
        "feature 1 (field_id 'F1') has no planting_date",
    ),
    (
        geoparquet({"field_id": [1.0, np.nan], "planting_date": [PLANTED] * 2}),
        "feature 2 has no field_id",
    ),
    (
        geoparquet({"field_id": ["F1"], "planting_date": [PLANTED]}, [None]),
        "feature 1 (field_id 'F1') has no geometry",
    ),
    (
        geoparquet({"field_id": ["F1"], "planting_date": [PLANTED]}, [in_utm(PLOT)], None),
        "and a.geojson declares no CRS",
    ),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=[m[:60] for _, m in REFUSED])
def test_bad_file_is_refused_in_clear_words(data: bytes, message: str) -> None:
    with pytest.raises(FieldsError) as caught:
        parse_fields("a.geojson", data)
    assert str(caught.value).startswith("a.geojson: ")
    assert message in str(caught.value)


def test_plain_parquet_is_refused() -> None:
    file = io.BytesIO()
    pd.DataFrame({"field_id": ["F1"]}).to_parquet(file)
    with pytest.raises(FieldsError, match=r"a\.parquet: not readable as GeoParquet: .*metadata"):
        parse_fields("a.parquet", file.getvalue())


WHOLE = {
    "geojson": geojson(feature("F1"), feature("F2", geometry=BOWTIE)),
    "parquet": geoparquet({"field_id": ["F1", "F2"], "planting_date": [PLANTED] * 2}),
}


@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1), st.binary(max_size=3))
@settings(deadline=None)
def test_damaged_files_are_read_or_refused(kind: str, where: float, patch: bytes) -> None:
    whole = WHOLE[kind]
    at = int(where * len(whole))
    damaged = whole[:at] + patch + whole[at + len(patch) :] if patch else whole[:at]
    try:
        reading = parse_fields("a", damaged)
    except FieldsError:
        return
    assert all(f.geometry.is_valid for f in reading.fields)


# --- Hashes ---


@given(st.integers(0, 3), st.booleans())
@settings(deadline=None)
def test_hash_ignores_file_format_ring_start_and_direction(shift: int, reverse: bool) -> None:
    corners = list(PLOT.exterior.coords)[:-1]
    ring = corners[shift:] + corners[:shift]
    same = shapely.Polygon(ring[::-1] if reverse else ring)
    data = geoparquet({"field_id": ["X"], "planting_date": pd.to_datetime([PLANTED])}, [same])
    expected = only(parse_fields("a.geojson", geojson(feature()))).hash(COVERAGE)
    assert only(parse_fields("a.parquet", data)).hash(COVERAGE) == expected
    assert Field("Y", dt.date(2023, 4, 7), same, "b").hash(COVERAGE) == expected
    assert len(expected) == 16
    assert int(expected, 16) >= 0


def test_hash_is_of_geometry_planting_date_and_weights() -> None:
    field = Field("F1", dt.date(2023, 4, 7), PLOT, "a")
    others = [
        Field("F1", dt.date(2023, 4, 8), PLOT, "a").hash(COVERAGE),
        Field("F1", dt.date(2023, 4, 7), box(5.02, 51.02, 5.03, 51.031), "a").hash(COVERAGE),
        field.hash(ZonalWeights.CENTRE),
    ]
    assert len({field.hash(COVERAGE), *others}) == 4


def test_hash_stays_the_same_over_releases() -> None:
    assert Field("F1", dt.date(2023, 4, 7), PLOT, "a").hash(COVERAGE) == "84af4c4fa859e298"


# --- An area's folder ---


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Store:
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("s3")
        return Store(bucket.settings())
    return Store(Settings.load(root=str(tmp_path)))


def drop(store: Store, name: str, data: bytes) -> None:
    """Put a file as a user would, later than those before it by the store's clock."""
    time.sleep(1.1 if store.is_s3 else 0.02)
    store.put(f"inputs/mol/fields/{name}", data)


def test_no_files_are_no_fields(store: Store) -> None:
    assert read_fields(store, AREA) == FieldsReading()


def test_a_broken_file_does_not_stop_the_others(store: Store) -> None:
    store.put("inputs/mol/fields/a.geojson", geojson(feature("F1")))
    store.put("inputs/mol/fields/b.geojson", b"{")
    store.put("inputs/mol/fields/more/c.parquet", WHOLE["parquet"][:-4])
    store.put("inputs/mol/fields/notes.txt", b"hello")
    reading = read_fields(store, AREA)
    assert [f.field_id for f in reading.fields] == ["F1"]
    assert sorted((p.source, p.field_id) for p in reading.problems) == [
        ("b.geojson", None),
        ("more/c.parquet", None),
        ("notes.txt", None),
    ]
    assert not reading.complete
    assert store.get("inputs/mol/fields/b.geojson") == b"{"
    store.delete("inputs/mol/fields/b.geojson")
    store.delete("inputs/mol/fields/more/c.parquet")
    reading = read_fields(store, AREA)
    assert [p.source for p in reading.problems] == ["notes.txt"]
    assert reading.complete


def test_of_two_files_the_later_counts_and_removing_it_brings_back_the_other(store: Store) -> None:
    drop(store, "b.geojson", geojson(feature("F1", "2023-01-01"), feature("F2")))
    drop(store, "a.geojson", geojson(feature("F1", "2023-02-02")))
    reading = read_fields(store, AREA)
    assert [(f.field_id, f.source) for f in reading.fields] == [
        ("F1", "a.geojson"),
        ("F2", "b.geojson"),
    ]
    assert reading.fields[0].planting_date == dt.date(2023, 2, 2)
    (problem,) = reading.problems
    assert (problem.source, problem.field_id) == ("b.geojson", "F1")
    assert "a.geojson has it too and was written later" in problem.message
    assert reading.complete
    store.delete("inputs/mol/fields/a.geojson")
    reading = read_fields(store, AREA)
    assert [(f.field_id, f.source) for f in reading.fields] == [
        ("F1", "b.geojson"),
        ("F2", "b.geojson"),
    ]
    assert reading.problems == ()


def test_fields_outside_the_area_are_left_out_and_reported(store: Store) -> None:
    west, _, _, north = AREA.grid.boundingbox.bbox
    beside = gpd.GeoSeries([box(west - 60, north - 60, west, north)], crs=AREA.crs)
    store.put(
        "inputs/mol/fields/a.geojson",
        geojson(
            feature("half", geometry=box(4.9, 51.02, 5.05, 51.03)),
            feature("inside"),
            feature("near", geometry=box(4.5, 51.02, 4.6, 51.03)),
            feature("far", geometry=box(-170, -80, -169, -79)),
            feature("pole", geometry=box(-180, 89, 180, 90)),
        ),
    )
    crs = {"type": "name", "properties": {"name": AREA.crs}}
    store.put("inputs/mol/fields/b.geojson", geojson(feature("edge", geometry=beside[0]), crs=crs))
    reading = read_fields(store, AREA)
    assert {"half", "inside"} <= {f.field_id for f in reading.fields} <= {"half", "inside", "edge"}
    reported = {p.field_id: p.message for p in reading.problems}
    assert {"near", "far", "pole"} <= reported.keys()
    assert reported["far"] == (
        "a.geojson: field far is wholly outside area mol; it gets no statistics"
    )
    assert reading.complete


def test_put_checks_before_it_stores(store: Store) -> None:
    with pytest.raises(FieldsError, match="has no field_id"):
        put_fields(store, AREA, "a.geojson", geojson(feature(None)))
    with pytest.raises(FieldsError, match=r"a\.shp: not a fields file; use one of \.geojson, "):
        put_fields(store, AREA, "a.shp", geojson(feature()))
    assert store.listing("inputs/mol/fields/") == []
    data = geojson(feature("F1", geometry=BOWTIE), feature("F2", geometry=box(1, 1, 2, 2)))
    reading = put_fields(store, AREA, "a.geojson", data)
    assert store.get("inputs/mol/fields/a.geojson") == data
    assert [f.field_id for f in reading.fields] == ["F1"]
    assert [p.field_id for p in reading.problems] == ["F1", "F2"]
    assert read_fields(store, AREA) == reading


def test_etag_follows_every_change_of_the_folder(store: Store) -> None:
    def put(name: str, data: bytes) -> Callable[[], None]:
        return lambda: store.put(f"inputs/mol/fields/{name}", data)

    seen = [fields_etag(store, "mol")]
    for change in (
        put("a.geojson", geojson(feature("F1"))),
        put("b.geojson", geojson(feature("F2"))),
        put("a.geojson", geojson(feature("F3"))),
        lambda: store.delete("inputs/mol/fields/b.geojson"),
    ):
        change()
        seen.append(fields_etag(store, "mol"))
        assert fields_etag(store, "mol") == seen[-1]
    store.put("inputs/other/fields/a.geojson", b"{}")
    assert fields_etag(store, "mol") == seen[-1]
    assert len(set(seen)) == len(seen)


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
        assert time.perf_counter() - started < 20
        assert len(reading.fields) == count
    assert hashes[0] == hashes[1]
