"""Variables that a cube gets, or loses, after its days were made: one commit, from stored pixels.

What a cube holds afterwards is what it would hold had the variable been there from its first day,
as far as stored pixels can tell: of several scenes of a day, those that did not give a pixel its
values are not stored.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr

from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import NO_LIMIT, carry_onto, count, variables_of
from hydro_pipeline.cube.day import encoded_bytes
from hydro_pipeline.cube.layout import MEANING, create_pixels
from hydro_pipeline.cube.part import DayPart
from hydro_pipeline.cube.read import BRANCH, Cube, translated
from hydro_pipeline.cube.repeat import Position
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.days import day_number
from hydro_pipeline.grid import Pixels, Window, nothing
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.product import NODATA, Product
from hydro_pipeline.storage.keys import cube_key
from hydro_pipeline.storage.store import Store

Moves = dict[tuple[int, ...], tuple[int, ...]]
"""Where references to chunks go, by where they are: day, row and column of chunks."""


@dataclass(frozen=True)
class Added:
    """What a commit of late variables changed."""

    names: tuple[str, ...]
    days: int
    """Days that have them now."""
    changed: tuple[dt.date, ...]
    """Days of which other variables changed too: a late one is undefined where they had a value."""
    bytes_written: int
    """Encoded bytes of the chunks written."""


@dataclass
class _Tile:
    """What was done to one chunk of the grid, over all days."""

    place: Position
    repeats: dict[str, list[int]]
    """By array: positions of the days whose chunk is the day before's."""
    written: list[tuple[str, int]]
    """Array and position of the chunks that were written."""
    counts: dict[int, tuple[int, int]]
    """By position of a day whose pixels changed: how many fewer have a value, and were observed."""


def add_variables(store: Store, cube: Cube, product: Product, meaning: dict[str, Any]) -> Added:
    """Give a cube the variables of `product` that it lacks, computed from the bands that it keeps.

    `meaning` is the cube's with them. Raises `ConflictError` if another run committed in the
    meantime, and `DamagedCubeError` where a chunk cannot be read; nothing is changed then.
    """
    names = tuple(name for name in product.names if name not in cube.product.names)
    with translated(cube.url):
        session = sync(cube.repository.writable_session_async(BRANCH))
        group = zarr.open_group(session.store, mode="r+")
        for name in names:
            shape = (cube.length, *cube.shape)
            create_pixels(group, name, product.arrays[name], shape, cube.tiling.side)
        group.attrs[MEANING] = meaning
        arrays = dict(group.arrays())
    first = day_number(cube.first_day)
    part = DayPart(session, cube.url, product.names, 0, first, is_new=False, opened=arrays)
    late = _Late(cube, part, product, names)
    tiles = in_threads(late.fill, list(cube.tiling))
    with translated(cube.url):
        for name in names:
            _repeat(part, tiles, name)
        changed = _told(part, tiles, cube)
        chunks = [
            (name, index, cube.tiling.tile(*tile.place))
            for tile in tiles
            for name, index in tile.written
        ]
        size = sync(encoded_bytes(session.store, cube.tiling, chunks))
        with store.lock(cube_key(cube.area_name)):
            what = f"{cube.area_name}: {', '.join(names)} added"
            sync(session.commit_async(what, metadata={"variables": list(product.names[:-1])}))
    return Added(names, cube.length, changed, size)


def drop_variables(store: Store, cube: Cube, product: Product, meaning: dict[str, Any]) -> None:
    """Take away the variables of a cube that `product` has not; all else stays as it is.

    `meaning` is the cube's without them. Raises as `add_variables` does.
    """
    gone = [name for name in cube.product.names if name not in product.names]
    with translated(cube.url):
        session = sync(cube.repository.writable_session_async(BRANCH))
        group = zarr.open_group(session.store, mode="r+")
        for name in gone:
            del group[name]
        group.attrs[MEANING] = meaning
        with store.lock(cube_key(cube.area_name)):
            what = f"{cube.area_name}: {', '.join(gone)} dropped"
            sync(session.commit_async(what, metadata={"variables": list(product.names[:-1])}))


