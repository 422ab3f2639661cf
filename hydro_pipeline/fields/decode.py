"""What a fields file says, unchecked: GeoJSON or GeoParquet as columns, one entry a feature."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import shape

from hydro_pipeline.errors import FieldsError
from hydro_pipeline.outside.words import printable, shown

Geometries = NDArray[np.object_]

KEYS = {"type", "features", "crs", "geometry", "coordinates", "properties", "field_id"} | {
    "planting_date"
}
"""What is read of a GeoJSON object."""
REPEATED = object()
"""Stands in an object for the names among `KEYS` that it has more than once."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that cannot be read."""

    why: str
    """The end of a sentence."""


@dataclass(frozen=True)
class Raw:
    """What a file says, unchecked, an entry for each feature."""

    field_ids: Sequence[Any]
    planting_dates: Sequence[Any]
    geometries: Sequence[Any]
    """Shapes, None, or `Unreadable`."""
    crs: CRS | None
    """None if the file does not say."""


def decode(source: str, data: bytes) -> Raw:
    """The features of a file.

    Raises `FieldsError`, naming the file, for content that is not GeoJSON or GeoParquet, and for an
    unknown CRS.
    """
    return _geoparquet(source, data) if data[:4] == b"PAR1" else _geojson(source, data)


def _geojson(source: str, data: bytes) -> Raw:
    document = _json(source, data)
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    if kind not in ("Feature", "FeatureCollection"):
        said = kind if isinstance(kind, str) and kind.isidentifier() else shown(kind)
        raise FieldsError(f"{source}: a GeoJSON {said[:60]}; expected a FeatureCollection")
    features = [document] if kind == "Feature" else document.get("features")
    if not isinstance(features, list):
        raise FieldsError(f"{source}: a GeoJSON FeatureCollection without a list of features")
    if kind == "FeatureCollection" and REPEATED in document:
        raise FieldsError(f"{source} gives {document[REPEATED]} twice; give it once")
    declared = document.get("crs")
    parts = [_parts(feature) for feature in features]
    return Raw(
        [field_id for field_id, _, _ in parts],
        [planting_date for _, planting_date, _ in parts],
        _shapes([geometry for _, _, geometry in parts]),
        None if declared is None else _declared_crs(source, declared),
    )


def _json(source: str, data: bytes) -> Any:
    try:
        try:
            return json.loads(data, object_pairs_hook=_object)
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise
        except ValueError:  # A whole number of thousands of digits.
            return json.loads(data, object_pairs_hook=_object, parse_int=float)
    except RecursionError:
        raise FieldsError(f"{source}: not readable as GeoJSON: nested too deeply") from None
    except ValueError as error:
        raise FieldsError(
            f"{source}: not readable as GeoJSON or GeoParquet: {printable(str(error))}"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        if repeated := sorted(n for n in KEYS if names.count(n) > 1):
            made[REPEATED] = ", ".join(repeated)
    return made


def _parts(feature: Any) -> tuple[Any, Any, Any]:
    """field_id, planting_date and geometry of a GeoJSON Feature."""
    own = (feature.get("properties") or {}) if isinstance(feature, dict) else None
    if not isinstance(own, dict):
        return (Unreadable("is not a GeoJSON Feature"),) * 3
    geometry = feature.get("geometry")
    for part in (feature, own, geometry):
        if isinstance(part, dict) and REPEATED in part:
            return (Unreadable(f"gives {part[REPEATED]} twice"),) * 3
    return own.get("field_id"), own.get("planting_date"), geometry


def _shapes(geometries: Sequence[Any]) -> Sequence[Any]:
    """GeoJSON geometries as shapes, all at once where every one is a Polygon of numbers."""
    with contextlib.suppress(Exception):
        return list(_polygons([_rings(geometry) for geometry in geometries]))
    return [_tried(_shape, geometry, "geometry") for geometry in geometries]


def _tried(read: Callable[[Any], Any], value: Any, what: str) -> Any:
    """What `read` makes of a value; `Unreadable` where it raises, whatever that is."""
    try:
        return value if value is None or isinstance(value, Unreadable) else read(value)
    except Exception as error:
        why = printable(f"{type(error).__name__}: {error}")
        return Unreadable(f"has a {what} that cannot be read: {why}")


def _shape(geometry: Any) -> Any:
    if "coordinates" in geometry:
        _check_numbers(geometry["coordinates"])
    return shape(geometry)


def _check_numbers(coordinates: Any) -> None:
    if isinstance(coordinates, list):
        for each in coordinates:
            _check_numbers(each)
    elif isinstance(coordinates, bool) or not isinstance(coordinates, int | float):
        raise TypeError(f"{shown(coordinates)} among its coordinates")


def _rings(geometry: Any) -> list[list[Any]]:
    """Rings of a Polygon. Raises `ValueError` for anything else."""
    rings = geometry["coordinates"]
    if geometry["type"] != "Polygon" or not rings:
        raise ValueError(geometry["type"])
    return rings  # type: ignore[no-any-return]


def _polygons(polygons: list[list[list[Any]]]) -> Geometries:
    """Polygons from their rings. Raises where that cannot be done."""
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
        name = member["properties"]["name"]
        return CRS.from_user_input(name)
    except Exception:
        raise FieldsError(
            f"{source}: unknown crs {_json_text(member)}; "
            "use a name such as urn:ogc:def:crs:EPSG::32631, or longitude and latitude without crs"
        ) from None


def _json_text(value: Any) -> str:
    try:
        return printable(json.dumps(value, skipkeys=True))
    except Exception:
        return shown(value)


def _geoparquet(source: str, data: bytes) -> Raw:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        geo = json.loads((file.schema_arrow.metadata or {})[b"geo"])
        name = geo["primary_column"]
        described = geo["columns"][name]
        read = {"field_id", "planting_date", name} & set(file.schema_arrow.names)
        table = file.read(sorted(read))
        geometries = _geometries(data, name, described, table)
        nothing = [None] * len(geometries)
        ids, dates = (
            _values(column, table[column]) if column in table.column_names else nothing
            for column in ("field_id", "planting_date")
        )
    except KeyError as error:
        raise FieldsError(
            f"{source}: not readable as GeoParquet: its metadata lack {printable(str(error))}"
        ) from None
    except Exception as error:
        raise FieldsError(
            f"{source}: not readable as GeoParquet: {printable(str(error) or type(error).__name__)}"
        ) from None
    declared = described.get("crs", "OGC:CRS84")
    try:
        crs = None if declared is None else CRS.from_user_input(declared)
    except Exception:
        raise FieldsError(
            f"{source}: unknown crs {_json_text(declared)}; convert it to EPSG:4326"
        ) from None
    return Raw(ids, dates, geometries, crs)


def _geometries(data: bytes, name: str, described: dict[str, Any], table: pa.Table) -> list[Any]:
    if described["encoding"] != "WKB":
        return list(gpd.read_parquet(io.BytesIO(data), columns=[name])[name])
    stored = table[name].to_pylist()
    made = shapely.from_wkb(np.array([*stored, None], dtype=object)[:-1], on_invalid="ignore")
    wrong = Unreadable("has a geometry that cannot be read: broken WKB")
    return [
        wrong if got is None and given is not None else got
        for got, given in zip(made, stored, strict=True)
    ]


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    """Values of Python; `Unreadable` where one cannot be told."""
    try:
        values: list[Any] = column.to_pylist()
        return values
    except Exception:
        return [_tried(lambda scalar: scalar.as_py(), scalar, name) for scalar in column]
