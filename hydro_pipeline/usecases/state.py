"""An area opened once: what its readers get, and what did not change is not read again."""

import contextlib
import datetime as dt
import json
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.name import note
from hydro_pipeline.area.settings import settings_of
from hydro_pipeline.cube.layout import check_meaning, grid_meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import MissingDayError, StoreAccessError, StoredObjectError
from hydro_pipeline.fields.fields import (
    FieldsReading,
    fields_etag,
    fields_files,
    files_etag,
    read_fields,
)
from hydro_pipeline.indices import statistics_version
from hydro_pipeline.parallel import in_threads, meanwhile
from hydro_pipeline.product import Product
from hydro_pipeline.scenes.day_record import read_record
from hydro_pipeline.settings import Settings, ZonalWeights
from hydro_pipeline.stats.schema import schema_of
from hydro_pipeline.stats.stale import Displaced, StalePairs, Wanted, stale_pairs
from hydro_pipeline.stats.table import is_stale, read_day, read_table, stored_days
from hydro_pipeline.storage.keys import cube_state_key, settled_key
from hydro_pipeline.storage.store import Store, StoredObject

OBJECTS_AT_ONCE = 32
"""Small objects that are read at once."""


@dataclass(frozen=True)
class ListedFields:
    """An area's fields files as they were listed; they are read when first asked for."""

    store: Store
    area: Area
    weights: ZonalWeights
    files: tuple[StoredObject, ...]
    _wanted: dict[str, Wanted] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def reading(self) -> FieldsReading:
        """The fields, and what is wrong with their files."""
        return read_fields(self.store, self.area, self.files)

    def wanted(self, version: str) -> Wanted:
        """The rows that the fields want, of a `Product.version`."""
        if version not in self._wanted:
            reading = self.reading
            planted = reading.planted(self.weights)
            self._wanted[version] = Wanted.of(planted, version, reading.complete)
        return self._wanted[version]


@dataclass(frozen=True)
class ListedCube:
    """An area's cube at an ETag that is no newer than it; it is opened when first asked for."""

    store: Store
    name: str
    etag: str | None
    """None while there is no repository."""

    @cached_property
    def cube(self) -> Cube | None:
        """None if no day was committed."""
        return Cube.open(self.store, self.name)