@dataclass(frozen=True)
class _Late:
    """The days of a cube, gone through chunk by chunk of the grid."""

    cube: Cube
    part: DayPart
    """The cube with its new arrays in a writable session."""
    product: Product
    names: tuple[str, ...]
    """Of the new arrays."""

    def fill(self, window: Window) -> _Tile:
        """Write the new arrays in a chunk, and the others where a new variable is undefined."""
        old = self.cube.product
        late = tuple(v for v in self.product.variables if v.name in self.names)
        formulas = Formulas.of(replace(self.product, variables=late))
        kept = [old.names.index(band) for band in formulas.bands]
        limit = self.cube.meaning.get("max_age_days")
        max_age = NO_LIMIT if limit is None else limit
        tile = _Tile(self.cube.tiling.place(window), {}, [], {})
        made, gaps = nothing(window, len(self.product.variables)), False
        for run in self.cube.alike(self.cube.days):
            stored = self.cube.read(run[0], window)
            fresh = variables_of(stored.values[kept], formulas)
            undefined = (fresh[0] == NODATA) & (stored.observed_on != NODATA)
            gaps = gaps or bool(undefined.any())
            for day in run:
                index, number = self.cube.index(day), day_number(day)
                if day != run[0] and not gaps:
                    for name in self.names:
                        tile.repeats.setdefault(name, []).append(index)
                    continue
                last = made
                made = Pixels(np.concatenate([stored.values, fresh]), stored.observed_on.copy())
                if gaps:
                    made.observed_on[undefined] = NODATA
                    carry_onto(made, last, number, max_age)
                if undefined.any():
                    before, after = (count(on, number) for on in (stored[1], made[1]))
                    tile.counts[index] = before[0] - after[0], before[1] - after[1]
                self._write(tile, window, index, made, last, stored)
        return tile

    def _write(
        self, tile: _Tile, window: Window, index: int, made: Pixels, last: Pixels, stored: Pixels
    ) -> None:
        """Put the chunks of a day that are not there, nor, if new, those of the day before."""
        there = dict(zip(self.cube.product.names, stored.arrays, strict=True))
        put = []
        for name, mine, other in zip(self.product.names, made.arrays, last.arrays, strict=True):
            if name in there:
                same = np.array_equal(mine, there[name])
            elif same := bool(index) and np.array_equal(mine, other):
                tile.repeats.setdefault(name, []).append(index)
            if not same:
                put.append((name, window, mine))
        self.part.put(index, put)
        tile.written += [(name, index) for name, _, _ in put]


def _repeat(part: DayPart, tiles: Sequence[_Tile], name: str) -> None:
    """Let chunks of an array refer to those of the day before, of all days at once.

    Of days in a row that have the same chunk, the second refers to the first, then the third and
    fourth to these two, and so on: a chunk can be referred to once in a go.
    """
    steps: dict[int, Moves] = {}
    for tile in tiles:
        base = last = -1
        for index in tile.repeats.get(name, ()):
            base = index - 1 if index != last + 1 else base
            last, step = index, 1 << ((index - base).bit_length() - 1)
            steps.setdefault(step, {})[index - step, *tile.place] = (index, *tile.place)
    for step in sorted(steps):
        part.session.reindex_array(f"/{name}", _mover(steps[step]))


def _mover(moves: Moves) -> Callable[[Iterable[int]], Iterable[int] | None]:
    def move(at: Iterable[int]) -> Iterable[int] | None:
        return moves.get(tuple(at))

    return move


def _told(part: DayPart, tiles: Sequence[_Tile], cube: Cube) -> tuple[dt.date, ...]:
    """Bring revisions and shares of the days up to date whose old arrays changed; those days."""
    pixels = cube.shape[0] * cube.shape[1]
    touched = {index for tile in tiles for index in tile.counts}
    if not touched:
        return ()
    for name, column in (("valid_fraction", 0), ("observed_fraction", 1)):
        share = part.arrays[name][:]
        for index in touched:
            fewer = sum(tile.counts[index][column] for tile in tiles if index in tile.counts)
            share[index] = (round(float(share[index]) * pixels) - fewer) / pixels
        part.arrays[name][:] = share
    revision = part.arrays["revision"][:]
    revision[sorted(touched)] += 1
    part.arrays["revision"][:] = revision
    return tuple(cube.days[index] for index in sorted(touched))
