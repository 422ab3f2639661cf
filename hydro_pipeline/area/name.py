"""What an area may be called. Pure.

Its name becomes part of object keys and asset keys, and of the folder `area=<name>`, from which
pandas, Polars, DuckDB and Spark read a column `area`, and guess its type.
"""

import re
from collections.abc import Iterable

from hydro_pipeline.errors import AreaError
from hydro_pipeline.outside.words import shown

NAME = re.compile(r"[A-Za-z0-9_]+")
LONGEST = 64
NOTHING = {"null", "none", "nil", "nan", "na", "nat", "inf", "infinity", "undefined"}
"""Read as a missing value or as a number, in any case of letters."""
TRUTHS = {"true", "false", "yes", "no", "on", "off"}
"""Read as true or false."""


def check_characters(name: str) -> None:
    """Raise `AreaError` for a name that cannot be part of keys."""
    if not NAME.fullmatch(name):
        raise AreaError(f"area name {shown(name)}: use letters, digits and _ only")


def misread(name: str) -> str | None:
    """As what readers of `field_stats` take the name instead of as text; None if they do not."""
    if name[0].isdigit():
        return "a number or a date"
    if name.lower() in NOTHING or name.lower().startswith("__hive"):
        return "a missing value"
    if name.lower() in TRUTHS:
        return "true or false"
    return None


def note(name: str) -> str | None:
    """A sentence on a name that readers take for something else; None if they do not."""
    taken_for = misread(name)
    return taken_for and (
        f"area {name}: pandas, Polars and other readers of field_stats take this name for "
        f"{taken_for}; have them read area as text, or set the area again under another name"
    )


def check_new_name(name: str, others: Iterable[str]) -> None:
    """Raise `AreaError` for a new area's name that is taken for something else: by readers, or for
    one of the `others`, since some file systems and databases do not tell cases apart.
    """
    check_characters(name)
    if len(name) > LONGEST:
        raise AreaError(f"area name {shown(name)}: use at most {LONGEST} characters")
    if taken_for := misread(name):
        raise AreaError(
            f"area name {name!r}: readers of field_stats would take it for {taken_for}; "
            f"use another, for example area_{name.strip('_')}"
        )
    for other in others:
        if other != name and other.lower() == name.lower():
            raise AreaError(
                f"area name {name!r} differs from that of area {other} in the case of letters "
                "only; use another"
            )
