"""Who computes the blocks of a day: threads of this process, or the workers of a Dask cluster."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import dask.threaded

from hydro_pipeline.errors import ClusterError, HydroError
from hydro_pipeline.imagery.gdal import drop_cached
from hydro_pipeline.outside.deadlines import DASK, beside, within

LOOK_S = 5.0
"""How often it is looked whether the cluster still has workers."""

Get = Callable[..., Any]
"""A Dask scheduler, to be given to `dask.compute`."""


def threads(count: int, pool: ThreadPoolExecutor | None = None) -> Get:
    """`count` threads of this process, or those of `pool`."""
    return partial(dask.threaded.get, num_workers=count, pool=pool)


class Cluster:
    """The workers of a Dask cluster that runs already, at `address`.

    They need this package, and have to reach the catalog's files and the bucket. Raises
    `ClusterError` where the scheduler cannot be reached or dies, has no worker for too long, or
    takes too long.
    """

    def __init__(self, address: str) -> None:
        from distributed import Client  # Takes a second, and most never need it.

        self.address = address
        with self._translated():
            self._client = within(
                2 * DASK.connect,
                lambda: Client(address, timeout=DASK.connect, set_as_default=False),
            )

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """A Dask scheduler."""
        with self._translated():
            return self._watched(partial(self._client.get, *args, **kwargs))

    def drop_cached(self, hrefs: Iterable[str]) -> None:
        """Let every worker drop what GDAL remembers of remote files."""
        with self._translated():
            self._watched(partial(self._client.run, _drop_cached, list(hrefs)))

    def close(self) -> None:
        """Let go of the cluster; it runs on."""
        with suppress(TimeoutError):
            within(DASK.connect, self._client.close)

    def _watched[T](self, work: Callable[[], T]) -> T:
        """What `work` gives, while the cluster is there."""
        result, started = beside(work), time.monotonic()
        worked = started
        while True:
            with suppress(concurrent.futures.TimeoutError):
                return result.result(LOOK_S)
            if result.done():
                return result.result()
            now = time.monotonic()
            if within(DASK.connect, self._client.nthreads):
                worked = now
            if now - worked > DASK.read:
                raise TimeoutError(f"no worker for {DASK.read:g} s")
            if now - started > DASK.total:
                raise TimeoutError(f"no end after {DASK.total:g} s")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except HydroError:
            raise
        except (
            OSError, CommClosedError, KilledWorker, asyncio.CancelledError,
            concurrent.futures.CancelledError,
        ) as error:  # fmt: skip
            why = str(error) or type(error).__name__
            raise ClusterError(
                f"HYDRO_DASK_SCHEDULER={self.address}: the Dask cluster cannot be used ({why}); "
                "see that its scheduler and workers run, or unset HYDRO_DASK_SCHEDULER"
            ) from error


def _drop_cached(hrefs: list[str]) -> None:
    for href in hrefs:
        drop_cached(href)
