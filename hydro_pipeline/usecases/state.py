"""An area's fields and cube, opened together, and used again while nothing changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hydro_pipeline.area import Area
from hydro_pipeline.cube.read import Cube, open_repository
from hydro_pipeline.fields.fields import (
    FieldsReading,
    fields_etag,
    fields_files,
    files_etag,
    read_fields,
)
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.stale import Wanted
from hydro_pipeline.storage.keys import cube_key
from hydro_pipeline.storage.store import Store


@dataclass(frozen=True)
class AreaState:
    """What an area's statistics are made from, as of one moment or later."""

    area: Area
    fields: FieldsReading
    wanted: Wanted
    """The rows that the fields want."""
    cube: Cube | None
    """None if no day was committed."""
    versions: dict[str, Any]
    """`stored_versions` of that moment."""


def stored_versions(store: Store, name: str, weights: ZonalWeights) -> dict[str, Any]:
    """What changes with the rows that an area should have; two small requests."""
    return _versions(fields_etag(store, name), _cube_etag(store, name), weights)


def open_state(
    store: Store,
    name: str,
    weights: ZonalWeights,
    read_area: Callable[[], Area],
    known: AreaState | None = None,
) -> AreaState:
    """An area's state as of now; fields and cube of `known` are used again while they are so.

    Costs three small requests where nothing changed.
    """
    if known is not None and known.area.name != name:
        known = None
    with ThreadPoolExecutor(2) as pool:
        listing = pool.submit(fields_files, store, name)
        opening = pool.submit(_opened, store, name, known)
        area, files = read_area(), listing.result()
        etag = files_etag(files)
        if known is not None and known.area == area and known.versions["fields"] == etag:
            fields, wanted = known.fields, known.wanted
        else:
            fields = read_fields(store, area, files)
            wanted = Wanted.of(fields.fields, weights, fields.complete)
        cube_etag, cube = opening.result()
    return AreaState(area, fields, wanted, cube, _versions(etag, cube_etag, weights))


def _opened(store: Store, name: str, known: AreaState | None) -> tuple[str | None, Cube | None]:
    """The cube, and an ETag that is no newer than it."""
    if known is None:
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(open_repository, store, name)
            etag = _cube_etag(store, name)
        return etag, Cube.of(store, name, opening.result())
    etag = _cube_etag(store, name)
    if etag is not None and known.versions["cube"] == etag:
        return etag, known.cube
    return etag, Cube.open(store, name)


def _cube_etag(store: Store, name: str) -> str | None:
    return store.etag(f"{cube_key(name)}/repo")


def _versions(fields: str, cube: str | None, weights: ZonalWeights) -> dict[str, Any]:
    return {"fields": fields, "cube": cube, "weights": weights.value}
