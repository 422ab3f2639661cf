"""The newest state of a cube that can be read, where that is not the last one."""

import asyncio
import contextlib
import datetime as dt
from functools import partial

import icechunk
import zarr

from hydro_pipeline.cube.layout import DAILY, MANIFEST_DAYS
from hydro_pipeline.cube.read import BRANCH, open_repository, read_parts
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.twice import twice
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.storage.keys import cube_key
from hydro_pipeline.storage.store import Store


def go_back(store: Store, area_name: str) -> list[dt.date]:
    """Let the newest state be the last one that says what it holds; pixels are not looked at.

    Returns the days that were committed since, in order, which have to be made again; none where
    the newest state can be read. Raises `DamagedCubeError` where no state can.
    """
    repository = open_repository(store, area_name)
    if repository is None:
        return []
    key = cube_key(area_name)
    url, since = store.url(key), set[dt.date]()
    with translated(url), store.lock(key):
        for commit in repository.ancestry(branch=BRANCH):
            with contextlib.suppress(DamagedCubeError):
                twice(store, area_name, partial(_look, repository, commit.id, url))
                if since:
                    sync(repository.reset_branch_async(BRANCH, commit.id))
                return sorted(since)
            if day := commit.metadata.get("day"):
                since.add(dt.date.fromisoformat(day))
    raise DamagedCubeError(
        f"{url}: none of the states that the cube remembers can be read; bring the objects under "
        "it back from the bucket's versions or a copy, or remove that folder and run its days again"
    )


def _look(repository: icechunk.Repository, snapshot: str, url: str) -> None:
    """Read all that says what a state holds: arrays, variables per day, lists of chunks."""
    with translated(url, decoding=True):
        session = sync(repository.readonly_session_async(snapshot_id=snapshot))
        try:
            arrays = dict(zarr.open_group(session.store, mode="r").arrays())
        except zarr.errors.GroupNotFoundError:  # The first state of all, without any array.
            return
        days = arrays["time"].shape[0]
        names = ("x", "y", "spatial_ref", "time", *DAILY)
        read_parts([(arrays[name], ...) for name in names])
        pixels = [name for name, array in arrays.items() if array.ndim == 3]
        places = [f"{name}/c/{day}/0/0" for name in pixels for day in range(0, days, MANIFEST_DAYS)]

        async def ask() -> None:
            await asyncio.gather(*map(session.store.exists, places))

        sync(ask())
