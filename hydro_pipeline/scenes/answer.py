"""What a catalog answered: read, and held against what it was asked. Pure."""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pystac

from hydro_pipeline.area.area import Bbox
from hydro_pipeline.errors import CatalogAnswerError
from hydro_pipeline.scenes.item import (
    NEAR,
    UnusableError,
    bounds,
    name_of,
    off,
    read_item,
    seen_at,
    told_bounds,
    told_moment,
    updated,
)
from hydro_pipeline.scenes.scene import told

BORDER = dt.timedelta(days=1)
"""Services differ in what they take for the time of an item, and at the ends of an interval."""


@dataclass(frozen=True)
class Broken:
    """One of an answer's features that is no STAC item to be used."""

    name: str
    """Its id, or what can be shown of it."""
    why: str
    seen: dt.datetime | None = None
    """When it says that it was sensed, aware."""
    bounds: Bbox | None = None
    """Where it says that it is."""
    collection: str | None = None
    """Which one it says."""


@dataclass(frozen=True)
class Question:
    """The terms of a search."""

    collection: str
    bbox: Bbox
    interval: tuple[dt.datetime, dt.datetime] | None = None
    """Aware; None: at any time."""


@dataclass(frozen=True)
class Answer:
    """An answer's features, each item once."""

    items: tuple[pystac.Item, ...] = ()
    broken: tuple[Broken, ...] = ()

    def __len__(self) -> int:
        return len(self.items) + len(self.broken)


def read(
    features: Iterable[tuple[Any, str]], source: str, question: Question | None = None
) -> Answer:
    """What `source` answered: features, each with what its hrefs are relative to.

    The same item is there once, as it was updated last. Raises `CatalogAnswerError` if there are
    features, and none is an item that can be used, or, given a `question`, if one is an item of
    another collection, was seen more than `BORDER` outside the interval, or lies more than `NEAR`
    degrees off.
    """
    items, found = [], []
    for feature, base in features:
        try:
            item = read_item(feature, base)
            _check_located(item, question)
        except UnusableError as error:
            found.append(_broken(feature, str(error)))
            continue
        if question is not None and (wrong := _wrong(item, question)) is not None:
            term, asked, got = wrong
            raise CatalogAnswerError(
                f"catalog {source}: answered another question: asked for {term} {asked}, but "
                f"{item.id} has {got}; check HYDRO_CATALOG and what lies between"
            )
        items.append(item)
    if found and not items:
        reasons = told((each.name, each.why) for each in found)
        raise CatalogAnswerError(
            f"catalog {source}: none of its {len(found)} items can be used ({reasons})"
        )
    once, twice = _unique(items)
    return Answer(tuple(once), (*found, *twice))


def _check_located(item: pystac.Item, question: Question | None) -> None:
    """Raise `UnusableError` if it cannot be said where an item is, or what it answers."""
    if item.geometry is None:
        raise UnusableError("its geometry is null")
    if question is not None and item.collection_id is None:
        raise UnusableError("it does not say its collection")


def _wrong(item: pystac.Item, question: Question) -> tuple[str, Any, Any] | None:
    """The term that an item does not fit: its name, what was asked, what the item has."""
    if item.collection_id != question.collection:
        return "collection", question.collection, item.collection_id
    if question.interval is not None:
        first, last = question.interval
        if not first - BORDER <= seen_at(item) <= last + BORDER:
            return "datetime", f"{first} to {last}", seen_at(item)
    if off(item, question.bbox) > NEAR:
        return "bbox", list(question.bbox), list(bounds(item))
    return None


def _broken(feature: Any, why: str) -> Broken:
    collection = feature.get("collection") if isinstance(feature, dict) else None
    return Broken(
        name_of(feature),
        why,
        told_moment(feature),
        told_bounds(feature),
        collection if isinstance(collection, str) else None,
    )


def _unique(items: list[pystac.Item]) -> tuple[list[pystac.Item], list[Broken]]:
    """Each item once, the latest `updated` where an id comes again.

    Two of the same `updated` that differ cannot both be right: one is used, the other broken.
    """
    latest: dict[str, pystac.Item] = {}
    twice = []
    for item in items:
        known = latest.setdefault(item.id, item)
        if updated(known) < updated(item):
            latest[item.id] = item
        elif updated(known) == updated(item) and known is not item:
            latest[item.id], other = sorted((known, item), key=_text)
            if _text(other) != _text(latest[item.id]):
                why = "its id comes twice, with other content"
                twice.append(Broken(item.id, why, seen_at(other), bounds(other)))
    return list(latest.values()), twice


def _text(item: pystac.Item) -> str:
    return json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False), sort_keys=True)
