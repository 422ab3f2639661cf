"""Whether a search got all that it was told of, page by page. Pure."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hydro_pipeline.errors import CatalogUnavailableError
from hydro_pipeline.scenes.item import name_of

COUNT_CAP = 10_000
"""Search engines stop counting here: a larger number of matches is reported as this one."""


@dataclass
class Answered:
    """What a search was told and what it got, to notice an answer that was cut short."""

    matched: list[int] = field(default_factory=list)
    """What each page said of the number of all items."""
    marks: set[str] = field(default_factory=set)
    """What tells the features from each other, also those that are no items."""
    names: set[str] = field(default_factory=set)
    """Of the items: one that is changed in mid-search has two marks."""

    def add(self, page: dict[str, Any], features: list[Any], url: str) -> bool:
        """Take a page; False if none of its features is new.

        Raises `CatalogUnavailableError` if it has fewer features than it says.
        """
        if len(features) < (said := max(_counted(page, "Returned"), default=0)):
            raise CatalogUnavailableError(
                f"catalog {url}: the answer was cut short or is inconsistent: a page says that it "
                f"returns {said} items but has {len(features)}; try again later"
            )
        marks, known = _marks(features), len(self.marks)
        self.marks |= marks
        self.names |= {_name(each) for each in features if isinstance(each, dict)}
        self.matched += _counted(page, "Matched")
        return len(self.marks) > known

    @property
    def is_due(self) -> bool:
        """Whether more than what came may be there: unless a count says that all came."""
        return not self.matched or len(self.marks) < max(self.matched)

    def check(self, url: str) -> None:
        """Raise `CatalogUnavailableError` if other items came than were counted."""
        if not self.matched:
            return
        low, high, got = min(self.matched), max(self.matched), len(self.marks)
        if got < low or (len(self.names) > high and high < COUNT_CAP):
            raise CatalogUnavailableError(
                f"catalog {url}: the answer was cut short or is inconsistent: {high} items match "
                f"but {got} different ones were received; try again later"
            )


def _counted(page: dict[str, Any], what: str) -> list[int]:
    """What a page says of the number of items, in the one or the other way; at most one number."""
    context = page.get("context")
    inner = context.get(what.lower()) if isinstance(context, dict) else None
    given = page.get(f"number{what}"), inner
    return [n for n in given if isinstance(n, int) and not isinstance(n, bool) and n >= 0][:1]


def _name(feature: dict[str, Any]) -> str:
    return f"{name_of({'id': feature.get('collection')})}/{name_of(feature)}"


def _marks(features: list[Any]) -> set[str]:
    """One mark for each feature of a page, the same ones if the page comes again."""
    times: Counter[str] = Counter()
    marks = set()
    for mark in map(_mark, features):
        times[mark] += 1
        marks.add(f"{mark} {times[mark]}")
    return marks


def _mark(feature: Any) -> str:
    try:
        text = json.dumps(feature, sort_keys=True, default=str)
    except RecursionError:
        text = name_of(feature)
    return hashlib.sha256(text.encode()).hexdigest()
