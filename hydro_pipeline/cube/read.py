"""The stored cube: one Icechunk repository an area, one commit a day.

The law that holds after every commit, for every day t in the cube:
composite[t] = observed[t] where clear, else composite[t-1].
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import icechunk
import numpy as np
import zarr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from hydro_pipeline.composite.kernel import age_limit
from hydro_pipeline.cube.damage import damage, first_damage
from hydro_pipeline.cube.layout import (
    DAILY,
    MEANING,
    completed,
    repository_config,
    tiling_of,
)
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.twice import twice
from hydro_pipeline.cube.waiting import limit_zarr, sync
from hydro_pipeline.days import number_day
from hydro_pipeline.errors import (
    CubeMeaningError,
    DamagedCubeError,
    MissingDayError,
    StoreUnavailableError,
)
from hydro_pipeline.grid import Pixels, Tiling, Window
from hydro_pipeline.indices import product_of
from hydro_pipeline.product import Product
from hydro_pipeline.storage.keys import cube_key, cube_state_key
from hydro_pipeline.storage.store import Store

BRANCH = "main"


class Cube:
    """One committed state of a cube; it does not change while it is read."""

    def __init__(self, area_name: str, store: Store, repository: icechunk.Repository) -> None:
        self.area_name = area_name
        self.store = store
        self.url = url = store.url(cube_key(area_name))
        """Where the repository is, for people."""
        self.repository = repository
        with translated(url):
            self.session = sync(repository.readonly_session_async(BRANCH))
            self.group = zarr.open_group(self.session.store, mode="r")

    @classmethod
    def open(cls, store: Store, area_name: str) -> "Cube | None":
        """The cube as of now, or None if no day was ever committed."""
        return cls.of(store, area_name, open_repository(store, area_name))

    @classmethod
    def of(
        cls, store: Store, area_name: str, repository: icechunk.Repository | None
    ) -> "Cube | None":
        """The cube in a repository as of now, or None if no day was ever committed."""
        if repository is None:
            return None
        try:
            cube = twice(store, area_name, lambda: cls(area_name, store, repository))
        except (zarr.errors.GroupNotFoundError, FileNotFoundError):
            return None
        return cube if cube.length else None

    @cached_property
    def meaning(self) -> dict[str, Any]:
        """What gives the pixels their meaning; see `layout.meaning`."""
        stored = self.group.attrs.get(MEANING)
        if not isinstance(stored, dict):
            raise CubeMeaningError(f"{self.url} is not a cube of hydro_pipeline")
        return completed(stored)

    @cached_property
    def product(self) -> Product:
        """What was measured, as the cube itself says."""
        return product_of(self.meaning)

    @property
    def max_age(self) -> int:
        """Age in days beyond which a carried value became nodata."""
        return age_limit(self.meaning.get("max_age_days"))

    @cached_property
    def grid(self) -> GeoBox:
        """Where the pixels are, as the cube itself says."""
        return GeoBox(self.shape, Affine(*self.meaning["transform"]), self.meaning["crs"])

    @cached_property
    def length(self) -> int:
        """Number of days."""
        return int(self._array("time").shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.tiling.shape

    @cached_property
    def tiling(self) -> Tiling:
        """The grid as it is cut into chunks."""
        return tiling_of(self._arrays, self.product.names)

    @cached_property
    def first_day(self) -> dt.date:
        """First day of the cube; the days are contiguous from it."""
        return number_day(self.daily("time")[0])

    @property
    def last_day(self) -> dt.date:
        """Last committed day."""
        return self.first_day + dt.timedelta(self.length - 1)

    @property
    def days(self) -> list[dt.date]:
        """Every committed day in order."""
        return [self.first_day + dt.timedelta(i) for i in range(self.length)]

    def __contains__(self, day: dt.date) -> bool:
        return self.first_day <= day <= self.last_day

    def index(self, day: dt.date) -> int:
        """Position of a day on the time axis. Raises `MissingDayError` if it is not committed."""
        if day not in self:
            raise MissingDayError(
                f"{self.area_name}: {day} is not in the cube, which holds {self.first_day} to "
                f"{self.last_day}; run it first: hydro run {self.area_name} "
                f"--from {self.last_day + dt.timedelta(1)} --to {day}"
            )
        return (day - self.first_day).days

    @cached_property
    def revisions(self) -> dict[dt.date, int]:
        """Revision of every day."""
        return dict(zip(self.days, self.daily("revision").tolist(), strict=True))

    def alike(self, days: Sequence[dt.date]) -> list[list[dt.date]]:
        """`days`, in order, cut into runs of consecutive days with the same pixels.

        By the law, a day on which nothing was observed is the day before, unless values became
        too old, and then fewer pixels have one. Raises `MissingDayError` if a day is not committed.
        """
        observed, valid = self.daily("observed_fraction"), self.daily("valid_fraction")
        runs: list[list[dt.date]] = []
        for day in days:
            index = self.index(day)
            follows = runs and runs[-1][-1] == day - dt.timedelta(1)
            if follows and observed[index] == 0 and valid[index] == valid[index - 1]:
                runs[-1].append(day)
            else:
                runs.append([day])
        return runs

    def daily(self, name: str) -> NDArray[Any]:
        """A per-day variable, e.g. `revision` or `observed_fraction`, as (time,)."""
        return self._dailies[name]

    @cached_property
    def _dailies(self) -> dict[str, NDArray[Any]]:
        names = ("time", *DAILY)

        def read() -> dict[str, NDArray[Any]]:
            with translated(self.url, decoding=True):
                parts = [(self._array(name), slice(None)) for name in names]
                return dict(zip(names, read_parts(parts), strict=True))

        return twice(self.store, self.area_name, read)

    def read(self, day: dt.date, window: Window | None = None) -> Pixels:
        """The day in a window; without a window, on the whole grid.

        Variables are in the order of `product`. One GET per chunk that the
        window touches and array. Raises `DamagedCubeError` where a chunk is lost or damaged.
        """
        window = window or Window.whole(self.shape)
        index, names = self.index(day), self.product.names
        return read_pixels(self.url, self._arrays, names, index, day, window, self._arrays_anew)

    def prefetch(self, day: dt.date) -> None:
        """Fetch what says where the day's chunks are, so that reading them need not wait for it."""
        places = [f"{name}/c/{self.index(day)}/0/0" for name in self.product.names]

        async def ask() -> None:
            await asyncio.gather(*map(self.session.store.exists, places))

        with translated(self.url):
            sync(ask())

    def history(self) -> Iterator[icechunk.SnapshotInfo]:
        """Every commit, newest first: when, what, and which scenes and run it came from."""
        with translated(self.url):
            yield from self.repository.ancestry(branch=BRANCH)

    def _array(self, name: str) -> Any:
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return dict(self.group.arrays())

    def _arrays_anew(self) -> dict[str, Any]:
        """The arrays without what was kept of answers: Icechunk keeps those that were cut, too."""
        storage = self.repository.storage
        self.repository = sync(icechunk.Repository.open_async(storage, config=repository_config()))
        snapshot = self.session.snapshot_id
        self.session = sync(self.repository.readonly_session_async(snapshot_id=snapshot))
        self.group = zarr.open_group(self.session.store, mode="r")
        self._arrays = dict(self.group.arrays())
        return self._arrays


