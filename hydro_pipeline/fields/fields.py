"""The fields of an area, from the files that users put into `inputs/<area>/fields/`."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area import Area
from hydro_pipeline.errors import FieldsError
from hydro_pipeline.fields.file import LONLAT, Feature, Geometries, read_features, reprojected
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.storage.keys import fields_folder, fields_key
from hydro_pipeline.storage.store import Store, StoredObject

READ_THREADS = 8
SUFFIXES = (".geojson", ".json", ".parquet", ".geoparquet")
"""File names that are read as fields."""


@dataclass(frozen=True)
class Field:
    """One field, as the user drew it."""

    field_id: str
    planting_date: dt.date
    geometry: BaseGeometry
    """Valid Polygon or MultiPolygon, longitude and latitude (EPSG:4326), normalized."""
    source: str
    """Name of the file that it comes from."""

    @cached_property
    def _shape_digest(self) -> bytes:
        plain = shapely.to_wkb(shapely.normalize(self.geometry), byte_order=1, output_dimension=2)
        return hashlib.sha256(plain).digest()

    def hash(self, weights: ZonalWeights) -> str:
        """16 hexadecimal digits that change when this field's statistics may change.

        Covers geometry, planting date and how pixels are weighted; not a ring's first vertex or
        direction, nor the file that the field is in.
        """
        rest = f"{self.planting_date.isoformat()} {weights.value}"
        return hashlib.sha256(self._shape_digest + rest.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FieldProblem:
    """Something in the fields files that a person should look at; the rest is used."""

    source: str
    """Name of the file."""
    field_id: str | None
    """None if the problem is the whole file's."""
    message: str


@dataclass(frozen=True)
class FieldsReading:
    """What the fields files say."""

    fields: tuple[Field, ...] = ()
    """Sorted by `field_id`, each id once."""
    problems: tuple[FieldProblem, ...] = ()
    complete: bool = True
    """False if a fields file could not be read: a field that is missing here may still exist."""

    def planted(self, weights: ZonalWeights) -> list[tuple[str, dt.date, str]]:
        """Id, planting date and hash of each field, by one way of weighting pixels."""
        return [(f.field_id, f.planting_date, f.hash(weights)) for f in self.fields]


def parse_fields(source: str, data: bytes) -> FieldsReading:
    """The fields of one GeoJSON or GeoParquet file, converted from its CRS to EPSG:4326.

    Every feature needs its own `field_id` (text or whole number), a `planting_date` (ISO 8601) and
    a (Multi)Polygon. Self-crossing polygons are repaired and reported. Raises `FieldsError`,
    naming file, feature and value, where the file cannot be used as a whole.
    """
    features = read_features(source, data)
    numbers: dict[str, int] = {}
    for feature in features:
        other = numbers.setdefault(feature.field_id, feature.number)
        if other != feature.number:
            raise FieldsError(
                f"{source}: features {other} and {feature.number} both have "
                f"field_id {feature.field_id!r}; give each its own"
            )
    geometries, problems = _repaired(source, features)
    fields = [
        Field(feature.field_id, feature.planting_date, geometry, source)
        for feature, geometry in zip(features, shapely.normalize(geometries), strict=True)
    ]
    return FieldsReading(tuple(sorted(fields, key=lambda f: f.field_id)), tuple(problems))


def read_fields(
    store: Store, area: Area, files: Sequence[StoredObject] | None = None
) -> FieldsReading:
    """The fields of all files under `inputs/<area>/fields/`, or of `files`, a listing of it.

    A file that cannot be used does not stop the others. Of a `field_id` in two files, the one
    written later counts. A field wholly outside the area's grid is left out. All three are
    reported as problems.
    """
    folder = fields_folder(area.name) + "/"
    files = fields_files(store, area.name) if files is None else files
    oldest_first = sorted(files, key=lambda o: (o.modified, o.key))
    contents = in_threads(lambda o: store.get(o.key), oldest_first, READ_THREADS)
    found: dict[str, Field] = {}
    problems: list[FieldProblem] = []
    complete = True
    for stored, data in zip(oldest_first, contents, strict=True):
        if data is None:
            continue
        source = stored.key.removeprefix(folder)
        try:
            _check_name(source)
            reading = parse_fields(source, data)
        except FieldsError as error:
            problems.append(FieldProblem(source, None, str(error)))
            complete = complete and not _is_fields_file(source)
            continue
        problems.extend(reading.problems)
        for field in reading.fields:
            if older := found.get(field.field_id):
                problems.append(
                    FieldProblem(
                        older.source,
                        field.field_id,
                        f"{older.source}: field {field.field_id} is not used, "
                        f"because {source} has it too and was written later",
                    )
                )
            found[field.field_id] = field
    every = FieldsReading(tuple(found[i] for i in sorted(found)), tuple(problems), complete)
    return _within(area, every)


