"""Housekeeping of a cube: forget states of long ago, and delete what only they referred to."""

import datetime as dt
from dataclasses import dataclass

from hydro_pipeline.cube.read import open_repository
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.outside.deadlines import UPKEEP_S
from hydro_pipeline.storage.keys import cube_key
from hydro_pipeline.storage.store import Store

ORPHAN_HOURS = 24
"""Age from which what is being written counts as left by a writer that was killed."""
KEEP_DAYS = 90
"""Days for which every past state can be opened, unless told otherwise."""


@dataclass(frozen=True)
class Upkeep:
    """What was tidied in one cube."""

    area: str
    expired: int
    """Past states that cannot be opened any more."""
    deleted: int
    """Objects deleted."""
    freed: int
    """Their size, bytes."""
    orphans: int
    """Objects removed that killed writers left, of any area."""


def maintain(store: Store, area_name: str, now: dt.datetime, keep_days: int = KEEP_DAYS) -> Upkeep:
    """Expire the states committed more than `keep_days` before `now`, and delete what is unused.

    Every day of the cube, its newest state and the records of its scenes stay. Objects younger
    than that are left alone, so that a run in progress loses nothing; hence `keep_days` is at
    least 1. What writers left that were killed more than `ORPHAN_HOURS` ago goes
    too.
    """
    if keep_days < 1:
        raise ValueError(f"keep_days is {keep_days}; it must be at least 1")
    orphans = store.tidy(now - dt.timedelta(hours=ORPHAN_HOURS))
    repository = open_repository(store, area_name)
    if repository is None:
        return Upkeep(area_name, 0, 0, 0, orphans)
    before = now - dt.timedelta(keep_days)
    key = cube_key(area_name)
    with translated(store.url(key)), store.lock(key):
        expired = sync(repository.expire_snapshots_async(older_than=before), UPKEEP_S)
        found = sync(repository.garbage_collect_async(before), UPKEEP_S)
    return Upkeep(
        area_name,
        len(expired),
        found.chunks_deleted
        + found.manifests_deleted
        + found.snapshots_deleted
        + found.attributes_deleted
        + found.transaction_logs_deleted,
        found.bytes_deleted,
        orphans,
    )
