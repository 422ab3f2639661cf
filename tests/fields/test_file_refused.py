"""Which fields files are refused, which features are left out, and with which words."""

import io

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

from hydro_pipeline.errors import FieldsError
from hydro_pipeline.fields.fields import (
    parse_fields,
)
from tests.support.field_files import (
    BOWTIE,
    PLANTED,
    PLOT,
    feature,
    geojson,
    geoparquet,
    in_utm,
    polygon,
)

REFUSED: list[tuple[bytes, str]] = [
    (b"{", "not readable as GeoJSON or GeoParquet: Expecting property name"),
    (b"", "not readable as GeoJSON or GeoParquet: Expecting value"),
    (b"\xff\xfe\x00", "not readable as GeoJSON or GeoParquet"),
    (b"PAR1 and nothing else", "not readable as GeoParquet"),
    (b"[1]", "a GeoJSON list; expected a FeatureCollection"),
    (b"3", "a GeoJSON int; expected a FeatureCollection"),
    (b'{"type": "Point"}', "a GeoJSON Point; expected a FeatureCollection"),
    (b'{"type": "FeatureCollection"}', "a GeoJSON FeatureCollection without a list of features"),
    (
        geojson(feature(), crs={"type": "name", "properties": {"name": "EPSG:999999"}}),
        'unknown crs {"type": "name", "properties": {"name": "EPSG:999999"}}',
    ),
    (geojson(feature(), crs="EPSG:32631"), 'unknown crs "EPSG:32631"'),
]

LEFT_OUT: list[tuple[bytes, str]] = [
    (geojson(7), "feature 1 is not a GeoJSON Feature"),
    (geojson(feature(), {"properties": 1}), "feature 2 is not a GeoJSON Feature"),
    (geojson(feature(None)), "feature 1 has no field_id"),
    (geojson(feature(), {"type": "Feature", "geometry": None}), "feature 2 has no field_id"),
    (geojson(feature(" ")), "feature 1 has no field_id"),
    (geojson(feature(1.5)), "feature 1 has a field_id 1.5 that is not text or a whole number"),
    (geojson(feature(2.0**53)), "a field_id 9007199254740992.0 that is not text or a whole number"),
    (geojson(feature("F" * 201)), "of 201 characters, more than 200"),
    (geojson(feature(True)), "feature 1 has a field_id True that is not text or a whole number"),
    (geojson(feature({"a": 1})), "feature 1 has a field_id {'a': 1} that is not text"),
    (
        geojson(feature("F1"), feature("F2"), feature("F1")),
        "features 1 and 3 both have field_id 'F1' and planting_date 2023-04-07",
    ),
    (geojson(feature(1), feature("1")), "features 1 and 2 both have field_id '1'"),
    (geojson(feature(planting_date=None)), "feature 1 (field_id 'F1') has no planting_date"),
    (geojson(feature(planting_date=" ")), "feature 1 (field_id 'F1') has no planting_date"),
    (
        geojson(feature(planting_date="07/04/2023")),
        "feature 1 (field_id 'F1') has a planting_date '07/04/2023' that is no date; give it as",
    ),
    (geojson(feature(planting_date="2023-02-30")), "planting_date '2023-02-30' that is no date"),
    (geojson(feature(planting_date=20230407)), "planting_date 20230407 that is no date"),
    (geojson(feature(geometry=None)), "feature 1 (field_id 'F1') has no geometry"),
    (geojson(feature(geometry=shapely.Polygon())), "feature 1 (field_id 'F1') has no geometry"),
    (geojson(feature(geometry=shapely.Point(5, 51))), "(field_id 'F1') is a Point; fields are Pol"),
    (
        geojson(feature(geometry=shapely.GeometryCollection([PLOT]))),
        "(field_id 'F1') is a GeometryCollection",
    ),
    (
        geojson(feature(), feature("F2", geometry=polygon([[0, 1]]))),
        "feature 2 (field_id 'F2') has a geometry that cannot be read",
    ),
    (
        geojson(feature(geometry={"type": "Polygon"})),
        "feature 1 (field_id 'F1') has a geometry that cannot be read",
    ),
    (
        geojson(feature(geometry=polygon([[5, 51], [5, None]] * 2))),
        "feature 1 (field_id 'F1') has a geometry that cannot be read",
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
        geoparquet({"field_id": [["F1", "F2"]], "planting_date": [PLANTED]}),
        "feature 1 has a field_id ['F1', 'F2'] that is not text or a whole number",
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


@pytest.mark.parametrize(("data", "message"), LEFT_OUT, ids=[m[:60] for _, m in LEFT_OUT])
def test_a_bad_feature_is_left_out_in_clear_words(data: bytes, message: str) -> None:
    reading = parse_fields("a.geojson", data)
    left_out = [problem.message for problem in reading.problems if problem.left_out]
    assert len(left_out) == reading.left_out == 1
    assert left_out[0].startswith("a.geojson: ")
    assert message in left_out[0]
    assert left_out[0].endswith("left out")
    assert reading.complete is left_out[0].startswith("a.geojson: features")


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
