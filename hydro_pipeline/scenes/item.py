"""STAC items from JSON that nobody has checked: made safe, without links, with absolute hrefs."""

import datetime as dt
import re
import reprlib
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pystac
from shapely.errors import ShapelyError
from shapely.geometry import box, shape

from hydro_pipeline.area.area import Bbox
from hydro_pipeline.errors import CatalogAnswerError
from hydro_pipeline.scenes.safe_json import defect

NEAR = 0.1
"""Degrees that an item's bounds and outline may be off, as far as answers are judged by them."""
LONGEST_ID = 200
"""Characters."""
YEARS = range(1970, 2200)
"""In which items may have been sensed."""
_WRONG = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, ShapelyError,
    pystac.STACError,
)  # fmt: skip
_SHORT = reprlib.Repr(maxstring=60, maxother=60)


class UnusableError(Exception):
    """Says why an item cannot be used."""


def read_item(feature: Any, base: str) -> pystac.Item:
    """A STAC item from JSON, its asset hrefs made absolute against `base`.

    An asset without a usable href is left out. Raises `UnusableError` if there is no telling what
    the item is, when it was seen, or where, or if it could not be stored as it is.
    """
    if not isinstance(feature, dict):
        raise UnusableError("it is no object")
    if (why := defect(feature)) is not None:
        raise UnusableError(why)
    try:
        properties, assets = _object(feature, "properties"), _object(feature, "assets")
        item = pystac.Item(
            _id(feature),
            feature.get("geometry"),
            feature.get("bbox"),
            _moment(_text(properties, "datetime")),
            properties,
            stac_extensions=[e for e in _list(feature, "stac_extensions") if isinstance(e, str)],
            collection=_text(feature, "collection") if feature.get("collection") else None,
            assets={k: a for k, v in assets.items() if (a := _asset(v, base)) is not None},
        )
        _check_place(item)
    except _WRONG as error:
        raise UnusableError(f"it is no STAC item: {_short(str(error))}") from None
    return item


def parse_item(feature: Any, source: str, base: str) -> pystac.Item:
    """`read_item` of one of `source`. Raises `CatalogAnswerError` where that cannot be used."""
    try:
        return read_item(feature, base)
    except UnusableError as error:
        raise CatalogAnswerError(f"catalog {source}: item {name_of(feature)}: {error}") from None


def name_of(feature: Any) -> str:
    """What an item is called by that may be none: short and printable."""
    name = feature.get("id") if isinstance(feature, dict) else feature
    is_name = isinstance(name, str) and 0 < len(name) <= LONGEST_ID and name.isprintable()
    return str(name) if is_name else _SHORT.repr(name)


def shown(value: Any) -> str:
    """A value that nobody has checked, short and printable."""
    return _SHORT.repr(value)


def told_moment(feature: Any) -> dt.datetime | None:
    """When an item says that it was sensed, even if it is of no use otherwise; aware.

    Noon of the date in its id where its datetime cannot be read; None if neither can.
    """
    try:
        return _moment(_text(_object(feature, "properties"), "datetime"))
    except _WRONG:
        date = re.search(r"_([0-9]{8})[T_]", name_of(feature))
    try:
        return _moment(f"{date[1]}T12:00:00Z") if date else None
    except ValueError:
        return None


def told_bounds(feature: Any) -> Bbox | None:
    """Where an item says that it is, even if it is of no use otherwise."""
    try:
        geometry, bbox = feature.get("geometry"), feature.get("bbox")
        if defect([geometry, bbox]) is not None:
            return None  # Shapely goes down as deep as it is nested.
        item = pystac.Item("", geometry, bbox, dt.datetime.min, {})
        _check_place(item)
        return bounds(item)
    except _WRONG:
        return None


def seen_at(item: pystac.Item) -> dt.datetime:
    """When the item was sensed, aware. Parsed items always have it."""
    assert item.datetime is not None
    return item.datetime


def updated(item: pystac.Item) -> str:
    """When the item was last changed, as text that sorts; empty if it does not say."""
    return str(item.properties.get("updated") or item.properties.get("created") or "")


def bounds(item: pystac.Item) -> Bbox:
    """West, south, east, north in degrees; west > east over the antimeridian."""
    if item.bbox is not None:
        if not (isinstance(item.bbox, list) and len(item.bbox) in (4, 6)):
            raise ValueError(f"its bbox is {item.bbox!r}")
        half = len(item.bbox) // 2
        values = [_degrees(item.bbox[i]) for i in (0, 1, half, half + 1)]
    elif item.geometry is not None:
        values = [float(v) for v in shape(item.geometry).bounds]
    else:
        raise ValueError("it has neither bbox nor geometry")
    if len(values) < 4 or not all(-360 <= value <= 360 for value in values):
        raise ValueError(f"its bounds are {values}")
    west, south, east, north = values
    return west, south, east, north


def distance(bounds: Bbox, bbox: Bbox) -> float:
    """Degrees between an item's bounds and a box; 0 where they have a point in common."""
    west, south, east, north = bounds
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return float(min(box(w, south, e, north).distance(box(*bbox)) for w, e in spans))


def off(item: pystac.Item, bbox: Bbox) -> float:
    """Degrees between `bbox` and the farther one of the item's bounds and its outline."""
    west, _, east, _ = around = bounds(item)
    if item.geometry is None or west > east:
        return distance(around, bbox)
    return max(distance(around, bbox), float(shape(item.geometry).distance(box(*bbox))))


def touches(item: pystac.Item, bbox: Bbox) -> bool:
    """Whether the item's bounds have a point in common with `bbox`, and its outline is near."""
    return distance(bounds(item), bbox) == 0 and off(item, bbox) <= NEAR


def _check_place(item: pystac.Item) -> None:
    """Raise `ValueError` if the item's bounds and its outline cannot both be right."""
    around = bounds(item)
    if item.geometry is None:
        return
    outline = shape(item.geometry)
    if outline.is_empty or not all(-360 <= value <= 360 for value in outline.bounds):
        raise ValueError(f"its geometry has the bounds {list(outline.bounds)}")
    west, south, east, north = around
    if west <= east and outline.distance(box(west, south, east, north)) > NEAR:
        raise ValueError(f"its bbox {list(around)} lies beside its geometry")


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.year not in YEARS:
        raise ValueError(f"its datetime is {text!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _degrees(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"its bbox has {value!r}")
    return float(value)


def _asset(asset: Any, base: str) -> pystac.Asset | None:
    href = asset.get("href") if isinstance(asset, dict) else None
    if not isinstance(href, str) or not href:
        return None
    try:
        return pystac.Asset.from_dict({**asset, "href": _absolute(href, base)})
    except ValueError:
        return None


def _absolute(href: str, base: str) -> str:
    if urlsplit(href).scheme:
        return href
    if base.startswith("s3://"):
        return "s3:" + urljoin(base.removeprefix("s3:"), href)
    return urljoin(base, href) if "://" in base else str(Path(base).parent / href)


def _id(feature: dict[str, Any]) -> str:
    name = _text(feature, "id")
    if len(name) > LONGEST_ID or not name.isprintable():
        raise ValueError(f"its id is longer than {LONGEST_ID} characters, or not printable")
    return name


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is no object")
    return value


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"its {name} is no text")
    return value


def _list(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
