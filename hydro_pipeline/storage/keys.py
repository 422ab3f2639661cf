"""Where everything is: each key under the root, and what a key or a folder's name says.

A key is `/`-separated and relative to the root. What ends in `_folder` has no slash at its end.
"""

import datetime as dt
import posixpath
import re

INPUTS = "inputs"
"""A folder per area: what people give."""
STAC = "stac"
"""A folder per area: what is published."""
PROBES = ".probe"
"""Where a store is tried."""
WRITING = ".writing"
"""What is being written to a directory, or was when its writer was killed."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_FAILED = ".failed.json"
_MAKING = "day"
_STATS_DAY = "date="


def area_folder(area_name: str) -> str:
    """All that people give for an area."""
    return f"{INPUTS}/{area_name}"


def area_key(area_name: str) -> str:
    """What the area is."""
    return f"{area_folder(area_name)}/area.geojson"


def fields_folder(area_name: str) -> str:
    """The fields files of an area."""
    return f"{area_folder(area_name)}/fields"


def fields_key(area_name: str, path_name: str) -> str:
    """A fields file, by its path within `fields_folder`."""
    return f"{fields_folder(area_name)}/{path_name}"


def cube_key(area_name: str) -> str:
    """The Icechunk repository of an area's cube, a folder."""
    return f"cubes/{area_name}"


def cube_area(cube: str) -> str:
    """The area of a cube, by its key or URL."""
    return posixpath.basename(cube)


def cube_state_key(area_name: str) -> str:
    """The object of the cube that is written anew with each commit."""
    return f"{cube_key(area_name)}/repo"


def scenes_folder(area_name: str) -> str:
    """The records of an area's days, and notes of days that failed."""
    return f"scenes/{area_name}"


def scenes_key(area_name: str, day: dt.date) -> str:
    """The record of a day."""
    return f"{scenes_folder(area_name)}/{day}.json"


def note_key(area_name: str, day: dt.date, step: str) -> str:
    """The note that a step of a day failed; of step `day`, where 0.1.0 has it."""
    kind = "" if step == _MAKING else f".{step}"
    return f"{scenes_folder(area_name)}/{day}{kind}{_FAILED}"


def noted(key: str) -> tuple[dt.date, str] | None:
    """The day and step of a `note_key`, None of any other key."""
    name = posixpath.basename(key)
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:\.([a-z]+))?\.failed\.json", name)
    try:
        return (dt.date.fromisoformat(found[1]), found[2] or _MAKING) if found else None
    except ValueError:
        return None


def decisions_key(area_name: str) -> str:
    """What operators decided on an area's scenes."""
    return f"decisions/{area_name}.json"


def missing_key(area_name: str) -> str:
    """Which scenes of an area's days the catalog does not offer, as it was last asked."""
    return f"missing/{area_name}.json"


def stats_folder(area_name: str) -> str:
    """An area's statistics, partitioned by day."""
    return f"field_stats/area={area_name}"


def stats_key(area_name: str, day: dt.date) -> str:
    """A day's statistics."""
    return f"{stats_folder(area_name)}/{_STATS_DAY}{day}/part-0.parquet"


def stats_day(folder: str) -> dt.date | None:
    """The day of a folder directly in `stats_folder`, by its name; None if it is of none."""
    return _day(folder.removeprefix(_STATS_DAY)) if folder.startswith(_STATS_DAY) else None


def weights_key(area_name: str) -> str:
    """The weights of an area's fields."""
    return f"weights/{area_name}.arrow"


def settled_key(area_name: str) -> str:
    """The note that all statistics of an area are complete."""
    return f"settled/{area_name}.json"


def displaced_key(area_name: str) -> str:
    """What statistics took away lately."""
    return f"displaced/{area_name}.json"


def report_key(area_name: str) -> str:
    """An area's page."""
    return f"reports/{area_name}/index.html"


def frames_key(area_name: str) -> str:
    """The pictures of an area's page, kept to be used again."""
    return f"reports/{area_name}/frames.json"


def catalog_key() -> str:
    """The published catalog of all areas."""
    return f"{STAC}/catalog.json"


def collection_folder(area_name: str) -> str:
    """What is published of an area: its collection, and a folder per day."""
    return f"{STAC}/{area_name}"


def collection_key(area_name: str) -> str:
    """The published collection of an area."""
    return f"{collection_folder(area_name)}/collection.json"


def item_key(area_name: str, day: dt.date) -> str:
    """The published item of a day."""
    return f"{collection_folder(area_name)}/{day}/{area_name}_{day}.json"


def item_day(folder: str) -> dt.date | None:
    """The day of a folder directly in `collection_folder`, by its name; None if it is of none."""
    return _day(folder)


def map_key(area_name: str, day: dt.date, asset: str) -> str:
    """A map of a published item."""
    return f"{collection_folder(area_name)}/{day}/{asset}.tif"


def probe_key(name: str) -> str:
    """What is written and removed again to see whether a store can be used."""
    return f"{PROBES}/{name}"


def writing_key(name: str) -> str:
    """Where an object of a directory is written before it takes its place, away from readers."""
    return f"{WRITING}/{name}"


def lock_key(key: str) -> str:
    """The file by which processes of one machine take turns on a key."""
    return f".locks/{key.replace('/', '%')}.lock"


def unreachable(key: str) -> bool:
    """Whether an object of such a key cannot be asked for: it has an empty part, or a control
    character, or is not in Unicode.
    """
    parts = key.split("/")
    return bool(_CONTROL.search(key)) or not {"", ".", ".."}.isdisjoint(parts)


def relative(key: str, document_key: str) -> str:
    """The href by which the document at `document_key` names `key`."""
    href = posixpath.relpath(key, posixpath.dirname(document_key))
    return href if href.startswith("../") else f"./{href}"


def _day(text: str) -> dt.date | None:
    """The day that is written so, and in no other way that ISO 8601 has."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if str(day) == text else None
