"""Which scenes that days are made from the catalog does not offer any more, to be shown."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.storage.keys import missing_key
from hydro_pipeline.storage.store import Store


@dataclass(frozen=True)
class Missing:
    """A scene that a day is made from, and that the catalog did not offer when asked last."""

    day: dt.date
    scene: str

    @property
    def told(self) -> str:
        """As a sentence."""
        return f"{self.day}: the catalog does not offer {self.scene} any more; it stays in use"


def read_missing(store: Store, area_name: str) -> tuple[Missing, ...]:
    """What is missing from the catalog, by day. Raises `StoredObjectError` if it is broken."""
    key = missing_key(area_name)
    found = _parsed(store, key, store.get(key))
    return tuple(Missing(day, scene) for day, scenes in sorted(found.items()) for scene in scenes)


def note_missing(store: Store, area_name: str, found: Mapping[dt.date, Sequence[str]]) -> bool:
    """Keep what was found of each day, in place of what was known of it; others stay.

    Returns whether anything changed. A broken object is made anew.
    """
    key = missing_key(area_name)

    def change(data: bytes | None) -> bytes | None:
        try:
            known = _parsed(store, key, data)
        except StoredObjectError:
            known = {}
        now = {day: list(ids) for day, ids in {**known, **found}.items() if ids}
        if now == known:
            return None
        return json.dumps({str(day): ids for day, ids in sorted(now.items())}, indent=1).encode()

    return store.update(key, change)


def _parsed(store: Store, key: str, data: bytes | None) -> dict[dt.date, list[str]]:
    try:
        told = json.loads(data or b"{}").items()
        return {dt.date.fromisoformat(day): [str(scene) for scene in ids] for day, ids in told}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoredObjectError(
            f"{store.url(key)} does not say which scenes are missing ({error}); "
            "the next look at the catalog makes it again"
        ) from None
