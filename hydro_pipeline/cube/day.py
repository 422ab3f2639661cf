"""One day of a cube being written: nothing is visible to a reader before `DayEdit.commit`."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import icechunk

from hydro_pipeline.cube.head import Head, Id, Known, create_repository, grow, known_of
from hydro_pipeline.cube.layout import DAILY
from hydro_pipeline.cube.part import DayPart, Written
from hydro_pipeline.cube.read import BRANCH
from hydro_pipeline.cube.repeat import repeat
from hydro_pipeline.cube.tail import Chunk, refresh
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.days import day_number
from hydro_pipeline.grid import Tiling, Window


@dataclass(frozen=True)
class Commit:
    """What a commit changed."""

    revision: int
    """Revision of the day after the commit."""
    changed: bool
    """Whether any pixel of the day changed."""
    refreshed: tuple[dt.date, ...]
    """Later days whose pixels changed with it."""
    bytes_written: int
    """Encoded bytes of the chunks written."""
    valid: int
    """Pixels of the day with a value."""
    observed: int
    """Pixels seen on this very day."""
    committed: bool
    """False if nothing changed, so that nothing was committed."""
    damaged: tuple[dt.date, ...] = ()
    """Later days that have to be mended next; only of a day that was mended itself."""


@dataclass(frozen=True)
class DayEdit:
    """A day in a writable session: write every window to `part`, then `commit`, once."""

    head: Head
    """The end of the cube that the day is written onto, or into."""
    day: dt.date
    part: DayPart
    """Where the day's windows are read and written."""
    known: Known
    """The state that the day is written on, its arrays with room for the day."""
    length: int
    """Days of the cube with this one."""
    follows: bool
    """Whether nothing was committed since `head` was handed on."""

    def commit(
        self,
        written: Sequence[Written],
        scene_count: int,
        metadata: dict[str, Any],
        composite: Id,
    ) -> tuple[Commit, Head]:
        """Refresh the days after, then make all of it visible at once.

        `written` is what `DayPart.write` gave, for windows that make up the whole grid; `composite`
        is what they show. Returns what changed, and the end of the cube with it. Nothing is
        committed if nothing changed. Raises `ConflictError` if another run committed in the
        meantime.
        """
        part, target, session = self.part, self.head.target, self.part.session
        with translated(target.url):
            forks = {id(done.fork): done.fork for done in written if done.fork is not None}
            if forks:
                session.merge(*forks.values())
            visited = self._repeat(written)
            chunks = [(name, part.index, chunk) for done in written for name, chunk in done.chunks]
            changed = part.is_new or bool(chunks)
            revision = 1 if part.is_new else int(part.arrays["revision"][part.index])
            touched = list(dict.fromkeys(chunk for _, _, chunk in chunks))
            later = refresh(part, touched, self.length, target.max_age)
            if changed and not part.is_new:
                revision += 1
            valid = sum(done.valid for done in written)
            observed = sum(done.observed for done in written)
            dailies_changed = self._set_daily(revision, scene_count, valid, observed)
            snapshot, bytes_written = self.known.snapshot, 0
            if changed or dailies_changed:
                bytes_written = sync(
                    encoded_bytes(session.store, part.tiling, [*chunks, *later.chunks])
                )
                with target.store.lock(target.key):
                    snapshot = sync(
                        session.commit_async(
                            f"{target.area.name} {self.day}",
                            metadata={
                                "area": target.area.name,
                                "day": str(self.day),
                                "refreshed": [str(d) for d in later.days],
                                **metadata,
                            },
                        )
                    )
        known = Known(snapshot, self.known.first or self.day, part.arrays, visited)
        commit = Commit(
            revision, changed, later.days, bytes_written, valid, observed,
            committed=changed or dailies_changed, damaged=later.damaged,
        )  # fmt: skip
        return commit, Head(target, self.head.repository, composite, known)

    def _repeat(self, written: Sequence[Written]) -> Mapping[str, int]:
        """Refer to the day before's chunks where they are the same; `Known.visited` afterwards."""
        index, visited = self.part.index, dict(self.known.visited)
        for name in self.part.names:
            same = {at for done in written for of, at in done.repeated if of == name}
            repeat(self.part.session, name, index, same, visited[name])
            if same or index < visited[name]:
                visited[name] = index
        return visited

    def _set_daily(self, revision: int, scene_count: int, valid: int, observed: int) -> bool:
        height, width = self.part.tiling.shape
        values = {
            "time": self.part.number,
            "revision": revision,
            "scene_count": scene_count,
            "observed_fraction": observed / (height * width),
            "valid_fraction": valid / (height * width),
        }
        index, arrays = self.part.index, self.part.arrays
        changed = [
            (arrays[name].async_array, value)
            for name, value in values.items()
            if self.part.is_new or arrays[name][index] != value
        ]

        async def put() -> None:
            await asyncio.gather(*(array.setitem(index, value) for array, value in changed))

        sync(put())
        return bool(changed)


async def encoded_bytes(
    store: icechunk.IcechunkStore, tiling: Tiling, chunks: Sequence[Chunk]
) -> int:
    """Size of some chunks as they are stored."""

    async def size(name: str, index: int, chunk: Window) -> int:
        key = f"{name}/c/" + "/".join(map(str, (index, *tiling.place(chunk))))
        try:
            return await store.getsize(key)
        except FileNotFoundError:  # A chunk of nothing but nodata is not stored.
            return 0

    return sum(await asyncio.gather(*(size(*chunk) for chunk in chunks)))


def begin(head: Head, day: dt.date, mends: bool = False) -> DayEdit:
    """Start writing `day` onto the newest committed state, making the cube at the first.

    With `mends`, stored pixels of the day that cannot be read are written anew.

    Raises `MissingDayError` if the day before is not committed, and `CubeMeaningError` if the cube
    was made with other settings. Nothing is stored then.
    """
    target, repository = head.target, head.repository
    if repository is None:
        target.position(day, None, 0)
        repository = create_repository(target)
    with translated(target.url):
        session = head.session or sync(repository.writable_session_async(BRANCH))
        known = known_of(head, session)
        length = int(known.arrays["time"].shape[0])
        index = target.position(day, known.first, length)
        is_new = index == length
        names = target.product.names
        if is_new:
            sync(grow(known.arrays, (*names, "time", *DAILY), length + 1))
        number = day_number(day)
        part = DayPart(session, target.url, names, index, number, is_new, known.arrays, mends)
    follows = known.snapshot == head.known.snapshot if head.known else known.first is None
    head = replace(head, repository=repository)
    return DayEdit(head, day, part, known, length + is_new, follows)