@dataclass(frozen=True)
class AreaState:
    """An area's fields and cube as of one moment or later.

    They are read when first asked for, and then stay as they are. Statistics, records and what is
    stale are read anew by each call.
    """

    store: Store
    settings: Settings
    area: Area
    listed_fields: ListedFields = field(repr=False)
    listed_cube: ListedCube = field(repr=False)

    @property
    def name(self) -> str:
        """The area's name."""
        return self.area.name

    @property
    def fields(self) -> FieldsReading:
        """The area's fields, and what is wrong with their files."""
        return self.listed_fields.reading

    @cached_property
    def wanted(self) -> Wanted:
        """The rows of statistics that the fields want."""
        return self.listed_fields.wanted(self.product.version)

    @property
    def product(self) -> Product:
        """What is measured: as the cube says, or the settings while there is none."""
        cube = self.listed_cube.cube
        return self.settings.product if cube is None else cube.product

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the rows of statistics."""
        return schema_of(self.product)

    @property
    def cube(self) -> Cube | None:
        """The area's cube, or None if no day was committed. Raises `CubeMeaningError` if it is on
        another grid than the area, whose `area.geojson` was replaced then.
        """
        cube = self.listed_cube.cube
        if cube is not None:
            check_meaning(cube.meaning, cube.meaning | grid_meaning(self.area), cube.url)
        return cube

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what people gave that a person should look at: the area, its fields."""
        own = note(self.name)
        return (*([own] if own else []), *self.fields.told())

    @property
    def made_cube(self) -> Cube:
        """The area's cube. Raises as `cube` does, and `MissingDayError` if no day was committed."""
        cube = self.cube
        if cube is None:
            raise MissingDayError(
                f"{self.name}: the cube is empty; run its days first: "
                f"hydro run {self.name} --from DATE --to DATE"
            )
        return cube

    @cached_property
    def versions(self) -> dict[str, Any]:
        """`stored_versions` of the moment."""
        fields = files_etag(self.listed_fields.files)
        return _versions(fields, self.listed_cube.etag, self.settings)

    def read(self) -> "AreaState":
        """The state itself, its fields and cube read at the same time."""
        meanwhile(lambda: self.fields, lambda: self.cube)
        return self

    def stats(
        self,
        first: dt.date | None = None,
        last: dt.date | None = None,
        field_id: str | None = None,
    ) -> pa.Table:
        """Stored statistics with a `date` column, ordered by date and field_id.

        `first` and `last` are included; None is no bound, or every field.
        """
        days = stored_days(self.store, self.name, first, last)
        return read_table(self.store, self.name, days, self.schema, field_id)

    def record(self, day: dt.date) -> dict[str, Any] | None:
        """The record of the scenes that a day was made from, or None."""
        return read_record(self.store, self.name, day)

    def records(self) -> list[dict[str, Any]]:
        """The record of every day of the cube, in order; empty where one is missing or broken."""

        def record(day: dt.date) -> dict[str, Any]:
            try:
                return self.record(day) or {}
            except StoredObjectError as error:
                warnings.warn(str(error), stacklevel=2)
                return {}

        return self._of_each_day(record)

    def is_stale(self, day: dt.date) -> bool:
        """Whether a day of the cube has a stale or unwanted row."""
        return is_stale(
            self.store, self.name, self.wanted, day, self.made_cube.revisions[day], self.schema
        )

    def stale_pairs(self, day: dt.date) -> StalePairs:
        """Which rows of a day of the cube are stale, and which are unwanted."""
        rows = read_day(self.store, self.name, day, self.schema).rows
        return stale_pairs(self.wanted, day, self.made_cube.revisions[day], rows)

    def displaced(self, days: Sequence[dt.date]) -> list[Displaced]:
        """The rows of some days of the cube that go because fields were edited."""
        pairs = in_threads(self.stale_pairs, days, OBJECTS_AT_ONCE)
        return [row for pair in pairs for row in pair.displaced]

    def stale_days(self) -> list[dt.date]:
        """Days of the cube with a stale or unwanted row, in order; none without a cube.

        Reads the footer of each day's file, not its rows. If there is none, remembers so for
        `Pipeline.settled`.
        """
        if self.read().cube is None:
            return []
        stale = self._of_each_day(self.is_stale)
        days = [day for day, is_so in zip(self.made_cube.days, stale, strict=True) if is_so]
        if not days:
            with contextlib.suppress(StoreAccessError):  # Reading needs no right to write.
                self.store.put(settled_key(self.name), json.dumps(self.versions).encode())
        return days

    def _of_each_day[T](self, work: Callable[[dt.date], T]) -> list[T]:
        return in_threads(work, self.made_cube.days, OBJECTS_AT_ONCE)


def stored_versions(store: Store, name: str, settings: Settings) -> dict[str, Any]:
    """What changes with the rows that an area should have; two small requests."""
    return _versions(fields_etag(store, name), _cube_etag(store, name), settings)


def open_state(
    store: Store,
    settings: Settings,
    name: str,
    read_area: Callable[[], Area],
    known: AreaState | None = None,
) -> AreaState:
    """An area's state as of now: three small requests at the same time.

    Fields and cube of `known`, the area's last state, are used again while they are so.
    """
    with ThreadPoolExecutor(2) as pool:
        listing = pool.submit(fields_files, store, name)
        asking = pool.submit(_cube_etag, store, name)
        area = read_area()
        settings = settings_of(area, settings)
        fields = ListedFields(store, area, settings.zonal_weights, tuple(listing.result()))
        cube = ListedCube(store, name, asking.result())
    if known is not None and known.listed_fields == fields:
        fields = known.listed_fields
    if known is not None and known.listed_cube == cube:
        cube = known.listed_cube
    return AreaState(store, settings, area, fields, cube)


def _cube_etag(store: Store, name: str) -> str | None:
    return store.etag(cube_state_key(name))


def _versions(fields: str, cube: str | None, settings: Settings) -> dict[str, Any]:
    return {
        "fields": fields,
        "cube": cube,
        "weights": settings.zonal_weights.value,
        "statistics": statistics_version(),
    }
