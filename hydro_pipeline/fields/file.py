"""One fields file, GeoJSON or GeoParquet in any declared CRS, as checked features in lon/lat."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area.crs import inexact
from hydro_pipeline.errors import FieldsError
from hydro_pipeline.fields.decode import Geometries, Raw, Unreadable, decode
from hydro_pipeline.fields.planting import Planting, planting
from hydro_pipeline.outside.words import printable, shown

LONLAT = CRS("EPSG:4326")

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""

MISSING = ("", "None", "nan", "NaT", "<NA>")
"""How the values that stand for nothing are written."""

LONGEST_ID = 200
"""Characters of a field_id."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What a field_id has none of: control characters, line ends, surrogates."""


@dataclass(frozen=True)
class Feature:
    """One feature of a file that can be used."""

    number: int
    """Position in the file, from 1."""
    field_id: str
    planting_date: dt.date
    geometry: BaseGeometry
    """Valid Polygon or MultiPolygon, longitude and latitude (EPSG:4326), normalized."""


@dataclass(frozen=True)
class FieldProblem:
    """Something in the fields files that a person should look at; the rest is used."""

    source: str
    """Name of the file."""
    field_id: str | None
    """None if the problem is the whole file's, or that of a feature without a usable id."""
    message: str
    """A sentence that names file, feature and value, every character printable."""
    left_out: bool = False
    """True where what the sentence tells of is not used at all."""


@np.errstate(invalid="ignore")
def read_features(
    source: str, data: bytes, today: dt.date
) -> tuple[list[Feature], list[FieldProblem]]:
    """The features of a file that can be used, converted to EPSG:4326, and what is to be told.

    Z is dropped, and properties but `field_id` and `planting_date` are ignored. A file without a
    declared CRS is taken as longitude and latitude. A feature is left out that has no usable
    field_id, planting date (see `planting`) or polygon on Earth. Self-crossing polygons are
    repaired. Raises `FieldsError`, naming the file, for content that is not GeoJSON or GeoParquet,
    and for a CRS that is unknown or cannot be converted exactly (see `inexact`).
    """
    raw = decode(source, data)
    outlines = _repaired(_lonlat(source, raw))
    found, problems = [], []
    for number, (field_id, planted, outline) in enumerate(
        zip(raw.field_ids, raw.planting_dates, outlines, strict=True), start=1
    ):
        name = None
        try:
            name = _field_id(field_id)
            polygon, repaired = _usable(outline)
            when = _planting(planted, polygon, today)
        except ValueError as error:
            label = f"{source}: feature {number}" + (f" (field_id {shown(name)})" if name else "")
            problems.append(FieldProblem(source, name, f"{label} {error}; it is left out", True))
            continue
        notes = when.notes
        if repaired:
            notes += (f"was repaired, check its outline: {repaired}",)
        problems += [FieldProblem(source, name, f"{source}: field {name} {n}") for n in notes]
        found.append(Feature(number, name, when.day, polygon))
    return found, problems


def reprojected(geometries: Geometries, source: CRS | str, target: CRS | str) -> Geometries:
    """Geometries with every vertex moved from one CRS to another; not finite where impossible."""
    transformer = Transformer.from_crs(source, target, always_xy=True)
    moved = shapely.get_coordinates(geometries)
    moved[:, 0], moved[:, 1] = transformer.transform(moved[:, 0], moved[:, 1])
    return shapely.set_coordinates(geometries.copy(), moved)


