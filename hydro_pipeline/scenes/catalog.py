"""Scenes of solar days, from a STAC API or a static ItemCollection."""

import datetime as dt
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pystac
from pystac_client import Client
from pystac_client.exceptions import APIError

from hydro_pipeline.area.area import Area, Bbox
from hydro_pipeline.errors import AreaError, CatalogAnswerError, HydroError
from hydro_pipeline.product import Band
from hydro_pipeline.scenes.answer import Answer, Question, read
from hydro_pipeline.scenes.doors import Doors, ShutError
from hydro_pipeline.scenes.http import CatalogIO, Limits
from hydro_pipeline.scenes.item import UnusableError, distance, seen_at, touches
from hydro_pipeline.scenes.safe_json import safe_json
from hydro_pipeline.scenes.scene import Offer, Refusal
from hydro_pipeline.scenes.sentinel2 import asset_of
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store

PAGE_SIZE = 100
NOT_FOUND = 404


class Catalog(ABC):
    """Where scenes are found. Open one with `open_catalog`."""

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        self.source = settings.catalog
        self.collection = settings.collection
        self._settings = settings
        self._io = CatalogIO(settings, limits)
        self._doors, self._files = Doors.of(settings), settings.product.files

    @property
    def requests(self) -> int:
        """HTTP requests made so far, tries included."""
        return self._io.requests_made

    def scenes(self, area: Area, first: dt.date, last: dt.date) -> dict[dt.date, Offer]:
        """Items over the area's bounding box, by solar day.

        Every day of the range is a key. Asset hrefs are absolute, items carry no links; the same
        item is there once. One whose files are not to be opened is refused. What is no item, and
        does not say of which day, is with the first.
        Raises `CatalogUnavailableError` when the catalog is down or cuts its answer short,
        `CatalogAnswerError` when what it answers is unusable, or answers another question.
        """
        start, end = area.solar_day_window(first, last)
        days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
        answer = self._find(area, start, end)
        offers = {day: Offer() for day in days}
        for item in answer.items:
            day = area.solar_day(seen_at(item))
            if day in offers and touches(item, area.bbox):
                shut = _shut(item, self._files, self._doors)
                offers[day] = offers[day].add(Refusal(item.id, shut, item) if shut else item)
        for each in answer.broken:
            day = area.solar_day(each.seen) if each.seen else first
            day = day if day in offers else first
            offers[day] = offers[day].add(Refusal(each.name, each.why))
        return offers

    @abstractmethod
    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if the catalog has no scene over the area on any day at all."""

    @abstractmethod
    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> Answer: ...

    def _outside(self, area: Area) -> AreaError:
        return AreaError(
            f"area {area.name}: no scene of {self.collection} in {self.source} covers its "
            f"bounding box {','.join(f'{v:g}' for v in area.bbox)} on any day; "
            "check W,S,E,N and HYDRO_CATALOG"
        )


class ApiCatalog(Catalog):
    """A STAC API."""

    _client: Client | None = None
    _has_collection = False
    """Whether the catalog is known to have the collection, or not to tell."""

    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if no item at all lies over the area. One request for one item."""
        if not len(self._search(area.bbox, max_items=1, limit=1)):
            raise self._outside(area)

    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> Answer:
        second = dt.timedelta(seconds=1)
        start = start.replace(microsecond=0)
        end = end.replace(microsecond=0) + (second if end.microsecond else dt.timedelta())
        return self._search(area.bbox, (start, end), limit=PAGE_SIZE)

    def _search(
        self, bbox: Bbox, interval: tuple[dt.datetime, dt.datetime] | None = None, **query: Any
    ) -> Answer:
        client = self._open()
        try:
            search = client.search(
                collections=[self.collection],
                bbox=list(bbox),
                datetime=interval,
                method=_method(client),
                **query,
            )
            features = [
                (feature, _self_href(feature, search.url))
                for page in search.pages_as_dicts()
                for feature in page["features"]
            ]
            if not features:
                self._check_collection(client)
            question = Question(self.collection, bbox, interval)
            return read(features, self.source, question)
        except HydroError:
            raise
        except APIError as error:
            raise CatalogAnswerError(
                f"catalog {self.source}: refused the search of {self.collection}: {error}"
            ) from None

    def _check_collection(self, client: Client) -> None:
        """Raise `CatalogAnswerError` if the catalog says that it has no such collection.

        A service answers a search of an unknown collection as one of a day without scenes.
        """
        if self._has_collection:
            return
        link = client.get_single_link("data")
        listing = (link and link.get_absolute_href()) or f"{self.source.rstrip('/')}/collections"
        try:
            self._io.read_json(f"{listing}/{quote(self.collection, safe='')}")
        except APIError as error:
            known = self._collections(listing) if error.status_code == NOT_FOUND else []
            if known and self.collection not in known:
                raise CatalogAnswerError(
                    f"catalog {self.source}: has no collection {self.collection}, but "
                    f"{', '.join(sorted(known))[:500]}; check HYDRO_COLLECTION"
                ) from None
        except CatalogAnswerError:
            return
        self._has_collection = True

    def _collections(self, listing: str) -> list[str]:
        """Names of the collections, at least of the first page; none if the catalog tells none."""
        try:
            found = self._io.read_json(listing).get("collections")
        except (APIError, CatalogAnswerError):
            return []
        named = [each.get("id") for each in found or () if isinstance(each, dict)]
        return [name for name in named if isinstance(name, str)]

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

    _answer: Answer | None = None

    def check_covers(self, area: Area) -> None:
        """Raise `AreaError` if no item of the file lies over the area."""
        if not any(touches(item, area.bbox) for item in self._load().items):
            raise self._outside(area)

    def _find(self, area: Area, start: dt.datetime, end: dt.datetime) -> Answer:
        answer = self._load()
        broken = [
            each
            for each in answer.broken
            if (each.seen is None or start <= each.seen < end)
            and (each.bounds is None or distance(each.bounds, area.bbox) == 0)
        ]
        return replace(answer, broken=tuple(broken))

    def _load(self) -> Answer:
        if self._answer is None:
            document = self._document()
            features = document.get("features")
            if document.get("type") != "FeatureCollection" or not isinstance(features, list):
                raise CatalogAnswerError(
                    f"HYDRO_CATALOG={self.source}: not an ItemCollection "
                    "(a FeatureCollection of STAC items)"
                )
            base = self._base()
            every = read(((feature, base) for feature in features), self.source)
            ours = None, self.collection
            items = tuple(i for i in every.items if i.collection_id in ours)
            if every.items and not items:
                found = ", ".join(sorted({str(i.collection_id) for i in every.items}))
                raise CatalogAnswerError(
                    f"HYDRO_CATALOG={self.source} holds items of {found} only, "
                    f"but HYDRO_COLLECTION={self.collection}"
                )
            self._answer = Answer(items, tuple(b for b in every.broken if b.collection in ours))
        return self._answer

    def _document(self) -> dict[str, Any]:
        if self.source.startswith(("http://", "https://")):
            try:
                return self._io.read_json(self.source)
            except APIError as error:
                raise CatalogAnswerError(f"HYDRO_CATALOG={self.source}: {error}") from None
        data = self._object() if self.source.startswith("s3://") else _read(self.source)
        try:
            document = safe_json(data)
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


def _shut(item: pystac.Item, files: Sequence[Band], doors: Doors) -> str | None:
    """Why one of the `files` of an item, which would be read, is not to be opened."""
    for band in files:
        try:
            key = asset_of(item, band)
        except UnusableError:
            return None
        try:
            doors.file(item.assets[key].href)
        except ShutError as error:
            return f"its {key} is not opened: {error}"
    return None


def _method(client: Client) -> str:
    """POST, unless the service offers its search by GET alone."""
    offered = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    return "GET" if offered == {"GET"} else "POST"


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
