"""One fields file, GeoJSON or GeoParquet in any declared CRS, as checked features in lon/lat."""

import contextlib
import datetime as dt
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyarrow.lib import ArrowException
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.errors import FieldsError

LONLAT = CRS("EPSG:4326")

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""

MISSING = ("", "None", "nan", "NaT", "<NA>")
"""How the values that stand for nothing are written."""

UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, NotImplementedError),
    *(RecursionError, OverflowError, ArrowException, ShapelyError, ProjError),
)
"""What the readers raise on broken content."""

Geometries = NDArray[np.object_]


@dataclass(frozen=True)
class Feature:
    """One feature of a file, before its geometry is repaired."""

    number: int
    """Position in the file, from 1."""
    field_id: str
    planting_date: dt.date
    geometry: BaseGeometry
    """Polygon or MultiPolygon, longitude and latitude (EPSG:4326), perhaps self-crossing."""


@dataclass(frozen=True)
class _Raw:
    """What a file says, unchecked."""

    field_ids: Sequence[Any]
    planting_dates: Sequence[Any]
    geometries: Geometries
    crs: CRS | None


@np.errstate(invalid="ignore")
def read_features(source: str, data: bytes) -> list[Feature]:
    """The features of a file, converted to EPSG:4326, Z dropped; other properties are ignored.

    A file without a declared CRS is taken as longitude and latitude. Raises `FieldsError`, naming
    file, feature and value, for content that is not GeoJSON or GeoParquet, an unknown CRS, a
    missing `field_id` or `planting_date`, an unreadable one, a missing or non-polygon geometry,
    and coordinates that are not on Earth.
    """
    raw = _geoparquet(source, data) if data[:4] == b"PAR1" else _geojson(source, data)
    labels = [f"{source}: feature {number}" for number in range(1, len(raw.geometries) + 1)]
    field_ids = [_field_id(*pair) for pair in zip(labels, raw.field_ids, strict=True)]
    labels = [f"{label} (field_id {i!r})" for label, i in zip(labels, field_ids, strict=True)]
    dates = [_planting_date(*pair) for pair in zip(labels, raw.planting_dates, strict=True)]
    geometries = _lonlat(source, labels, raw)
    return [
        Feature(number, *parts)
        for number, parts in enumerate(zip(field_ids, dates, geometries, strict=True), start=1)
    ]


def reprojected(geometries: Geometries, source: CRS | str, target: CRS | str) -> Geometries:
    """Geometries with every vertex moved from one CRS to another; not finite where impossible."""
    transformer = Transformer.from_crs(source, target, always_xy=True)
    moved = shapely.get_coordinates(geometries)
    moved[:, 0], moved[:, 1] = transformer.transform(moved[:, 0], moved[:, 1])
    return shapely.set_coordinates(geometries.copy(), moved)


def _geojson(source: str, data: bytes) -> _Raw:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FieldsError(f"{source}: not readable as GeoJSON or GeoParquet: {error}") from None
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    if kind not in ("Feature", "FeatureCollection"):
        raise FieldsError(f"{source}: a GeoJSON {kind}; expected a FeatureCollection")
    features = [document] if kind == "Feature" else document.get("features")
    if not isinstance(features, list):
        raise FieldsError(f"{source}: a GeoJSON FeatureCollection without a list of features")
    properties: list[dict[str, Any]] = []
    for number, feature in enumerate(features, start=1):
        own = feature.get("properties") or {} if isinstance(feature, dict) else None
        if not isinstance(own, dict):
            raise FieldsError(f"{source}: feature {number} is not a GeoJSON Feature")
        properties.append(own)
    geometries = _shapes(source, [feature.get("geometry") for feature in features])
    declared = document.get("crs")
    return _Raw(
        [p.get("field_id") for p in properties],
        [p.get("planting_date") for p in properties],
        geometries,
        None if declared is None else _declared_crs(source, declared),
    )


def _shapes(source: str, geometries: Sequence[Any]) -> Geometries:
    """GeoJSON geometries as shapes, all at once where every one is a Polygon of numbers."""
    with contextlib.suppress(*UNREADABLE):
        return _polygons([_rings(geometry) for geometry in geometries])
    shapes = np.empty(len(geometries), object)
    for index, geometry in enumerate(geometries):
        try:
            shapes[index] = None if geometry is None else shape(geometry)
        except UNREADABLE as error:
            raise FieldsError(
                f"{source}: feature {index + 1}: geometry not readable: "
                f"{type(error).__name__}: {error}"
            ) from None
    return shapes


