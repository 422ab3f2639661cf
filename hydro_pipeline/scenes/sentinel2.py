"""What is peculiar to Sentinel-2: its files, offset, baselines and passes. Pure."""

import datetime as dt
import re
from typing import Any, NamedTuple

import pystac

from hydro_pipeline.product import PRODUCT
from hydro_pipeline.scenes.item import seen_at
from hydro_pipeline.scenes.scene import Scene

BAND_ASSETS = {band.name: band.asset for band in PRODUCT.files}
"""Which asset of an item is which band."""

ONE_PASS = dt.timedelta(minutes=10)
"""A satellite sees a tile again one orbit (100 minutes) later at the earliest."""

OFFSET = -0.1
"""Reflectance added to DN / 10000 from baseline 04.00 on (ESA, S2-PDGS-TAS-DI-PSD, 14.9)."""
OFFSET_BASELINE = (4, 0)
OFFSET_SINCE = dt.datetime(2022, 1, 25, tzinfo=dt.UTC)
"""Everything sensed from here on has baseline 04.00 or later."""
COLLECTION_1 = "sentinel-2-c1-l2a"

ENOUGH_PIXELS = 500
MANY, HARDLY_ANY = 0.1, 0.001
"""Shares of a scene's clear pixels."""


class UnusableError(Exception):
    """Says why an item cannot be used, and which asset it lacks if that is why."""

    def __init__(self, reason: str, missing_asset: str | None = None) -> None:
        super().__init__(reason)
        self.missing_asset = missing_asset


def read_baseline(item: pystac.Item) -> str | None:
    """The processing baseline; from the product's name if the property is not there.

    Raises `UnusableError` if it is there but cannot be read.
    """
    value = item.properties.get("s2:processing_baseline")
    if value is None:
        product = text_of(item.properties.get("s2:product_uri")) or ""
        found = re.search(r"_N(\d\d)(\d\d)_", product)
        return f"{found[1]}.{found[2]}" if found else None
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,2}\.\d{1,2}", value):
        raise UnusableError(f"s2:processing_baseline is {value!r}, not like '05.09'")
    return value


def baseline_number(baseline: str | None) -> tuple[int, ...]:
    """A baseline as what it is compared by; an unknown one is before all others."""
    return tuple(int(part) for part in baseline.split(".")) if baseline else (-1,)


def decide_offset(item: pystac.Item, baseline: str | None, flag: bool | None) -> tuple[float, str]:
    """The reflectance to add to DN / 10000, and why. `flag` is `boa_offset_applied`.

    What `raster:bands` declares is no help: it is -0.1 whether the DN are corrected or not. Raises
    `UnusableError` where there is no telling.
    """
    if item.collection_id == COLLECTION_1:
        return OFFSET, f"{COLLECTION_1} always carries +1000 DN"
    if baseline is not None and baseline_number(baseline) < OFFSET_BASELINE:
        return 0.0, f"baseline {baseline} is before 04.00: no offset exists"
    if flag is True:
        return 0.0, "boa_offset_applied is true: the DN are corrected"
    if baseline is None and seen_at(item) < OFFSET_SINCE:
        raise UnusableError(
            "neither its baseline nor boa_offset_applied true is given: "
            "whether its DN carry +1000 cannot be known"
        )
    if flag is False:
        return OFFSET, "boa_offset_applied is false: the DN carry +1000"
    return OFFSET, "boa_offset_applied is missing: DN taken as ESA delivers them, with +1000"


def offset_finding(clear: int, dark: int, dim: int) -> str:
    """What a scene's pixels say of its DN: `corrected`, `uncorrected` or `unknown`.

    `clear` is its clear pixels, `dark` those of them with a red DN below 1000, `dim` those from
    1000 to 1499. Vegetation, water and shadow have a red reflectance below 0.05. With the +1000 of
    baseline 04.00 still in they are all dim, and dark would be a negative reflectance; without it
    they are dark. Where nothing is that dark, as in a desert, there is no telling.
    """
    if clear < ENOUGH_PIXELS:
        return "unknown"
    if dark >= MANY * clear:
        return "corrected"
    return "uncorrected" if dark <= HARDLY_ANY * clear and dim >= MANY * clear else "unknown"


def text_of(value: Any) -> str | None:
    """The value if it is a text and not empty."""
    return value if isinstance(value, str) and value else None


def newness(scene: Scene) -> tuple[Any, ...]:
    """Orders scenes that were processed more than once, the newest last."""
    sequence = text_of(scene.item.properties.get("s2:sequence")) or ""
    return (
        baseline_number(scene.baseline),
        scene.updated or scene.created or "",
        int(sequence) if sequence.isdecimal() else -1,
        scene.id,
    )


class _Pass(NamedTuple):
    tile: str | None
    datatake: str | None


def _pass(item: pystac.Item) -> _Pass:
    properties = item.properties
    grid = text_of(properties.get("grid:code"))
    found = re.search(r"_T?(\d{1,2}[A-Z]{3})_", item.id)
    tile = (
        grid.removeprefix("MGRS-").lstrip("0") if grid else found[1].lstrip("0") if found else None
    )
    datatake = text_of(properties.get("s2:datatake_id"))
    return _Pass(tile, re.sub(r"_N\d\d\.\d\d$", "", datatake) if datatake else None)


def same_pass(a: Scene, b: Scene) -> bool:
    """Whether two scenes show the same tile in the same datatake, whatever their baselines."""
    one, other = _pass(a.item), _pass(b.item)
    if a.platform != b.platform or one.tile is None or one.tile != other.tile:
        return False
    if one.datatake is not None and other.datatake is not None:
        return one.datatake == other.datatake
    return abs(a.datetime - b.datetime) < ONE_PASS
