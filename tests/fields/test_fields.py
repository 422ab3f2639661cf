"""The hash of a field, and the folder of fields files of an area."""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import FieldsError, StoreAccessError
from hydro_pipeline.fields.fields import (
    Field,
    FieldsReading,
    fields_etag,
    parse_fields,
    put_fields,
    read_fields,
)
from hydro_pipeline.fields.file import FieldProblem
from hydro_pipeline.settings import Settings, ZonalWeights
from hydro_pipeline.storage.backends import S3
from hydro_pipeline.storage.store import Store
from tests.support.buckets import Bucket
from tests.support.field_files import BOWTIE, PLANTED, PLOT, feature, geojson, geoparquet, only

AREA = Area.from_bbox("mol", (5.0, 51.0, 5.1, 51.05))
COVERAGE = ZonalWeights.COVERAGE


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
    time.sleep(1.1 if store.backend.kinds else 0.02)
    store.put(f"inputs/mol/fields/{name}", data)


def test_no_files_are_no_fields(store: Store) -> None:
    assert read_fields(store, AREA) == FieldsReading()


def test_20_problems_are_told_those_that_left_something_out_first() -> None:
    problems = [FieldProblem("a", None, f"odd {n}", left_out=n >= 15) for n in range(25)]
    told = FieldsReading(problems=tuple(problems)).told()
    assert told == [
        *(f"odd {n}" for n in (*range(15, 25), *range(10))),
        "and 5 more like these (10 left out in all)",
    ]
    assert len(FieldsReading(problems=tuple(problems[:20])).told()) == 20


def test_a_broken_file_does_not_stop_the_others(store: Store) -> None:
    store.put("inputs/mol/fields/a.geojson", geojson(feature("F1")))
    store.put("inputs/mol/fields/b.geojson", b"{")
    store.put(
        "inputs/mol/fields/more/c.parquet",
        geoparquet({"field_id": ["F1"], "planting_date": [PLANTED]})[:-4],
    )
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
    drop(store, "b.geojson", geojson(feature("F1"), feature("F2")))
    drop(store, "a.geojson", geojson(feature("F1", geometry=box(5.02, 51.02, 5.03, 51.04))))
    reading = read_fields(store, AREA)
    assert [(f.field_id, f.source) for f in reading.fields] == [
        ("F1", "a.geojson"),
        ("F2", "b.geojson"),
    ]
    assert reading.fields[0].geometry.area == pytest.approx(2 * PLOT.area)
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


ODD_KEYS = {
    "b\tc.geojson": "b\\tc.geojson: cannot be read by such a name",
    "n\nl.geojson": "n\\nl.geojson: cannot be read by such a name",
    "._a.geojson": "._a.geojson: not a fields file: its name begins with a dot",
    ".DS_Store": ".DS_Store: not a fields file: its name begins with a dot",
    "empty.geojson": "empty.geojson: not readable as GeoJSON or GeoParquet",
}


def test_an_odd_key_is_named_and_the_rest_is_read(store: Store) -> None:
    store.put("inputs/mol/fields/a.geojson", geojson(feature("F1")))
    odd = dict(ODD_KEYS)
    if store.backend.kinds:
        odd |= {"/d.geojson": "/d.geojson: cannot be read by such a name"}
        del odd["n\nl.geojson"]  # which moto does not store
    for name in odd:
        put_raw(store, f"inputs/mol/fields/{name}", b"" if name.startswith("empty") else b"x")
    if store.backend.kinds:
        put_raw(store, "inputs/mol/fields/", b"")
    reading = read_fields(store, AREA)
    assert [f.field_id for f in reading.fields] == ["F1"]
    told = [p.message for p in reading.problems]
    assert reading.left_out == len(told) == len(odd)
    for message in odd.values():
        assert any(message in each for each in told)
    assert all(each.isprintable() for each in told)
    assert store.folders("inputs") == ["mol"]
    assert len(fields_etag(store, "mol")) == 32


def test_a_name_that_is_not_unicode_is_named(tmp_path: Any) -> None:
    store = Store(Settings.load(root=str(tmp_path)))
    store.put("inputs/mol/fields/a.geojson", geojson(feature("F1")))
    put_raw(store, "inputs/mol/fields/b\udcff.geojson", geojson(feature("F2")))
    reading = read_fields(store, AREA)
    assert [f.field_id for f in reading.fields] == ["F1"]
    assert reading.problems[0].message.startswith("b\\udcff.geojson: cannot be read")
    assert not reading.complete
    assert len(fields_etag(store, "mol")) == 32


def test_a_file_that_access_is_refused_to_is_named(store: Store, monkeypatch: Any) -> None:
    for name in ("F1", "F2"):
        store.put(f"inputs/mol/fields/{name}.geojson", geojson(feature(name)))
    get = store.get

    def refusing(key: str) -> bytes | None:
        if "F2" in key:
            raise StoreAccessError(f"{key}: access refused")
        return get(key)

    monkeypatch.setattr(store, "get", refusing)
    reading = read_fields(store, AREA)
    assert [f.field_id for f in reading.fields] == ["F1"]
    assert [p.source for p in reading.problems] == ["F2.geojson"]
    assert not reading.complete


def put_raw(store: Store, key: str, data: bytes) -> None:
    """Put an object as another client would, whatever its key is."""
    if isinstance(store.backend, S3):
        store.backend._client().put_object(
            Bucket=store.backend.bucket, Key=f"{store.backend.prefix}/{key}".lstrip("/"), Body=data
        )
    else:
        (Path(store.root) / key).write_bytes(data)