def put_fields(store: Store, area: Area, path_name: str, data: bytes) -> FieldsReading:
    """Check a fields file, then store it as given as `inputs/<area>/fields/<path_name>`.

    Returns what it holds. Raises `FieldsError` as `parse_fields` does; nothing is stored then.
    """
    _check_name(path_name)
    reading = _within(area, parse_fields(path_name, data))
    store.put(fields_key(area.name, path_name), data)
    return reading


def fields_files(store: Store, area_name: str) -> list[StoredObject]:
    """Everything in `inputs/<area>/fields/`. One listing."""
    return store.listing(fields_folder(area_name))


def fields_etag(store: Store, area_name: str) -> str:
    """A digest that changes when any fields file is added, written or removed. One listing."""
    return files_etag(fields_files(store, area_name))


def files_etag(files: Sequence[StoredObject]) -> str:
    """`fields_etag` of a listing."""
    lines = [f"{o.key}\t{o.etag}\t{o.size}\t{o.modified.isoformat()}\n" for o in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def _is_fields_file(path_name: str) -> bool:
    return path_name.lower().endswith(SUFFIXES)


def _check_name(path_name: str) -> None:
    if not _is_fields_file(path_name):
        raise FieldsError(f"{path_name}: not a fields file; use one of {', '.join(SUFFIXES)}")


def _repaired(source: str, features: Sequence[Feature]) -> tuple[Geometries, list[FieldProblem]]:
    """Valid polygons for the features, a MultiPolygon of one part made a Polygon."""
    geometries = np.array([feature.geometry for feature in features], dtype=object)
    problems = []
    for index in np.flatnonzero(~shapely.is_valid(geometries)).tolist():
        feature = features[index]
        reason = shapely.is_valid_reason(feature.geometry)
        geometries[index] = shapely.make_valid(
            feature.geometry, method="structure", keep_collapsed=False
        )
        if geometries[index].area == 0:
            raise FieldsError(
                f"{source}: feature {feature.number} (field_id {feature.field_id!r}) "
                f"has no area ({reason}); draw it again"
            )
        problems.append(
            FieldProblem(
                source,
                feature.field_id,
                f"{source}: field {feature.field_id} was repaired, check its outline: {reason}",
            )
        )
    single = shapely.get_num_geometries(geometries) == 1
    geometries[single] = shapely.get_geometry(geometries[single], 0)
    return geometries, problems


def _within(area: Area, reading: FieldsReading) -> FieldsReading:
    """The reading without the fields that share no ground with the area's grid."""
    inside = _overlaps(area, [field.geometry for field in reading.fields])
    problems = tuple(
        FieldProblem(
            field.source,
            field.field_id,
            f"{field.source}: field {field.field_id} is wholly outside area {area.name}; "
            "it gets no statistics",
        )
        for field, ok in zip(reading.fields, inside, strict=True)
        if not ok
    )
    kept = tuple(f for f, ok in zip(reading.fields, inside, strict=True) if ok)
    return replace(reading, fields=kept, problems=reading.problems + problems)


def _overlaps(area: Area, geometries: Sequence[BaseGeometry]) -> NDArray[np.bool_]:
    """(field,) True where a geometry in EPSG:4326 shares more than its edge with the grid."""
    on_grid = reprojected(np.array(geometries, dtype=object), LONLAT, area.crs)
    finite = np.isfinite(shapely.bounds(on_grid)).all(axis=1)
    overlaps = np.zeros(len(on_grid), np.bool_)
    outline = area.footprint()
    shapely.prepare(outline)
    overlaps[finite] = shapely.intersects(outline, on_grid[finite]) & ~shapely.touches(
        outline, on_grid[finite]
    )
    return overlaps
