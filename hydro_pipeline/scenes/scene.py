"""What was decided on the items of a day, as values."""

import datetime as dt
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Selection:
    """What became of the items of one day."""

    scenes: tuple[Scene, ...]
    """In order of priority: by (datetime, id)."""
    refused: tuple[Refusal, ...]
    """By id."""
