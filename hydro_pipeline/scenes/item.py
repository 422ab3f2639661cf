"""STAC items from JSON that nobody has checked: made safe, without links, with absolute hrefs."""

import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pystac
from shapely.errors import ShapelyError
from shapely.geometry import box, shape

from hydro_pipeline.area import Bbox
from hydro_pipeline.errors import CatalogAnswerError


def strict_json(text: str | bytes) -> Any:
    """Parsed JSON. Raises `ValueError`, also for the NaN and Infinity that Python would accept."""
    return json.loads(text, parse_constant=_refused)


def parse_item(feature: Any, source: str, base: str) -> pystac.Item:
    """A STAC item of the catalog `source`, its asset hrefs made absolute against `base`.

    An asset without a usable href is left out. Raises `CatalogAnswerError` if there is no telling
    what the item is, when it was seen, or where.
    """
    if not isinstance(feature, dict):
        raise CatalogAnswerError(f"catalog {source}: a feature is no object: {feature!r:.100}")
    try:
        properties, assets = _object(feature, "properties"), _object(feature, "assets")
        item = pystac.Item(
            _text(feature, "id"),
            feature.get("geometry"),
            feature.get("bbox"),
            _moment(_text(properties, "datetime")),
            properties,
            stac_extensions=[e for e in _list(feature, "stac_extensions") if isinstance(e, str)],
            collection=_text(feature, "collection") if feature.get("collection") else None,
            assets={k: a for k, v in assets.items() if (a := _asset(v, base)) is not None},
        )
        bounds(item)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, ShapelyError) as error:
        raise CatalogAnswerError(
            f"catalog {source}: item {feature.get('id')!r:.100} is no usable STAC item: {error}"
        ) from None
    return item


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
        half = len(item.bbox) // 2
        values = [float(item.bbox[i]) for i in (0, 1, half, half + 1)]
    elif item.geometry is not None:
        values = [float(v) for v in shape(item.geometry).bounds]
    else:
        raise ValueError("it has neither bbox nor geometry")
    if not all(-360 <= value <= 360 for value in values):
        raise ValueError(f"its bounds are {values}")
    west, south, east, north = values
    return west, south, east, north


def touches(item: pystac.Item, bbox: Bbox) -> bool:
    """Whether the item's bounds and `bbox` have a point in common."""
    west, south, east, north = bounds(item)
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return any(box(w, south, e, north).intersects(box(*bbox)) for w, e in spans)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


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
