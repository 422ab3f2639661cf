"""What of a stored cube is lost, or not what was written; told from a store that fails."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icechunk
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import default_buffer_prototype

from hydro_pipeline.cube.layout import tiling_of
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.grid import Window
from hydro_pipeline.storage.keys import cube_area

CUT_SHORT = ("InvalidRange", "range was invalid")
"""What a bucket and a directory say of bytes beyond the end of an object."""
UNDERWAY, DIFFERENT = "streaming error", "checksum mismatch"
"""What Icechunk says where an answer broke off; and also where all of it that came is not what the
bucket says."""


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
        if UNDERWAY in text and DIFFERENT not in text:
            return None
    elif not isinstance(error, RuntimeError | ValueError | TypeError):
        return None
    return f"not what was written ({text.split(' context:')[0].split('. ')[0][:100]})"


def damages(
    arrays: Mapping[str, Any], names: Sequence[str], index: int, chunks: Sequence[Window]
) -> list[Damage]:
    """Those of the `chunks` of the day at position `index` that cannot be read, of any array.

    One whose bytes did not all come is none of them. Raises Icechunk's error where the store fails.
    """
    tiling = tiling_of(arrays, names)
    parts = [(name, chunk) for name in names for chunk in chunks]

    async def look(name: str, chunk: Window) -> Damage | None:
        array, place = arrays[name].async_array, tiling.place(chunk)
        try:
            await array.getitem((index, *chunk.slices))
        except Exception as error:
            if damage(error) is None:
                raise
            try:
                if not await _came_whole(array.store, f"{name}/c/{index}/{place[0]}/{place[1]}"):
                    return None
            except icechunk.IcechunkError as told:
                if damage(told) is None:
                    raise
                error = told
            return Damage(name, place, damage(error) or "")
        return None

    async def every() -> list[Damage | None]:
        return await asyncio.gather(*(look(*part) for part in parts))

    return [found for found in sync(every()) if found is not None]


def first_damage(
    url: str,
    arrays: Mapping[str, Any],
    names: Sequence[str],
    days: Mapping[int, dt.date],
    window: Window,
) -> DamagedCubeError | None:
    """What is to be told of the first chunk of a window that cannot be read; None: of none.

    `days` are looked at in order, by their position. Raises as `damages` does.
    """
    chunks = tiling_of(arrays, names).under(window)
    for index, day in days.items():
        for found in damages(arrays, names, index, chunks):
            return found.error(url, day)
    return None


async def _came_whole(store: Any, key: str) -> bool:
    """Whether a chunk comes as it is stored: all of it is what its parts are, as many bytes as were
    written. Of all of it Icechunk keeps what came first, which it does not count.

    Raises Icechunk's error where the store itself says that there are less.
    """
    size, prototype = await store.getsize(key), default_buffer_prototype()
    joined = b""
    for part in (RangeByteRequest(size - 1, size), RangeByteRequest(0, size - 1)):
        data = await store.get(key, prototype, part)
        if data is None or len(data) != part.end - part.start:
            return False
        joined = data.to_bytes() + joined
    whole = await store.get(key, prototype)
    return whole is not None and whole.to_bytes() == joined
