"""Waiting for a cube's store, never without end: Icechunk has no deadline for what comes slowly."""

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any

import zarr
from zarr.core import sync as zarr_sync

from hydro_pipeline.outside import deadlines


@cache
def limit_zarr() -> None:
    """Give what Zarr does by itself the deadline of a step; once a process, before its first."""
    zarr.config.set({"async.timeout": deadlines.ICECHUNK_STEP_S})


def sync[T](work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    """What `work` gives, by Zarr's loop.

    After `seconds`, or `ICECHUNK_STEP_S`, it is cancelled, and `TimeoutError` raised.
    """
    limit = deadlines.ICECHUNK_STEP_S if seconds is None else seconds

    async def limited() -> T:
        try:
            return await asyncio.wait_for(work, limit)
        except TimeoutError:
            raise TimeoutError(f"no end after {limit:g} s") from None

    return zarr_sync.sync(limited())