def _rings(geometry: Any) -> list[list[Any]]:
    """Rings of a Polygon. Raises `ValueError` for anything else."""
    rings = geometry["coordinates"]
    if geometry["type"] != "Polygon" or not rings:
        raise ValueError(geometry["type"])
    return rings  # type: ignore[no-any-return]


def _polygons(polygons: list[list[list[Any]]]) -> Geometries:
    """Polygons from their rings. Raises one of `UNREADABLE` where that cannot be done."""
    rings = [ring for polygon in polygons for ring in polygon]
    points = np.array([point for ring in rings for point in ring])
    if points.dtype.kind not in "if" or not np.isfinite(points).all():
        raise ValueError("not numbers")
    ring_of_point = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    polygon_of_ring = np.repeat(np.arange(len(polygons)), [len(rings) for rings in polygons])
    lines: Any = shapely.linearrings(points, indices=ring_of_point)
    made: Any = shapely.polygons(lines, indices=polygon_of_ring)
    return np.asarray(made, dtype=object)


def _declared_crs(source: str, member: Any) -> CRS:
    """The CRS of GeoJSON's `crs` member (GeoJSON 1.0, 2008)."""
    try:
        return CRS.from_user_input(member["properties"]["name"])
    except UNREADABLE:
        raise FieldsError(
            f"{source}: unknown crs {json.dumps(member)[:200]}; "
            "use a name such as urn:ogc:def:crs:EPSG::32631, or longitude and latitude without crs"
        ) from None


def _geoparquet(source: str, data: bytes) -> _Raw:
    try:
        table = gpd.read_parquet(io.BytesIO(data))
    except UNREADABLE as error:
        raise FieldsError(f"{source}: not readable as GeoParquet: {error}") from None
    nothing = [None] * len(table)
    return _Raw(
        table["field_id"].tolist() if "field_id" in table else nothing,
        table["planting_date"].tolist() if "planting_date" in table else nothing,
        table.geometry.to_numpy(),
        table.crs,
    )


def _field_id(label: str, value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if str(value).strip() in MISSING:
        raise FieldsError(f"{label} has no field_id; every feature needs one")
    raise FieldsError(f"{label}: field_id {value!r} must be text or a whole number")


def _planting_date(label: str, value: Any) -> dt.date:
    if str(value).strip() in MISSING:
        raise FieldsError(f"{label} has no planting_date; give it as YYYY-MM-DD")
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.fromisoformat(value.strip()).date()
    except (ValueError, AttributeError):
        raise FieldsError(
            f"{label}: planting_date {value!r} is not a date; give it as YYYY-MM-DD"
        ) from None


def _lonlat(source: str, labels: Sequence[str], raw: _Raw) -> Geometries:
    """Checked polygons in EPSG:4326."""
    geometries = shapely.force_2d(raw.geometries)
    nothing = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    for index in np.flatnonzero(nothing).tolist():
        raise FieldsError(f"{labels[index]} has no geometry; draw it, or leave the feature out")
    for index in np.flatnonzero(~np.isin(shapely.get_type_id(geometries), POLYGONS)).tolist():
        kind = geometries[index].geom_type
        raise FieldsError(f"{labels[index]} is a {kind}; fields are Polygon or MultiPolygon")
    if raw.crs is not None and not raw.crs.equals(LONLAT, ignore_axis_order=True):
        geometries = reprojected(geometries, raw.crs, LONLAT)
    coordinates, owner = shapely.get_coordinates(geometries, return_index=True)
    on_earth = (np.abs(coordinates) <= (180, 90)).all(axis=1)
    for index in owner[~on_earth].tolist():
        raise FieldsError(f"{labels[index]} {_off_earth(source, raw.geometries[index], raw.crs)}")
    return geometries


def _off_earth(source: str, geometry: BaseGeometry, crs: CRS | None) -> str:
    """What is wrong with a geometry that is not in longitude and latitude, or cannot be."""
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return "has coordinates that are not finite numbers; draw it again"
    west, south, east, north = geometry.bounds
    extent = f"spans x {west:g} to {east:g}, y {south:g} to {north:g}"
    if crs is None:
        return (
            f"{extent}, which is not longitude and latitude, and {source} declares no CRS; "
            "declare it, or convert the file to EPSG:4326"
        )
    return f"{extent}, which is outside its declared CRS {crs.name}"
