"""What of a stored cube is lost, or not what was written; told from a store that fails."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icechunk

from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.grid import Tiling, Window
from hydro_pipeline.storage.keys import cube_area

CUT_SHORT = ("InvalidRange", "range was invalid")
"""What a bucket and a directory say of bytes beyond the end of an object."""


@dataclass(frozen=True)
class Damage:
    """A chunk that cannot be read."""

    array: str
    place: tuple[int, int]
    """Row and column in the grid of chunks."""
    what: str
    """In few words."""

    def error(self, url: str, day: dt.date) -> DamagedCubeError:
        """The damage to a chunk of `day`, in a sentence."""
        row, col = self.place
        return DamagedCubeError(
            f"{url}: {self.array} of {day}, chunk {row}/{col}, is {self.what}; "
            f"mend it: hydro repair {cube_area(url)} --day {day}",
            day,
        )


def damage(error: BaseException) -> str | None:
    """In few words what happened to a stored object, where `error`, of Icechunk or of Zarr while
    it decoded a chunk, says that it is damaged. None where the store failed or refused.
    """
    text = " ".join(str(error).split())
    if isinstance(error, icechunk.IcechunkError):
        if text.startswith("object not found"):
            return "lost"
        if any(mark in text for mark in CUT_SHORT):
            return "cut short"
        if not isinstance(error, icechunk.FormatError) and not text.startswith("I/O error"):
            return None
    elif not isinstance(error, RuntimeError | ValueError | TypeError):
        return None
    return f"not what was written ({text.split(' context:')[0].split('. ')[0][:100]})"


def damages(
    arrays: Mapping[str, Any], names: Sequence[str], index: int, chunks: Sequence[Window]
) -> list[Damage]:
    """Those of the `chunks` of the day at position `index` that cannot be read, of any array.

    Raises Icechunk's error where the store fails.
    """
    first = arrays[names[0]]
    tiling = Tiling(first.shape[1:], first.chunks[1])
    parts = [(name, chunk) for name in names for chunk in chunks]

    async def look() -> list[Any]:
        reads = (arrays[name].async_array.getitem((index, *at.slices)) for name, at in parts)
        return await asyncio.gather(*reads, return_exceptions=True)

    found = []
    for (name, chunk), error in zip(parts, sync(look()), strict=True):
        if isinstance(error, BaseException):
            what = damage(error)
            if what is None:
                raise error
            found.append(Damage(name, tiling.place(chunk), what))
    return found
