"""Notes of days whose scenes could not be read, `scenes/<area>/<date>.failed.json`."""

import datetime as dt
import json

from hydro_pipeline.errors import SceneReadError
from hydro_pipeline.storage.store import Store

SUFFIX = ".failed.json"


def note_failure(
    store: Store, area_name: str, day: dt.date, error: SceneReadError, run_id: str
) -> None:
    """Leave a note beside the day's record that its scenes could not be read."""
    note = {"area": area_name, "day": str(day), "error": str(error), "run_id": run_id}
    store.put(_key(area_name, day), json.dumps(note, indent=1).encode())


def clear_failure(store: Store, area_name: str, day: dt.date) -> None:
    """Take the note of an earlier failure away."""
    store.delete(_key(area_name, day))


def failures(store: Store, area_name: str) -> dict[dt.date, str]:
    """The error of each day whose last attempt failed so."""
    found = {}
    for stored in store.listing(f"scenes/{area_name}"):
        if stored.key.endswith(SUFFIX):
            day = dt.date.fromisoformat(stored.key.rsplit("/", 1)[-1].removesuffix(SUFFIX))
            data = store.get(stored.key)
            if data is not None:
                found[day] = str(json.loads(data)["error"])
    return found


def _key(area_name: str, day: dt.date) -> str:
    return f"scenes/{area_name}/{day}{SUFFIX}"
