"""Scenes of solar days, from a STAC API or a static ItemCollection."""

import datetime as dt
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pystac
from pystac_client import Client
from pystac_client.exceptions import APIError

from hydro_pipeline.area import Area, Bbox
from hydro_pipeline.errors import AreaError, CatalogAnswerError, HydroError
from hydro_pipeline.scenes.http import CatalogIO, Limits
from hydro_pipeline.scenes.item import parse_item, seen_at, strict_json, touches, updated
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store

PAGE_SIZE = 100


class Catalog(ABC):
    """Where scenes are found. Open one with `open_catalog`."""

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        self.source = settings.catalog
        self.collection = settings.collection
        self._settings = settings
        self._io = CatalogIO(limits)

    @property
    def requests(self) -> int:
        """HTTP requests made so far, tries included."""
        return self._io.requests_made

    def scenes(self, area: Area, first: dt.date, last: dt.date) -> dict[dt.date, list[pystac.Item]]:
        """Items over the area's bounding box, by solar day.

        Every day of the range is a key. Asset hrefs are absolute, items carry no links; the same
        item is there once. Raises `CatalogUnavailableError` when the catalog is down or cuts its
        answer short, `CatalogAnswerError` when what it answers is unusable.
        """
        start, end = area.solar_day_window(first, last)
        days: dict[dt.date, list[pystac.Item]] = {
            first + dt.timedelta(days=n): [] for n in range((last - first).days + 1)
        }
        for item in _unique(self._find(area, start, end)):
            day = area.solar_day(seen_at(item))
            if day in days and touches(item, area.bbox):
                days[day].append(item)
        return days

    @abstractmethod
    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if the catalog has no scene over the area on any day at all."""

    @abstractmethod
    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> list[pystac.Item]: ...

    def _outside(self, area: Area) -> AreaError:
        return AreaError(
            f"area {area.name}: no scene of {self.collection} in {self.source} covers its "
            f"bounding box {','.join(f'{v:g}' for v in area.bbox)} on any day; "
            "check W,S,E,N and HYDRO_CATALOG"
        )


class ApiCatalog(Catalog):
    """A STAC API."""

    _client: Client | None = None

    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if no item at all lies over the area. One request for one item."""
        if not self._search(area.bbox, max_items=1, limit=1):
            raise self._outside(area)

    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> list[pystac.Item]:
        second = dt.timedelta(seconds=1)
        start = start.replace(microsecond=0)
        end = end.replace(microsecond=0) + (second if end.microsecond else dt.timedelta())
        return self._search(area.bbox, datetime=[start, end], limit=PAGE_SIZE)

    def _search(self, bbox: Bbox, **query: Any) -> list[pystac.Item]:
        client = self._open()
        try:
            search = client.search(
                collections=[self.collection], bbox=list(bbox), method=_method(client), **query
            )
            return [
                parse_item(feature, self.source, _self_href(feature, search.url))
                for page in search.pages_as_dicts()
                for feature in page["features"]
            ]
        except HydroError:
            raise
        except APIError as error:
            raise CatalogAnswerError(
                f"catalog {self.source}: refused the search of {self.collection}: {error}"
            ) from None

    def _open(self) -> Client:
        if self._client is None:
            try:
                with warnings.catch_warnings(action="ignore"):
                    client = Client.open(self.source, stac_io=self._io)
            except HydroError:
                raise
            except Exception as error:
                raise CatalogAnswerError(
                    f"catalog {self.source}: not the root of a STAC API "
                    f"({type(error).__name__}: {error}); check HYDRO_CATALOG"
                ) from None
            if client.get_search_link() is None:
                raise CatalogAnswerError(
                    f"catalog {self.source}: not the root of a STAC API with item search; "
                    "check HYDRO_CATALOG"
                )
            self._client = client
        return self._client


class StaticCatalog(Catalog):
    """A FeatureCollection of items in one file; asset hrefs are relative to it."""

    _items: list[pystac.Item] | None = None

    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if no item of the file lies over the area."""
        if not any(touches(item, area.bbox) for item in self._load()):
            raise self._outside(area)

    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> list[pystac.Item]:
        return self._load()

    def _load(self) -> list[pystac.Item]:
        if self._items is None:
            document = self._document()
            features = document.get("features")
            if document.get("type") != "FeatureCollection" or not isinstance(features, list):
                raise CatalogAnswerError(
                    f"HYDRO_CATALOG={self.source}: not an ItemCollection "
                    "(a FeatureCollection of STAC items)"
                )
            base = self._base()
            items = [parse_item(feature, self.source, base) for feature in features]
            self._items = [i for i in items if i.collection_id in (None, self.collection)]
            if items and not self._items:
                found = ", ".join(sorted({str(i.collection_id) for i in items}))
                raise CatalogAnswerError(
                    f"HYDRO_CATALOG={self.source} holds items of {found} only, "
                    f"but HYDRO_COLLECTION={self.collection}"
                )
        return self._items

    def _document(self) -> dict[str, Any]:
        if self.source.startswith(("http://", "https://")):
            try:
                return self._io.read_json(self.source)
            except APIError as error:
                raise CatalogAnswerError(f"HYDRO_CATALOG={self.source}: {error}") from None
        data = self._object() if self.source.startswith("s3://") else _read(self.source)
        try:
            document = strict_json(data)
        except ValueError as error:
            raise CatalogAnswerError(
                f"HYDRO_CATALOG={self.source}: not readable as JSON: {error}"
            ) from None
        return document if isinstance(document, dict) else {}

    def _object(self) -> bytes:
        """Content of an `s3://` catalog, which is where the private store is."""
        folder, _, key = self.source.rpartition("/")
        data = Store(self._settings.model_copy(update={"root": folder})).get(key)
        if data is None:
            raise CatalogAnswerError(f"HYDRO_CATALOG={self.source}: does not exist")
        return data

    def _base(self) -> str:
        """What asset hrefs are relative to. Scenes are read without keys, hence over HTTP where
        the store is not AWS."""
        endpoint = self._settings.s3_endpoint_url
        if self.source.startswith("s3://") and endpoint:
            return f"{endpoint.rstrip('/')}/{self.source.removeprefix('s3://')}"
        return self.source if "://" in self.source else str(Path(self.source).resolve())


def open_catalog(settings: Settings, limits: Limits | None = None) -> Catalog:
    """The catalog of `HYDRO_CATALOG`: a STAC API, or a static ItemCollection. No request yet."""
    kind = ApiCatalog if settings.catalog_is_api else StaticCatalog
    return kind(settings, limits)


def _method(client: Client) -> str:
    """POST, unless the service offers its search by GET alone."""
    offered = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    return "GET" if offered == {"GET"} else "POST"


def _unique(items: list[pystac.Item]) -> list[pystac.Item]:
    """Each item once, the latest `updated` where an id comes again."""
    latest: dict[str, pystac.Item] = {}
    for item in items:
        known = latest.get(item.id)
        if known is None or updated(known) < updated(item):
            latest[item.id] = item
    return list(latest.values())


def _self_href(feature: Any, fallback: str) -> str:
    links = feature.get("links") if isinstance(feature, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self":
            return str(link.get("href") or fallback)
    return fallback


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CatalogAnswerError(
            f"HYDRO_CATALOG={path}: cannot be read: {error.strerror}; "
            "give a STAC API root, or path or URL of an ItemCollection"
        ) from None
