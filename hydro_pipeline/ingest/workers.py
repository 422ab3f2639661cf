"""Who computes the blocks of a day: threads of this process, or the workers of a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask.threaded

from hydro_pipeline.errors import ClusterError, HydroError
from hydro_pipeline.imagery.reading import drop_cached

CONNECT_S = 30
"""How long to wait for the scheduler."""

Get = Callable[..., Any]
"""A Dask scheduler, to be given to `dask.compute`."""


def threads(count: int, pool: ThreadPoolExecutor | None = None) -> Get:
    """`count` threads of this process, or those of `pool`."""
    return partial(dask.threaded.get, num_workers=count, pool=pool)


class Cluster:
    """The workers of a Dask cluster that runs already, at `address`.

    They need this package, and have to reach the catalog's files and the bucket. Raises
    `ClusterError` where the scheduler cannot be reached or its workers are lost.
    """

    def __init__(self, address: str) -> None:
        from distributed import Client  # Takes a second, and most never need it.

        self.address = address
        with self._translated():
            self._client = Client(address, timeout=CONNECT_S, set_as_default=False)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """A Dask scheduler."""
        with self._translated():
            return self._client.get(*args, **kwargs)

    def drop_cached(self, hrefs: Iterable[str]) -> None:
        """Let every worker drop what GDAL remembers of remote files."""
        with self._translated():
            self._client.run(_drop_cached, list(hrefs))

    def close(self) -> None:
        """Let go of the cluster; it runs on."""
        self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except HydroError:
            raise
        except (OSError, TimeoutError, CommClosedError, KilledWorker) as error:
            raise ClusterError(
                f"HYDRO_DASK_SCHEDULER={self.address}: the Dask cluster cannot be used ({error}); "
                "see that its scheduler and workers run, or unset HYDRO_DASK_SCHEDULER"
            ) from error


def _drop_cached(hrefs: list[str]) -> None:
    for href in hrefs:
        drop_cached(href)
