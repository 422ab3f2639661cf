"""What was decided on the items of a day, as values."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

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
    red: str
    nir: str
    scl: str
    """Absolute hrefs."""
    item: pystac.Item

    @property
    def hrefs(self) -> tuple[str, str, str]:
        """Of the files that are read."""
        return self.red, self.nir, self.scl


@dataclass(frozen=True)
class Refusal:
    """An item that is not used."""

    id: str
    reason: str
    item: pystac.Item | None = None
    missing_asset: str | None = None
    """Name of the asset that it lacks, if that is the reason."""


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
    """By id."""
    left_out: tuple[LeftOut, ...] = ()
    """By id."""
    missing: tuple[str, ...] = ()
    """Ids of scenes that are used because they are recorded; the catalog does not offer them."""
