"""Areas: the grid, its snapping and CRS, solar days, and every box that is refused."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import AreaError

MOL = (5.05, 51.19, 5.07, 51.21)


def test_the_grid_covers_the_box_and_nests():
    area = Area.from_bbox("mol", MOL)
    assert area.crs == "EPSG:32631"
    west, south, east, north = area.grid.boundingbox.bbox
    assert all(v % 60 == 0 for v in (west, south, east, north))
    to_grid = Transformer.from_crs("EPSG:4326", area.crs, always_xy=True)
    for lon in (MOL[0], MOL[2]):
        for lat in (MOL[1], MOL[3]):
            x, y = to_grid.transform(lon, lat)
            assert west <= x <= east
            assert south <= y <= north
    assert area.grid.resolution.x == 10


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (5.0, 51.0, 32631),
        (-179.5, 10.0, 32601),
        (179.5, -10.0, 32760),
        (0.1, -0.2, 32731),
        (5.3, 60.4, 32632),  # Bergen lies in zone 32 by exception
        (2.0, 60.4, 32631),  # the sea west of it does not,
        (5.3, 65.0, 32631),  # nor that north of it,
        (12.5, 60.4, 32633),  # nor Sweden
        (15.6, 78.2, 32633),  # Longyearbyen
        (21.1, 78.2, 32635),
        (43.0, 78.2, 32638),  # east of Svalbard the zones are plain again
    ],
)
def test_the_zone_of_the_centre(lon, lat, epsg):
    assert Area.from_bbox("a", (lon, lat, lon + 0.01, lat + 0.01)).crs == f"EPSG:{epsg}"


@pytest.mark.parametrize(
    ("bbox", "message"),
    [
        ((6, 51, 5, 52), "reversed: west is beyond east"),
        ((5, 52, 6, 51), "reversed: south is above north"),
        ((50, 0, -100, 1), "reversed: west is beyond east"),
        ((100, 0, -50, 1), "reversed: west is beyond east"),
        ((179, 0, -179, 1), "antimeridian"),
        ((-179, 0, 179, 1), "antimeridian"),
        ((5, 51, 5, 52), "zero size"),
        ((5, 51, 6, 51), "zero size"),
        ((5, 51, 200, 52), "-180..180"),
        ((51, -95, 52, 5), "-90..90"),
        ((float("nan"), 0, 1, 1), "four numbers"),
        ((0, 84, 1, 85), "range of UTM"),
        ((0, -81, 1, -80), "range of UTM"),
        ((0, 10, 9, 19), "split it into several areas"),
        ((0, 10, 100, 11), "split it into several areas"),
    ],
)
def test_a_box_that_cannot_be_used(bbox, message):
    with pytest.raises(AreaError, match=message):
        Area.from_bbox("a", bbox)


def test_a_box_that_is_infinite_on_its_grid():
    """A point of the equator 90 degrees from a zone's meridian."""
    with pytest.raises(AreaError, match="cannot be projected to EPSG:32631"):
        Area.from_bbox("a", (93, 0, 93.1, 0.1), "EPSG:32631")


def test_a_side_of_400_km_is_the_longest():
    """A degree of latitude measures about 111 km."""
    height, _ = Area.from_bbox("a", (3.0, 50.0, 3.1, 53.59)).grid.shape
    assert 390_000 < height * 10 <= 400_000
    with pytest.raises(AreaError, match="larger than 400 km"):
        Area.from_bbox("a", (3.0, 50.0, 3.1, 53.61))


@pytest.mark.parametrize("crs", ["EPSG:99999", "nonsense", "EPSG:4326", "EPSG:2263"])
def test_a_crs_that_cannot_be_used(crs):
    with pytest.raises(AreaError, match=crs):
        Area.from_bbox("a", MOL, crs)


@pytest.mark.parametrize("resolution", [0, -10, 7, 25, float("nan")])
def test_a_resolution_that_does_not_nest(resolution):
    with pytest.raises(AreaError, match="must divide 60 m"):
        Area.from_bbox("a", MOL, resolution=resolution)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "a-b", "ä"])
def test_a_name_that_cannot_be_a_key(name):
    with pytest.raises(AreaError, match="letters, digits and _"):
        Area.from_bbox(name, MOL)


def test_geojson_there_and_back():
    area = Area.from_bbox("mol", MOL, "EPSG:3035", 20.0)
    assert Area.from_geojson("mol", area.to_geojson()) == area


def test_any_geojson_gives_its_bounding_box():
    point = {"type": "Point", "coordinates": [MOL[0], MOL[1]]}
    line = {"type": "LineString", "coordinates": [[5.06, 51.2], [MOL[2], MOL[3]]]}
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": g} for g in (point, line)],
    }
    assert Area.from_geojson("mol", json.dumps(collection)).bbox == MOL


@pytest.mark.parametrize(
    "data",
    ["{", "[]", "{}", '{"type": "Feature"}', '{"type": "FeatureCollection", "features": []}'],
)
def test_geojson_that_cannot_be_used(data):
    with pytest.raises(AreaError, match="area a"):
        Area.from_geojson("a", data)


def test_solar_days_by_hand():
    """At 150 E the sun is ten hours ahead of UTC."""
    area = Area.from_bbox("tokyo", (149.9, 0.0, 150.1, 0.1))
    assert area.solar_day(dt.datetime(2024, 5, 1, 13, 59, tzinfo=dt.UTC)) == dt.date(2024, 5, 1)
    assert area.solar_day(dt.datetime(2024, 5, 1, 14, 0, tzinfo=dt.UTC)) == dt.date(2024, 5, 2)
    start, end = area.solar_day_window(dt.date(2024, 5, 2), dt.date(2024, 5, 3))
    assert start == dt.datetime(2024, 5, 1, 14, tzinfo=dt.UTC)
    assert end == dt.datetime(2024, 5, 3, 14, tzinfo=dt.UTC)


@given(
    lon=st.floats(-179.9, 179.8),
    moment=st.datetimes(dt.datetime(2016, 1, 1), dt.datetime(2030, 1, 1)),
)
def test_a_moment_lies_in_the_window_of_its_solar_day(lon, moment):
    area = Area("a", (lon, 0.0, lon + 0.1, 0.1), "EPSG:32631")
    aware = moment.replace(tzinfo=dt.UTC)
    day = area.solar_day(aware)
    start, end = area.solar_day_window(day, day)
    assert start <= aware < end