def open_repository(store: Store, area_name: str) -> icechunk.Repository | None:
    """An area's Icechunk repository, or None if there is none.

    Raises `DamagedCubeError` where there are states of a cube, but not the object that names them.
    """
    limit_zarr()
    return twice(store, area_name, lambda: _open_repository(store, area_name))


def _open_repository(store: Store, area_name: str) -> icechunk.Repository | None:
    key = cube_key(area_name)
    with translated(store.url(key)):
        storage = store.icechunk_storage(key)
        try:
            return sync(icechunk.Repository.open_async(storage, config=repository_config()))
        except icechunk.RepositoryNotFoundError:
            states = [o for o in store.listing(f"{key}/snapshots") if "#" not in o.key]
            if len(states) <= 1:  # The first is written before the repository is there.
                return None
            raise DamagedCubeError(
                f"{store.url(cube_state_key(area_name))} is lost, which names the {len(states)} "
                "states of the cube; bring its last version back from the bucket's versions or a "
                "copy, or remove that folder and run its days again"
            ) from None


def read_parts(parts: Sequence[tuple[Any, Any]]) -> list[NDArray[Any]]:
    """Parts of arrays, each an array and a selection of it, read at the same time."""

    async def read() -> list[Any]:
        return await asyncio.gather(*(array.async_array.getitem(part) for array, part in parts))

    return [np.asarray(part) for part in sync(read())]


def read_pixels(
    url: str,
    arrays: Mapping[str, Any],
    names: Sequence[str],
    index: int,
    day: dt.date,
    window: Window,
    anew: Callable[[], Mapping[str, Any]] | None = None,
) -> Pixels:
    """The `day`, at position `index` of the `arrays` by name, in a window.

    Where the store's answers were not whole, it is read once more from the arrays that `anew`
    gives. Raises `DamagedCubeError`, which names the first chunk that is lost or damaged.
    """
    with translated(url):
        try:
            *values, on = read_parts([(arrays[n], (index, *window.slices)) for n in names])
        except Exception as error:
            if damage(error) is None:
                raise
            if found := first_damage(url, arrays, names, {index: day}, window):
                raise found from error
            if anew is not None:
                return read_pixels(url, anew(), names, index, day, window)
            raise StoreUnavailableError(
                f"{url}: the store's answers for {day} were cut short; try again later"
            ) from error
    return Pixels(np.stack(values) if len(values) > 1 else values[0][np.newaxis], on)
