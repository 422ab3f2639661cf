"""Whatever stands at any place of a fields file: the other fields are read, and it is named."""

import copy
import datetime as dt
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely import box

from hydro_pipeline.errors import FieldsError, HydroError
from hydro_pipeline.fields.fields import parse_fields
from tests.support.field_files import PLOT, feature, geojson, geoparquet, polygon

TODAY = dt.date(2024, 6, 1)
BOXES = [box(5.0 + n / 100, 51.0, 5.005 + n / 100, 51.01) for n in range(3)]
WHOLE = json.loads(geojson(*(feature(f"F{n}", geometry=b) for n, b in enumerate(BOXES))))
BAD = [None, "x", "\\udcff", "\0", 0, -1, 1e300, float("nan"), float("inf"), True, [], {}, [[]]]
BAD += [[1, 2], {"type": "Feature"}, "F1", "2023-04-07", 10**400, "0222-01-01"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [path] * bool(path) + [p for key, each in inner for p in places(each, (*path, key))]


PLACES = [place for place in places(WHOLE) if place != ("features",)]


def mutated(place: tuple[Any, ...], bad: Any) -> bytes:
    """The document with something else at a place; as JSON, lone surrogates and NaN included."""
    document = copy.deepcopy(WHOLE)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = bad.encode().decode("unicode_escape") if isinstance(bad, str) else bad
    return json.dumps(document).encode()


@given(st.sampled_from(PLACES), st.sampled_from(BAD))
@example(("features", 1, "properties", "field_id"), "\\udcff")
@example(("features", 1, "geometry", "coordinates", 0, 0, 0), float("nan"))
@example(("features", 1, "geometry", "coordinates", 0, 0, 0), True)
@settings(max_examples=400, deadline=None)
def test_the_fields_that_were_not_touched_are_read(place, bad) -> None:
    try:
        reading = parse_fields("a.geojson", mutated(place, bad), TODAY)
    except HydroError as error:
        if len(place) == 1 and str(error).startswith("a.geojson"):
            return
        raise
    touched = {place[1]} if len(place) > 1 else set()
    found = {f.field_id: f for f in reading.fields}
    for n, outline in enumerate(BOXES):
        if n not in touched and bad != f"F{n}":
            assert found[f"F{n}"].geometry.equals(outline)
            assert found[f"F{n}"].planting_date == dt.date(2023, 4, 7)
    if len(reading.fields) < 3:
        assert reading.left_out == 1
    for problem in reading.problems:
        assert problem.message.isprintable()
        assert len(problem.message) < 600


@pytest.mark.parametrize(
    ("field_id", "message"),
    [
        ("a\udcffb", "'a\\udcffb' with characters that cannot be printed"),
        ("a\0b", "'a\\x00b' with characters that cannot be printed"),
        ("a\x1b[31mb", "with characters that cannot be printed"),
        ("a\u2028b", "with characters that cannot be printed"),
        ("x" * 10_000_000, "of 10000000 characters, more than 200"),
        (10**400, "that is not text or a whole number"),
    ],
)
def test_an_id_that_cannot_be_kept_is_shown_short_and_printable(field_id, message) -> None:
    reading = parse_fields("a.geojson", geojson(feature(field_id), feature("F2")), TODAY)
    assert [f.field_id for f in reading.fields] == ["F2"]
    (problem,) = reading.problems
    assert message in problem.message
    assert problem.message.isprintable()
    assert len(problem.message) < 300
    problem.message.encode()


def test_a_number_of_thousands_of_digits_leaves_out_its_feature() -> None:
    data = geojson(feature("F1"), feature("F2")).replace(b'"F1"', b"9" * 5000)
    assert [f.field_id for f in parse_fields("a", data, TODAY).fields] == ["F2"]


@pytest.mark.parametrize("name", ["field_id", "planting_date"])
def test_what_is_given_twice_leaves_out_its_feature(name) -> None:
    value = {"field_id": "F1", "planting_date": "2023-04-07"}[name]
    data = geojson(feature("F1"), feature("F2", "2023-04-08"))
    twice = data.replace(
        f'"{name}": "{value}"'.encode(), f'"{name}": 1, "{name}": "{value}"'.encode()
    )
    reading = parse_fields("a.geojson", twice, TODAY)
    assert [f.field_id for f in reading.fields] == ["F2"]
    assert reading.problems[0].message == (
        f"a.geojson: feature 1 gives {name} twice; it is left out"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_any_encoding_of_unicode_is_read(encoding) -> None:
    data = json.dumps(json.loads(geojson(feature("Fü"))), ensure_ascii=False).encode(encoding)
    assert parse_fields("a", data, TODAY).fields[0].field_id == "Fü"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (json.dumps(polygon([[5, 51], [6, 51], [6, 52], [5, 51]])).encode(), "a GeoJSON Polygon"),
        (b'{"type": "FeatureCollection", "features": [], "features": []}', "gives features twice"),
        (geojson(feature()).decode().encode("latin-1").replace(b"F1", b"\xfc"), "not readable"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_at_all_is_named(data, message) -> None:
    with pytest.raises(FieldsError, match=message) as caught:
        parse_fields("a.geojson", data, TODAY)
    assert str(caught.value).startswith("a.geojson")


def test_geoparquet_with_one_broken_outline_or_id_keeps_the_rest() -> None:
    whole = geoparquet({"field_id": ["F1", "F2"], "planting_date": ["2023-04-07"] * 2})
    table = pq.read_table(pa.BufferReader(whole))
    wkb = table["geometry"].to_pylist()

    def stored(**columns: Any) -> bytes:
        changed, sink = table, io.BytesIO()
        for name, values in columns.items():
            changed = changed.set_column(changed.column_names.index(name), name, [values])
        pq.write_table(changed, sink)
        return sink.getvalue()

    broken = pa.array([wkb[0][:20], wkb[1]], pa.binary())
    not_text = pa.StringArray.from_buffers(
        2, pa.array([0, 1, 3], pa.int32()).buffers()[1], pa.py_buffer(b"\xffF2")
    )
    for data, message in (
        (stored(geometry=broken), "feature 1 (field_id 'F1') has a geometry that cannot be read"),
        (stored(field_id=not_text), "feature 1 has a field_id that cannot be read"),
    ):
        reading = parse_fields("a.parquet", data, TODAY)
        assert [f.field_id for f in reading.fields] == ["F2"]
        assert message in reading.problems[0].message


@pytest.mark.parametrize(
    ("geo", "message"),
    [
        (b"{", "not readable as GeoParquet"),
        (b'{"primary_column": "shape", "columns": {}}', "its metadata lack 'shape'"),
        (b"[]", "not readable as GeoParquet"),
        (b'{"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKT"}}}', "not re"),
        (
            b'{"primary_column":"geometry","columns":{"geometry":{"encoding":"WKB","crs":7}}}',
            "unknown crs 7",
        ),
    ],
)
def test_geoparquet_with_wrong_metadata_is_named(geo, message) -> None:
    table = pq.read_table(pa.BufferReader(geoparquet({"field_id": ["F1"]}, [PLOT])))
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"geo": geo}), sink)
    with pytest.raises(FieldsError, match=message):
        parse_fields("a.parquet", sink.getvalue(), TODAY)
