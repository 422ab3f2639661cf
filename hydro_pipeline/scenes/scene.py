"""What was decided on the items of a day, as values."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import overload

import pystac


@dataclass(frozen=True)
class Scene:
    """A STAC item that is used, with the decisions taken on it."""

    id: str
    datetime: dt.datetime
    platform: str
    baseline: str | None
    """Processing baseline, for example `05.09`."""
    created: str | None
    updated: str | None
    boa_offset_applied: bool | None
    """Earth Search's flag; None if the item has none."""
    offset: float
    """Reflectance added to DN / 10000: 0.0 or -0.1."""
    decision: str
    """Why `offset` is what it is."""
    files: Mapping[str, str]
    """Absolute hrefs of the files that are read, by name of their band."""
    item: pystac.Item

    @property
    def hrefs(self) -> tuple[str, ...]:
        """Of the files that are read."""
        return tuple(self.files.values())


@dataclass(frozen=True)
class Refusal:
    """An item that is not used."""

    id: str
    """Its own, or what can be shown of it."""
    reason: str
    item: pystac.Item | None = None
    """None where it is no STAC item."""


@dataclass(frozen=True)
class Offer(Sequence[pystac.Item]):
    """What a catalog offers for a day: its items, and what is among them but cannot be used."""

    items: tuple[pystac.Item, ...] = ()
    refused: tuple[Refusal, ...] = ()
    """What is no STAC item, or is one whose files are not to be opened."""

    @property
    def known(self) -> tuple[pystac.Item, ...]:
        """All items, those that are refused too."""
        return (*self.items, *(each.item for each in self.refused if each.item is not None))

    @overload
    def __getitem__(self, index: int) -> pystac.Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[pystac.Item]: ...
    def __getitem__(self, index: int | slice) -> pystac.Item | Sequence[pystac.Item]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def add(self, found: pystac.Item | Refusal) -> "Offer":
        """With one more."""
        if isinstance(found, Refusal):
            return replace(self, refused=(*self.refused, found))
        return replace(self, items=(*self.items, found))


class Verdict(StrEnum):
    """What was decided on a scene."""

    DROP = "drop"
    """It is not used, whatever version of it is offered, until an operator takes that back."""
    SKIP = "skip"
    """It cannot be used as it is: it is left out until another version is offered, or until its
    files can be opened again."""
    USE = "use"
    """What was decided before is taken back."""


@dataclass(frozen=True)
class Decision:
    """What was decided on a scene, and by whom."""

    scene: str
    """Its id."""
    verdict: Verdict
    by: str
    at: str
    """When, ISO 8601 in UTC."""
    why: str = ""
    updated: str = ""
    """Of the version that was skipped."""
    hrefs: tuple[str, ...] = ()
    """Of the version that was skipped, without queries; empty where it has no usable ones."""
    opened: bool = False
    """Whether its files could be opened when it was skipped: then that they can is nothing new."""

    @property
    def told(self) -> str:
        """The decision as a sentence."""
        done = {Verdict.DROP: "dropped", Verdict.SKIP: "skipped", Verdict.USE: "taken back"}
        return f"{done[self.verdict]} by {self.by} at {self.at}{f': {self.why}' * bool(self.why)}"


@dataclass(frozen=True)
class LeftOut:
    """An item that is not used because of a decision."""

    item: pystac.Item
    decision: Decision


@dataclass(frozen=True)
class Selection:
    """What became of the items of one day."""

    scenes: tuple[Scene, ...]
    """In order of priority: by (datetime, id)."""
    refused: tuple[Refusal, ...]
    """Those that cannot be used, by id."""
    replaced: tuple[Refusal, ...] = ()
    """Those that are not needed beside their later versions, by id."""
    left_out: tuple[LeftOut, ...] = ()
    """Those that decisions leave out, by id."""
    missing: tuple[str, ...] = ()
    """Ids of scenes that are used because they are recorded; the catalog does not offer them."""


TOLD = 3


def told(refused: Iterable[tuple[str, str]]) -> str:
    """Refused ids and why, each reason once, in one line."""
    reasons: dict[str, list[str]] = {}
    for name, reason in refused:
        reasons.setdefault(reason, []).append(name)
    parts = [f"{_listed(names)}: {reason}" for reason, names in list(reasons.items())[:TOLD]]
    more = [f"{len(reasons) - TOLD} more reasons"] if len(reasons) > TOLD else []
    return "; ".join(parts + more)


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - TOLD} more"] if len(names) > TOLD else []
    return ", ".join(names[:TOLD] + more)
