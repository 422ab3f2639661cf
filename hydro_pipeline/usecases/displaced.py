"""Rows that go because fields were edited: told before a file is stored, and kept afterwards."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable

from hydro_pipeline.fields.fields import FieldsFile, merged, read_files
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.stats.displaced import told
from hydro_pipeline.stats.stale import Displaced, Wanted, stale_pairs
from hydro_pipeline.stats.table import read_day, stored_days
from hydro_pipeline.storage.keys import displaced_key
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.state import OBJECTS_AT_ONCE, AreaState

KEPT = 30
"""Days for which it is told what went."""
SENTENCES = 50
"""That are kept."""


def by_file(state: AreaState, file: FieldsFile) -> list[str]:
    """What storing a fields file would take away, in sentences that name field, file and rows.

    Reads the files that are there, and the rows if a field that has some would change.
    """
    files = read_files(state.store, state.area, state.listed_fields.files)
    others = [each for each in files if each.source != file.source]
    before, after = merged(state.area, files), merged(state.area, [*others, file])
    weights = state.settings.zonal_weights
    old, new = ({(f.field_id, f.planting_date): f for f in r.fields} for r in (before, after))
    known = {field_id for field_id, _ in old}
    gone = old.keys() - new.keys()
    redrawn = {
        key for key in old.keys() & new.keys() if old[key].hash(weights) != new[key].hash(weights)
    }
    changed = {field_id for field_id, _ in gone | redrawn | (new.keys() - old.keys())} & known
    if not changed:
        return []
    wanted = Wanted.of(after.planted(weights), state.product.version, after.complete)
    rows, anew = Counter[Displaced](), Counter[tuple[str, dt.date]]()

    schema = state.schema

    def of_day(day: dt.date) -> tuple[list[Displaced], list[tuple[str, dt.date]]]:
        stored = read_day(state.store, state.name, day, schema).rows
        if stored is None:
            return [], []
        displaced = stale_pairs(wanted, day, 0, stored).displaced
        pairs = zip(
            stored["field_id"].to_pylist(), stored["planting_date"].to_pylist(), strict=True
        )
        return [row for row in displaced if row.field_id in changed], [
            p for p in pairs if p in redrawn
        ]

    for displaced, outlines in in_threads(
        of_day, stored_days(state.store, state.name), OBJECTS_AT_ONCE
    ):
        rows.update(displaced)
        anew.update(outlines)
    for field_id, planted in gone:
        rows[Displaced(field_id, planted, wanted.nearest(field_id, planted), True)] += 0
    sources = {field_id: old[field_id, planted].source for field_id, planted in gone}
    return [
        *told(rows, sources, done=False),
        *(
            f"{key[0]} replaces {key[0]} of {old[key].source}: another outline; "
            f"{anew[key]} rows will be made anew"
            for key in sorted(redrawn)
        ),
    ]


def pending(state: AreaState, rows: Iterable[Displaced]) -> list[str]:
    """What the next statistics take away, in sentences; `rows` is what they displace."""
    sources = {field.field_id: field.source for field in state.fields.fields}
    return told(rows, sources, done=False)


def remember(store: Store, area_name: str, rows: Iterable[Displaced], now: dt.datetime) -> None:
    """Keep what statistics took away, for `remembered`."""
    fresh = [{"on": str(now.date()), "told": line} for line in told(rows, {}, done=True)]

    def change(data: bytes | None) -> bytes:
        return json.dumps([*_kept(data), *fresh][-SENTENCES:], indent=1).encode()

    store.update(displaced_key(area_name), change)


def remembered(store: Store, area_name: str, today: dt.date) -> list[str]:
    """What statistics took away in the last `KEPT` days, in sentences, oldest first."""
    since = str(today - dt.timedelta(KEPT))
    kept = _kept(store.get(displaced_key(area_name)))
    return [f"{one['on']}: {one['told']}" for one in kept if one["on"] >= since]


def _kept(data: bytes | None) -> list[dict[str, str]]:
    """What was kept; nothing where it cannot be read: it is told, and not more."""
    try:
        return [
            {"on": str(one["on"]), "told": str(one["told"])} for one in json.loads(data or b"[]")
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
