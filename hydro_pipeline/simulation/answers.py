"""What the stand-in for Earth Search answers: a STAC API over given items, and files."""

import copy
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape

Json = dict[str, Any]

GEOJSON = "application/geo+json"
DEFAULT_LIMIT = 10
UNDERSTOOD = {"bbox", "datetime", "collections", "ids", "intersects", "limit", "next"}
CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
"""As the real service, but for the extensions that the stand-in does not understand."""
OPEN = ("", "..")
"""An open end of a datetime interval."""


class BadRequestError(Exception):
    """The request cannot be understood; the message becomes the answer's description."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    media_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def changed(self, change: Callable[[Json], Any]) -> "Answer":
        """The same with `change` applied to its JSON."""
        return replace(self, body=json.dumps(change(json.loads(self.body))).encode())


def error(status: int, code: str, description: str) -> Answer:
    """An error, in the real service's words."""
    return _json({"code": code, "description": description}, status)


def file(path: Path, byte_range: str | None) -> Answer:
    """A file, or the part of it that a Range header asks for."""
    if not path.is_file():
        return NOT_FOUND
    stat = path.stat()
    size = stat.st_size
    span = _span(byte_range, size)
    start, stop = span or (0, size)
    if span and start >= stop:
        return Answer(416, b"", headers=(("Content-Range", f"bytes */{size}"),))
    headers = [
        ("Accept-Ranges", "bytes"),
        ("ETag", f'"{stat.st_mtime_ns:x}-{size:x}"'),
        ("Last-Modified", formatdate(stat.st_mtime, usegmt=True)),
    ]
    if span:
        headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{size}"))
    with path.open("rb") as opened:
        opened.seek(start)
        body = opened.read(stop - start)
    return Answer(206 if span else 200, body, "image/tiff", tuple(headers))


