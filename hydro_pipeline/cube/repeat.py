"""A day's chunks that are the day before's: references to the same stored objects."""

import asyncio
from collections.abc import Iterable

import icechunk

from hydro_pipeline.cube.layout import MANIFEST_DAYS
from hydro_pipeline.cube.waiting import sync

Position = tuple[int, int]
"""Row and column of a chunk in the grid of chunks."""


def repeat(
    session: icechunk.Session, name: str, day: int, chunks: set[Position], visited: int = 0
) -> None:
    """Let the chunks of array `name` at time position `day` refer to those of the day before.

    Of the days before `visited` the manifests are in memory, from an earlier call.
    """
    moved: dict[tuple[int, ...], list[int]] = {(day - 1, *place): [day, *place] for place in chunks}

    def target(position: Iterable[int]) -> Iterable[int] | None:
        return moved.get(tuple(position))

    if chunks:
        sync(_fetch_manifests(session.store, name, day, chunks, visited))
        session.reindex_array(f"/{name}", target)


async def _fetch_manifests(
    store: icechunk.IcechunkStore, name: str, day: int, chunks: set[Position], visited: int
) -> None:
    """Bring every manifest of the array into memory, many at a time.

    `reindex_array` visits all of them, and would fetch one after the other while it keeps every
    other thread of the process from running.
    """
    rows, cols = ({place[axis] for place in chunks} for axis in (0, 1))
    corners = {(row, col) for row in (min(rows), max(rows)) for col in (min(cols), max(cols))}
    first = max(0, visited - 1) // MANIFEST_DAYS * MANIFEST_DAYS
    times = {min(start + MANIFEST_DAYS, day) - 1 for start in range(first, day, MANIFEST_DAYS)}
    await asyncio.gather(
        *(store.exists(f"{name}/c/{time}/{row}/{col}") for time in times for row, col in corners)
    )