def _field_id(value: Any) -> str:
    """Raises `ValueError`, the end of a sentence, for what cannot name a field."""
    value = _usable(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LONGEST_ID:
        return str(value)
    if value is None or (isinstance(value, str | float) and str(value).strip() in MISSING):
        raise ValueError("has no field_id; every feature needs one")
    if not isinstance(value, str):
        raise ValueError(f"has a field_id {shown(value)} that is not text or a whole number")
    name = value.strip()
    if len(name) > LONGEST_ID:
        raise ValueError(
            f"has a field_id {shown(name)} of {len(name)} characters, more than {LONGEST_ID}"
        )
    if UNPRINTABLE.search(name):
        raise ValueError(f"has a field_id {shown(name)} with characters that cannot be printed")
    return name


def _planting(value: Any, polygon: BaseGeometry, today: dt.date) -> Planting:
    """Raises `ValueError`, the end of a sentence, for what is no date."""
    value = _usable(value)
    plain = isinstance(value, str | float | dt.datetime)
    if value is None or (plain and str(value).strip() in MISSING):
        raise ValueError("has no planting_date; give it as YYYY-MM-DD")
    return planting(value, shapely.get_coordinates(polygon)[0, 0], today)


def _usable[T](value: T | Unreadable) -> T:
    if isinstance(value, Unreadable):
        raise ValueError(value.why)
    return value


def _lonlat(source: str, raw: Raw) -> list[BaseGeometry | Unreadable]:
    """Polygons in EPSG:4326, as they were drawn."""
    outlines = [_polygonal(geometry) for geometry in raw.geometries]
    at = [i for i, outline in enumerate(outlines) if not isinstance(outline, Unreadable)]
    drawn = np.empty(len(at), dtype=object)
    drawn[:] = [outlines[i] for i in at]
    drawn = moved = shapely.force_2d(drawn)
    inexactly: list[str | None] = [None] * len(at)
    if raw.crs is not None and not raw.crs.equals(LONLAT, ignore_axis_order=True):
        x, y = shapely.bounds(drawn)[:, :2].T
        inexactly = [why and _inexact(raw.crs, why) for why in inexact(raw.crs, LONLAT, x, y)]
        if inexactly and (why := inexactly[0]) and all(inexactly):
            raise FieldsError(f"{source} {why}")
        moved = reprojected(drawn, raw.crs, LONLAT)
    coordinates, owner = shapely.get_coordinates(moved, return_index=True)
    off_earth = set(owner[~(np.abs(coordinates) <= (180, 90)).all(axis=1)].tolist())
    for k, i in enumerate(at):
        outlines[i] = moved[k]
        if k in off_earth:
            outlines[i] = Unreadable(_off_earth(source, drawn[k], raw.crs))
        elif why := inexactly[k]:
            outlines[i] = Unreadable(why)
    return outlines


def _polygonal(geometry: Any) -> BaseGeometry | Unreadable:
    if isinstance(geometry, Unreadable):
        return geometry
    if geometry is None or geometry.is_empty:
        return Unreadable("has no geometry; draw it, or leave the feature out")
    if shapely.get_type_id(geometry) not in POLYGONS:
        return Unreadable(f"is a {geometry.geom_type}; fields are Polygon or MultiPolygon")
    polygon: BaseGeometry = geometry
    return polygon


def _repaired(
    outlines: Sequence[BaseGeometry | Unreadable],
) -> list[tuple[BaseGeometry, str] | Unreadable]:
    """Valid, normalized polygons, a MultiPolygon of one part made a Polygon, each with what was
    wrong with it (empty: nothing).
    """
    at = [i for i, outline in enumerate(outlines) if not isinstance(outline, Unreadable)]
    made = np.empty(len(at), dtype=object)
    made[:] = [outlines[i] for i in at]
    reasons = dict.fromkeys(range(len(at)), "")
    for k in np.flatnonzero(~shapely.is_valid(made)).tolist():
        reasons[k] = shapely.is_valid_reason(made[k])
        made[k] = shapely.make_valid(made[k], method="structure", keep_collapsed=False)
    area = shapely.area(made)
    single = (shapely.get_num_geometries(made) == 1) & (area > 0)
    made[single] = shapely.get_geometry(made[single], 0)
    made = shapely.normalize(made)
    found: list[Any] = list(outlines)
    for k, i in enumerate(at):
        found[i] = (
            (made[k], reasons[k])
            if area[k] > 0
            else Unreadable(f"has no area ({reasons[k] or 'it is empty'}); draw it again")
        )
    return found


def _inexact(crs: CRS, why: str) -> str:
    authority = crs.to_authority()
    code = f" ({':'.join(authority)})" if authority else ""
    return (
        f"has the CRS {printable(crs.name)}{code}, which cannot be moved to the grid exactly: "
        f"{why}; give it in EPSG:4326 or in UTM (WGS 84)"
    )


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
