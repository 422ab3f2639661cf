"""Which CRSs are refused because nobody knows where they are to 5 m."""

import numpy as np
import pytest
from pyproj import CRS
from shapely import box

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.crs import inexact
from hydro_pipeline.errors import AreaError, FieldsError
from hydro_pipeline.fields.fields import parse_fields
from tests.support.field_files import PLANTED, PLOT, feature, geojson, geoparquet, in_utm

UNKNOWN_DATUM = "+proj=utm +zone=31 +ellps=intl +units=m"
BALLPARK = "PROJ knows no transformation from its datum there"


def why(crs: str, x: float, y: float) -> str | None:
    (found,) = inexact(CRS(crs), CRS("EPSG:4326"), np.array([x]), np.array([y]))
    return found


@pytest.mark.parametrize(
    ("crs", "x", "y", "message"),
    [
        ("EPSG:4214", 116, 40, BALLPARK),  # Beijing 1954, off by 60 m
        ("EPSG:4490", 116, 40, BALLPARK),
        (UNKNOWN_DATUM, 5e5, 5e6, BALLPARK),
        (CRS(UNKNOWN_DATUM).to_wkt(), 5e5, 5e6, BALLPARK),
        ("EPSG:4267", -100, 40, "good to 7 m only"),  # NAD27, whose grids are not installed
        ("EPSG:4978", 4e6, 3e5, "no CRS of a map: Geocentric CRS"),
        ('LOCAL_CS["plan",UNIT["metre",1]]', 1, 1, "no CRS of a map: Engineering CRS"),
        ("EPSG:5703", 1, 1, "no CRS of a map: Vertical CRS"),
        ("EPSG:2053", 0, 3e6, "its axes point west and south"),
    ],
)
def test_what_is_not_known_exactly(crs, x, y, message):
    assert message in (why(crs, x, y) or "")


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:4326", 5, 51),
        ("OGC:CRS84", 5, 51),
        ("EPSG:32631", 640000, 5670000),
        ("EPSG:28992", 155000, 463000),
        ("EPSG:7415", 155000, 463000),  # with heights
        ("EPSG:2193", 1600000, 5400000),  # northing first
        ("EPSG:3857", 5e5, 6e6),
        ("EPSG:27700", 400000, 300000),  # without its grid, to 2 m
        ("+proj=longlat +datum=WGS84", 5, 51),
        (CRS("EPSG:25831").to_wkt(), 640000, 5670000),
    ],
)
def test_what_is_known_exactly(crs, x, y):
    assert why(crs, x, y) is None


@pytest.mark.parametrize("name", ["EPSG:4214", UNKNOWN_DATUM, CRS(UNKNOWN_DATUM).to_wkt()])
def test_a_file_is_refused_that_names_its_crs_and_what_to_do(name):
    crs = {"type": "name", "properties": {"name": name}}
    plot = PLOT if name == "EPSG:4214" else in_utm(PLOT)
    with pytest.raises(FieldsError) as caught:
        parse_fields("a.geojson", geojson(feature(geometry=plot), crs=crs))
    assert CRS(name).name in str(caught.value)
    assert "give it in EPSG:4326 or in UTM" in str(caught.value)


def test_so_is_geoparquet_by_its_projjson():
    for crs in ("EPSG:4214", UNKNOWN_DATUM):
        data = geoparquet({"field_id": ["F"], "planting_date": [PLANTED]}, [PLOT], CRS(crs))
        with pytest.raises(FieldsError, match="cannot be moved to the grid exactly"):
            parse_fields("a.parquet", data)


def test_one_field_where_a_crs_is_not_known_leaves_the_others():
    """From Beijing 1954 a transformation is known in the Ordos basin, and none in Beijing."""
    crs = {"type": "name", "properties": {"name": "EPSG:4214"}}
    ordos, beijing = box(108, 37, 108.01, 37.01), box(116, 40, 116.01, 40.01)
    data = geojson(feature("O", geometry=ordos), feature("B", geometry=beijing), crs=crs)
    reading = parse_fields("a.geojson", data)
    assert [f.field_id for f in reading.fields] == ["O"]
    (problem,) = reading.problems
    assert (problem.field_id, problem.left_out) == ("B", True)
    assert "has the CRS Beijing 1954 (EPSG:4214), which cannot" in problem.message


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("EPSG:2434", "PROJ knows no transformation"),  # Beijing 1954 / 3-degree zone at 117 E
        (UNKNOWN_DATUM, "must be a projected EPSG code"),
        ("EPSG:4550", "PROJ knows no transformation"),  # CGCS2000
    ],
)
def test_an_area_on_such_a_grid_is_refused(crs, message):
    with pytest.raises(AreaError, match=message):
        Area.from_bbox("a", (116.0, 40.0, 116.1, 40.1), crs)


@pytest.mark.parametrize("crs", ["EPSG:32650", "EPSG:3857"])
def test_an_area_on_another_is_not(crs):
    assert Area.from_bbox("a", (116.0, 40.0, 116.1, 40.1), crs).crs == crs
