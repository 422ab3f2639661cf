"""The fields of an area, from the files that users put into `inputs/<area>/fields/`."""

import datetime as dt
import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import FieldsError, StoreAccessError
from hydro_pipeline.fields.file import (
    LONLAT,
    Feature,
    FieldProblem,
    read_features,
    reprojected,
)
from hydro_pipeline.fields.size import check_size
from hydro_pipeline.outside.words import printable
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.storage.keys import fields_folder, fields_key, unreachable
from hydro_pipeline.storage.store import Store, StoredObject

READ_THREADS = 8
SENTENCES = 20
"""Problems that are told one by one."""
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
class FieldsReading:
    """What the fields files say."""

    fields: tuple[Field, ...] = ()
    """Sorted by `field_id` and planting date, each pair once. The plantings of one field are its
    seasons; see `seasons.ends`."""
    problems: tuple[FieldProblem, ...] = ()
    complete: bool = True
    """False if a file or a feature could not be used: a field that is missing here may exist."""

    def planted(self, weights: ZonalWeights) -> list[tuple[str, dt.date, str]]:
        """Id, planting date and hash of each field, by one way of weighting pixels."""
        return [(f.field_id, f.planting_date, f.hash(weights)) for f in self.fields]

    @property
    def left_out(self) -> int:
        """Files and features that are not used."""
        return sum(problem.left_out for problem in self.problems)

    def told(self, most: int = SENTENCES) -> list[str]:
        """The problems as sentences, what is left out first; of more than `most`, how many."""
        worst_first = sorted(self.problems, key=lambda problem: not problem.left_out)
        told = [problem.message for problem in worst_first[:most]]
        if more := len(self.problems) - len(told):
            told.append(f"and {more} more like these ({self.left_out} left out in all)")
        return told


@dataclass(frozen=True)
class FieldsFile:
    """A fields file as it was read."""

    source: str
    """Its path within the area's folder of fields, every character printable."""
    reading: FieldsReading


def parse_fields(source: str, data: bytes, today: dt.date | None = None) -> FieldsReading:
    """The fields of one GeoJSON or GeoParquet file, converted from its CRS to EPSG:4326.

    Every feature needs a `field_id` (text or whole number), a `planting_date` (ISO 8601; see
    `planting.planting`) and a (Multi)Polygon; one that lacks them is left out and reported. So is
    one that has both from an earlier feature. Raises `FieldsError`, naming file and value, where
    the file cannot be used as a whole.
    """
    features, problems = read_features(source, data, today or dt.datetime.now(dt.UTC).date())
    found: dict[tuple[str, dt.date], Feature] = {}
    complete = not problems or not any(problem.left_out for problem in problems)
    for feature in features:
        first = found.setdefault((feature.field_id, feature.planting_date), feature)
        if first is not feature:
            message = (
                f"{source}: features {first.number} and {feature.number} both have field_id "
                f"{feature.field_id!r} and planting_date {feature.planting_date}; "
                "the second is left out"
            )
            problems.append(FieldProblem(source, feature.field_id, message, left_out=True))
    fields = [Field(*key, found[key].geometry, source) for key in sorted(found)]
    return FieldsReading(tuple(fields), tuple(problems), complete)


def read_fields(
    store: Store, area: Area, files: Sequence[StoredObject] | None = None
) -> FieldsReading:
    """The fields of all files under `inputs/<area>/fields/`, or of `files`, a listing of it.

    What cannot be used, a file or a feature, does not stop the rest; see `merged`.
    """
    return merged(area, read_files(store, area, files))


def read_files(
    store: Store, area: Area, files: Sequence[StoredObject] | None = None
) -> list[FieldsFile]:
    """The files of an area's folder of fields, or of `files`, in the order they were written."""
    folder = fields_folder(area.name)
    files = fields_files(store, area.name) if files is None else files
    oldest_first = sorted(
        (o for o in files if o.key.rstrip("/") != folder), key=lambda o: (o.modified, o.key)
    )
    return in_threads(lambda o: _read(store, folder, o), oldest_first, READ_THREADS)


def merged(area: Area, files: Iterable[FieldsFile]) -> FieldsReading:
    """What files, the oldest first, say together of an area.

    Of a field with the same planting date in two files, the one written later counts. A field
    wholly outside the area's grid is left out. Both are reported as problems.
    """
    found: dict[tuple[str, dt.date], Field] = {}
    problems: list[FieldProblem] = []
    complete = True
    for file in files:
        problems += file.reading.problems
        complete = complete and file.reading.complete
        for field in file.reading.fields:
            key = field.field_id, field.planting_date
            if older := found.get(key):
                message = (
                    f"{older.source}: field {field.field_id} is not used, "
                    f"because {file.source} has it too and was written later"
                )
                problems.append(FieldProblem(older.source, field.field_id, message))
            found[key] = field
    every = FieldsReading(tuple(found[key] for key in sorted(found)), tuple(problems), complete)
    return _within(area, every)


