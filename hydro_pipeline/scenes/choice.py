"""What a day is made from: what the catalog offers, what is recorded, what operators decided. Pure.

That the catalog does not offer a scene is no reason to do without it: absence is not evidence.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pystac

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.product import Product
from hydro_pipeline.scenes.item import updated
from hydro_pipeline.scenes.scene import Decision, LeftOut, Refusal, Scene, Selection, Verdict
from hydro_pipeline.scenes.selection import select
from hydro_pipeline.scenes.sentinel2 import newness

Decisions = Mapping[str, Decision]
"""What holds of each scene that something was decided on, by id."""


@dataclass(frozen=True)
class Recorded:
    """What a day was made from before."""

    record: Mapping[str, Any] | None = None
    """None if the day was not made yet, or its record is lost."""
    items: Sequence[pystac.Item] = ()
    """The items of the record: those used, and those left out by a decision."""
    problem: StoredObjectError | None = None
    """Why the record cannot be read."""

    @property
    def used(self) -> dict[str, Mapping[str, Any]]:
        """What the record says of each scene that was used, by id."""
        return {used["id"]: used for used in self.record["hydro:used"]} if self.record else {}


@dataclass(frozen=True)
class Sources:
    """All that a day can be made from."""

    offered: Sequence[pystac.Item] = ()
    """By the catalog."""
    recorded: Recorded = Recorded()
    decisions: Decisions = field(default_factory=dict)
    refused: Sequence[Refusal] = ()
    """What the catalog offers, but is no STAC item, or lies where nothing is opened."""

    def selection(self, product: Product) -> Selection:
        """What the day is made from; what a broken record names is not known."""
        return choose(self.offered, product, self.recorded.items, self.decisions, self.refused)


def choose(
    offered: Iterable[pystac.Item],
    product: Product,
    recorded: Iterable[pystac.Item] = (),
    decisions: Decisions | None = None,
    refused: Iterable[Refusal] = (),
) -> Selection:
    """Decide on all items of one solar day, those that it was made from before included.

    A recorded scene stays in use until it is decided otherwise, or until a version of it that is
    as new, or another processing that is newer by the rule of `select`, is offered and usable.
    """
    decisions = decisions or {}
    versions: dict[str, list[pystac.Item]] = {}
    left_out: dict[str, LeftOut] = {}
    shut: list[Refusal] = []
    offers: set[str] = set()

    def leaves_out(item: pystac.Item) -> bool:
        decision = decisions.get(item.id)
        if decision is None or not holds(decision, item, product):
            return False
        left_out.setdefault(item.id, LeftOut(item, decision))
        return True

    for each in refused:
        if each.item is not None:
            offers.add(each.id)
        if each.item is None or not leaves_out(each.item):
            shut.append(each)
    for is_offered, items in ((True, offered), (False, recorded)):
        for item in items:
            if is_offered:
                offers.add(item.id)
            if not leaves_out(item):
                versions.setdefault(item.id, []).append(item)
    latest = (item for items in versions.values() for item in _latest(items, product))
    selection = select(latest, product, shut)
    return replace(
        selection,
        left_out=tuple(left_out[i] for i in sorted(left_out)),
        missing=tuple(s.id for s in selection.scenes if s.id not in offers),
    )


def holds(decision: Decision, item: pystac.Item, product: Product) -> bool:
    """Whether a decision leaves an item out: a skip is of one version, a drop of all of them."""
    match decision.verdict:
        case Verdict.DROP:
            return True
        case Verdict.SKIP:
            if decision.updated != updated(item):
                return False
            offered = {_bare(asset.href) for asset in item.assets.values()}
            same_files = offered.issuperset(decision.hrefs)
            return same_files if decision.hrefs else usable(item, product) is None
        case _:
            return False


def skip(
    item: pystac.Item, product: Product, by: str, at: dt.datetime, why: str, opened: bool
) -> Decision:
    """The decision to do without an item as it is; `at` is aware."""
    return Decision(
        item.id, Verdict.SKIP, by, moment(at), why, updated(item), hrefs_of(item, product), opened
    )


def moment(at: dt.datetime) -> str:
    """An aware moment as decisions say it."""
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")


def hrefs_of(item: pystac.Item, product: Product) -> tuple[str, ...]:
    """Of the files that would be read, without their queries, which may be signatures."""
    scene = usable(item, product)
    return tuple(_bare(href) for href in scene.hrefs) if scene else ()


def usable(item: pystac.Item, product: Product) -> Scene | None:
    """The item as a scene, None if it is refused."""
    return next(iter(select([item], product).scenes), None)


def version(scene: Scene) -> tuple[str | None, str | None, float]:
    """What tells a scene from its later self: baseline, updated, offset."""
    return scene.baseline, scene.updated, scene.offset


def _latest(items: list[pystac.Item], product: Product) -> list[pystac.Item]:
    """The newest usable version of a scene; before it the first of `items` if that is refused.

    Of versions that are equally new the first is taken.
    """
    scenes = [scene for item in items if (scene := usable(item, product)) is not None]
    refused = items[:1] if usable(items[0], product) is None else []
    return [*refused, *([max(scenes, key=newness).item] if scenes else [])]


def _bare(href: str) -> str:
    return urlsplit(href)._replace(query="", fragment="").geturl()