def _span(byte_range: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last of `bytes=a-b`, `bytes=a-` or `bytes=-n`, or None."""
    unit, _, spans = (byte_range or "").partition("=")
    first, dash, last = spans.partition("-")
    if unit != "bytes" or not dash or not (first + last).isdecimal():
        return None
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


@dataclass(frozen=True)
class Api:
    """The STAC API."""

    url: str
    """Its root."""
    files: str
    """What asset hrefs, relative in `items`, are put under."""
    items: list[Json]
    page_limit: int

    def answer(self, method: str, path: str, body: Any) -> Answer:
        """The answer to one request; `path` with the query, `body` parsed."""
        names = sorted({i["collection"] for i in self.items})
        parts = urlsplit(path)
        match unquote(parts.path).strip("/").split("/"):
            case ["v1"]:
                return _json(self._landing(names))
            case ["v1", "conformance"]:
                return _json({"conformsTo": CONFORMS_TO})
            case ["v1", "collections"]:
                found = [self._collection(n) for n in names]
                return _json({"collections": found, "links": [_link("root", self.url)]})
            case ["v1", "collections", name] if name in names:
                return _json(self._collection(name))
            case ["v1", "collections", name, "items", item_id]:
                for item in self.items:
                    if (item["collection"], item["id"]) == (name, item_id):
                        return _json(self._served(item), media_type=GEOJSON)
            case ["v1", "search"]:
                query = body if method == "POST" else dict(parse_qsl(parts.query))
                try:
                    return _json(self._search(method, query), media_type=GEOJSON)
                except BadRequestError as problem:
                    return error(400, "BadRequest", str(problem))
        return NOT_FOUND

    def _landing(self, collections: list[str]) -> Json:
        """The root catalog."""
        return {
            "stac_version": "1.0.0",
            "type": "Catalog",
            "id": "earth-search-stand-in",
            "title": "Stand-in for Earth Search",
            "description": "A STAC API on this machine that answers like Earth Search",
            "links": [
                _link("self", self.url),
                _link("root", self.url),
                _link("conformance", f"{self.url}/conformance"),
                _link("data", f"{self.url}/collections"),
                {**_link("search", f"{self.url}/search", GEOJSON), "method": "GET"},
                {**_link("search", f"{self.url}/search", GEOJSON), "method": "POST"},
                *(_link("child", f"{self.url}/collections/{c}", GEOJSON) for c in collections),
            ],
            "conformsTo": CONFORMS_TO,
        }

    def _collection(self, name: str) -> Json:
        """A collection."""
        return {
            "type": "Collection",
            "id": name,
            "stac_version": "1.0.0",
            "title": name,
            "description": "Served by a stand-in for Earth Search",
            "links": [
                _link("self", f"{self.url}/collections/{name}"),
                _link("parent", self.url),
                _link("root", self.url),
                _link("items", f"{self.url}/collections/{name}/items", GEOJSON),
            ],
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [["2015-06-27T10:25:31.456000Z", None]]},
            },
            "license": "proprietary",
        }

    def _served(self, item: Json) -> Json:
        """An item with its links to this API and its assets under `files`."""
        item = copy.deepcopy(item)
        home = f"{self.url}/collections/{item['collection']}"
        item["links"] = [
            _link("self", f"{home}/items/{item['id']}", GEOJSON),
            _link("parent", home),
            _link("collection", home),
            _link("root", self.url),
        ]
        for asset in item["assets"].values():
            asset["href"] = urljoin(f"{self.files}/", asset["href"])
        return item

    def _search(self, method: str, query: Any) -> Json:
        """One page of a search, newest first.

        A page with any item has a `next` link, so the last page is empty. `query` is a POST's
        body, or a GET's parameters as strings. Raises `BadRequestError`.
        """
        if not isinstance(query, dict):
            raise BadRequestError("Invalid JSON")
        if unknown := set(query) - UNDERSTOOD:
            raise BadRequestError(f"not understood by this stand-in: {', '.join(sorted(unknown))}")
        try:
            limit = min(int(query.get("limit", DEFAULT_LIMIT)), self.page_limit)
            matched = sorted((i for i in self.items if _matches(i, query)), key=_key, reverse=True)
            after = tuple(query["next"].split(",")) if "next" in query else None
        except (ValueError, TypeError, AttributeError, KeyError, ShapelyError) as problem:
            raise BadRequestError(f"Invalid query: {problem}") from None
        page = [i for i in matched if after is None or _key(i) < after][:limit]
        links = [_link("root", self.url)]
        if page:
            links.insert(0, _next(self.url, method, {**query, "next": ",".join(_key(page[-1]))}))
        return {
            "type": "FeatureCollection",
            "stac_version": "1.0.0",
            "stac_extensions": [],
            "context": {"limit": limit, "matched": len(matched), "returned": len(page)},
            "numberMatched": len(matched),
            "numberReturned": len(page),
            "features": [self._served(i) for i in page],
            "links": links,
        }


def _json(document: Any, status: int = 200, media_type: str = "application/json") -> Answer:
    return Answer(status, json.dumps(document).encode(), f"{media_type}; charset=utf-8")


def _next(url: str, method: str, query: Json) -> Json:
    link = {"rel": "next", "title": "Next page of Items", "method": method}
    link["type"] = GEOJSON
    if method == "POST":
        return {**link, "href": f"{url}/search", "merge": False, "body": query}
    return {**link, "href": f"{url}/search?{urlencode(query)}"}


def _key(item: Json) -> tuple[str, ...]:
    """What items are ordered by, and what a page's token is made of."""
    return item["properties"]["datetime"], item["id"], item["collection"]


def _matches(item: Json, query: Json) -> bool:
    names, ids = _list(query.get("collections")), _list(query.get("ids"))
    if (names and item["collection"] not in names) or (ids and item["id"] not in ids):
        return False
    if interval := query.get("datetime"):
        start, _, end = interval.partition("/")
        at = _moment(item["properties"]["datetime"])
        end = end if "/" in interval else start
        if (start not in OPEN and at < _moment(start)) or (end not in OPEN and at > _moment(end)):
            return False
    if box := [float(v) for v in _list(query.get("bbox"))]:
        west, south, east, north = box
        if not shape(item["geometry"]).intersects(shapely.box(west, south, east, north)):
            return False
    if region := query.get("intersects"):
        region = json.loads(region) if isinstance(region, str) else region
        return bool(shape(item["geometry"]).intersects(shape(region)))
    return True


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _list(value: Any) -> list[Any]:
    return value.split(",") if isinstance(value, str) else list(value or ())


def _link(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "type": media_type, "href": href}


NOT_FOUND = error(404, "NotFound", "Not Found")