def check_file(store: Store, area: Area, path_name: str, data: bytes, force: bool) -> FieldsFile:
    """A fields file that is to be stored as `inputs/<area>/fields/<path_name>`.

    Raises `FieldsError` as `parse_fields` does, for a file that has features none of which can be
    used, and, unless `force`, for one without a field in the area in place of one that has some.
    """
    _check_name(path_name)
    parsed = parse_fields(path_name, data)
    reading = _within(area, parsed)
    if not parsed.fields and parsed.problems:
        raise FieldsError("; ".join(parsed.told(3)))
    if not reading.fields and not force:
        stored = store.get(fields_key(area.name, path_name))
        if stored is not None and (held := _held(area, path_name, stored)):
            raise FieldsError(
                f"{path_name} has no field in area {area.name}, and would replace a file with "
                f"{held}; remove them all with --force"
            )
    return FieldsFile(path_name, reading)


def put_fields(
    store: Store, area: Area, path_name: str, data: bytes, *, force: bool = False
) -> FieldsReading:
    """Check a fields file, then store it as given as `inputs/<area>/fields/<path_name>`.

    Returns what it holds. Raises `FieldsError` as `check_file` does; nothing is stored then.
    """
    checked = check_file(store, area, path_name, data, force)
    store.put(fields_key(area.name, path_name), data)
    return checked.reading


def fields_files(store: Store, area_name: str) -> list[StoredObject]:
    """Everything in `inputs/<area>/fields/`. One listing."""
    return store.listing(fields_folder(area_name))


def fields_etag(store: Store, area_name: str) -> str:
    """A digest that changes when any fields file is added, written or removed. One listing."""
    return files_etag(fields_files(store, area_name))


def files_etag(files: Sequence[StoredObject]) -> str:
    """`fields_etag` of a listing."""
    lines = [f"{o.key}\t{o.etag}\t{o.size}\t{o.modified.isoformat()}\n" for o in files]
    whole = "".join(lines).encode(errors="surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:32]


def _read(store: Store, folder: str, stored: StoredObject) -> FieldsFile:
    name = stored.key.removeprefix(folder + "/")
    source = printable(name)
    try:
        _check_name(name)
        check_size(source, stored.size)
        data = store.get(stored.key)
        return FieldsFile(source, FieldsReading() if data is None else parse_fields(source, data))
    except (FieldsError, StoreAccessError) as error:
        problem = FieldProblem(source, None, str(error), left_out=True)
        return FieldsFile(source, FieldsReading((), (problem,), not _is_fields_file(name)))


def _held(area: Area, path_name: str, data: bytes) -> str:
    """What a stored file holds in the area; empty if that is nothing."""
    try:
        count = len(_within(area, parse_fields(path_name, data)).fields)
    except FieldsError:
        return ""
    return f"{count} field{'s' * (count > 1)}" if count else ""


def _is_fields_file(path_name: str) -> bool:
    hidden = posixpath.basename(path_name).startswith(".")
    return path_name.lower().endswith(SUFFIXES) and not hidden


def _check_name(path_name: str) -> None:
    shown = printable(path_name)
    if posixpath.basename(path_name).startswith("."):
        raise FieldsError(f"{shown}: not a fields file: its name begins with a dot; remove it")
    if not _is_fields_file(path_name):
        raise FieldsError(f"{shown}: not a fields file; use one of {', '.join(SUFFIXES)}")
    if unreachable(path_name):
        raise FieldsError(
            f"{shown}: cannot be read by such a name, with an empty part or a control character; "
            "give it another"
        )


def _within(area: Area, reading: FieldsReading) -> FieldsReading:
    """The reading without the fields that share no ground with the area's grid."""
    inside = _overlaps(area, [field.geometry for field in reading.fields])
    problems = tuple(
        FieldProblem(
            field.source,
            field.field_id,
            f"{field.source}: field {field.field_id} is wholly outside area {area.name}; "
            f"it gets no statistics{_hint(area, field)}",
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


def _hint(area: Area, field: Field) -> str:
    """What may be the reason that a field is outside."""
    west, south, east, north = area.bbox
    at = shapely.get_coordinates(field.geometry)[0]
    swapped = south <= at[0] <= north and west <= at[1] <= east
    return "; its coordinates look swapped, longitude comes first" if swapped else ""
