"""Scenes of solar days, from a STAC API or a static ItemCollection."""

import datetime as dt
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import obstore
import pystac
from obstore.exceptions import BaseError
from obstore.store import S3Store
from pystac_client import Client
from pystac_client.exceptions import APIError
from shapely.geometry import box, shape

from hydro_pipeline.area import Area, Bbox
from hydro_pipeline.errors import (
    AreaError,
    CatalogAnswerError,
    CatalogUnavailableError,
    HydroError,
)
from hydro_pipeline.settings import Settings
from hydro_pipeline.stac_io import CatalogIO, Limits

PAGE_SIZE = 100


class Catalog(ABC):
    """Where scenes are found. Open one with `open_catalog`."""

    def __init__(self, source: str, collection: str, limits: Limits | None = None) -> None:
        self.source = source
        self.collection = collection
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
            moment = item.datetime
            if moment is None:
                raise CatalogAnswerError(f"catalog {self.source}: item {item.id!r} has no datetime")
            day = area.solar_day(moment)
            if day in days and _touches(item, area.bbox):
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
                _parse(feature, self.source, _self_href(feature, search.url))
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
        if not any(_touches(item, area.bbox) for item in self._load()):
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
            base = self.source if "://" in self.source else str(Path(self.source).resolve())
            items = [_parse(feature, self.source, base) for feature in features]
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
        data = _read_s3(self.source) if self.source.startswith("s3://") else _read(self.source)
        try:
            document = json.loads(data)
        except ValueError as error:
            raise CatalogAnswerError(
                f"HYDRO_CATALOG={self.source}: not readable as JSON: {error}"
            ) from None
        return document if isinstance(document, dict) else {}


def open_catalog(settings: Settings, limits: Limits | None = None) -> Catalog:
    """The catalog of `HYDRO_CATALOG`: a STAC API, or a static ItemCollection. No request yet."""
    kind = ApiCatalog if settings.catalog_is_api else StaticCatalog
    return kind(settings.catalog, settings.collection, limits)


def _method(client: Client) -> str:
    """POST, unless the service offers its search by GET alone."""
    offered = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    return "GET" if offered == {"GET"} else "POST"


def _self_href(feature: Any, fallback: str) -> str:
    links = feature.get("links") if isinstance(feature, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link["href"], str):
            return str(link["href"])
    return fallback


def _parse(feature: Any, source: str, base: str) -> pystac.Item:
    """A STAC item without links, its asset hrefs made absolute against `base`."""
    name = feature.get("id") if isinstance(feature, dict) else None
    try:
        assets = {
            key: {**asset, "href": _absolute(asset["href"], base)}
            for key, asset in feature["assets"].items()
        }
        item = pystac.Item.from_dict({**feature, "links": [], "assets": assets}, migrate=False)
        if not isinstance(item.id, str) or not item.id:
            raise ValueError("its id is no text")
        if item.bbox is None and item.geometry is None:
            raise ValueError("it has neither bbox nor geometry")
        _bounds(item)
    except Exception as error:
        raise CatalogAnswerError(
            f"catalog {source}: item {name!r} is no usable STAC item: "
            f"{type(error).__name__}: {error}"
        ) from None
    if item.datetime is not None and item.datetime.tzinfo is None:
        item.datetime = item.datetime.replace(tzinfo=dt.UTC)
    return item


def _absolute(href: str, base: str) -> str:
    if urlsplit(href).scheme or href.startswith("/"):
        return urljoin(base, href) if href.startswith("//") else href
    if base.startswith("s3://"):
        return "s3:" + urljoin(base.removeprefix("s3:"), href)
    return urljoin(base, href) if "://" in base else str(Path(base).parent / href)


def _bounds(item: pystac.Item) -> Bbox:
    if item.bbox is not None:
        half = len(item.bbox) // 2
        west, south, east, north = (float(item.bbox[i]) for i in (0, 1, half, half + 1))
    else:
        west, south, east, north = shape(item.geometry).bounds  # type: ignore[arg-type]
    return west, south, east, north


def _touches(item: pystac.Item, bbox: Bbox) -> bool:
    west, south, east, north = _bounds(item)
    if west > east:
        return box(west, south, 180, north).intersects(box(*bbox)) or box(
            -180, south, east, north
        ).intersects(box(*bbox))
    return bool(box(west, south, east, north).intersects(box(*bbox)))


def _unique(items: list[pystac.Item]) -> list[pystac.Item]:
    """Each item once, the latest `updated` where an id comes again."""
    latest: dict[str, pystac.Item] = {}
    for item in items:
        known = latest.get(item.id)
        if known is None or _updated(known) < _updated(item):
            latest[item.id] = item
    return list(latest.values())


def _updated(item: pystac.Item) -> str:
    return str(item.properties.get("updated") or item.properties.get("created") or "")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CatalogAnswerError(
            f"HYDRO_CATALOG={path}: cannot be read: {error.strerror}; "
            "give a STAC API root, or path or URL of an ItemCollection"
        ) from None


def _read_s3(url: str) -> bytes:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        store = S3Store(bucket, skip_signature=True, region="us-west-2")
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        raise CatalogAnswerError(f"HYDRO_CATALOG={url}: does not exist") from None
    except BaseError as error:
        raise CatalogUnavailableError(f"HYDRO_CATALOG={url}: {error}") from None
