"""Fields files made by hand."""

import io
import json
from typing import Any

import geopandas as gpd
import shapely
from shapely import box
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.fields.fields import Field, FieldsReading

PLOT = box(5.02, 51.02, 5.03, 51.03)
BOWTIE = shapely.Polygon([(5.02, 51.02), (5.03, 51.03), (5.03, 51.02), (5.02, 51.03)])
PLANTED = "2023-04-07"


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
