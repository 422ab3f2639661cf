"""A cube's arrays for dask and xarray, which name what of them cannot be read."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from hydro_pipeline.cube.damage import damage, first_damage
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.errors import StoreUnavailableError
from hydro_pipeline.grid import Window


@dataclass(frozen=True)
class Guarded:
    """An array (time, y, x) of pixels as it is stored; it is sliced along all three axes."""

    array: zarr.Array[Any]
    name: str
    url: str
    """Where the cube is, for people."""
    first: dt.date
    """First day of the cube."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Days, rows, columns."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Three."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored pixels."""
        return np.dtype(self.array.dtype)

    def __getitem__(self, at: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Some days and a window. Raises `DamagedCubeError`, which names day and chunk, where one
        is lost or damaged, and what `translated` makes of a store that fails.
        """
        with translated(self.url):
            try:
                return np.asarray(self.array[at])
            except Exception as error:
                if damage(error) is None:
                    raise
                days, rows, cols = (range(n)[part] for n, part in zip(self.shape, at, strict=True))
                window = Window.between(rows.start, cols.start, rows.stop, cols.stop)
                named = {index: self.first + dt.timedelta(index) for index in days}
                arrays = {self.name: self.array}
                if found := first_damage(self.url, arrays, [self.name], named, window):
                    raise found from error
                raise StoreUnavailableError(
                    f"{self.url}: the store's answers were cut short; try again later"
                ) from error
