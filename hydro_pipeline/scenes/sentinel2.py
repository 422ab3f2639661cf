"""What must be added to a scene's digital numbers, and what its pixels say about that. Pure."""

import datetime as dt
import re
from typing import Any

import pystac

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
    """Says why an item cannot be used."""


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
    if baseline is None and item.datetime is not None and item.datetime < OFFSET_SINCE:
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
