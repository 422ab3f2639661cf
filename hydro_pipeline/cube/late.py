"""Variables that a cube gets, or loses, after its days were made, in one commit.

What a cube holds afterwards is what it would hold had the variable been there from its first day,
as far as stored pixels can tell: of several scenes of a day, those that did not give a pixel its
values are not stored.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import icechunk
import numpy as np
import zarr

from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import carry_onto, count, variables_of
from hydro_pipeline.cube.day import encoded_bytes
from hydro_pipeline.cube.layout import MEANING, create_pixels
from hydro_pipeline.cube.part import DayPart
from hydro_pipeline.cube.read import BRANCH, Cube
from hydro_pipeline.cube.repeat import Position
from hydro_pipeline.cube.tail import bump
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import ConflictError
from hydro_pipeline.grid import Pixels, Window, nothing
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.product import NODATA, Int16, Product
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


Seen = Callable[[dt.date], Int16 | None]
"""What was seen of late variables on a day: (variable, y, x) of the whole grid; None: nothing."""


def add_variables(
    store: Store, cube: Cube, product: Product, meaning: dict[str, Any], seen: Seen | None = None
) -> Added:
    """Give a cube the variables of `product` that it lacks.

    They are computed from the bands that it keeps; with `seen`, a day's are those where the cube's
    pixels were observed on it. `meaning` is the cube's with them. Raises `ConflictError` if another
    run committed in the meantime, `DamagedCubeError` where a chunk cannot be read, and what `seen`
    raises; nothing is changed then.
    """
    names = tuple(name for name in product.names if name not in cube.product.names)
    with translated(cube.url):
        session, group = _writable(cube)
        for name in names:
            shape = (cube.length, *cube.shape)
            create_pixels(group, name, product.arrays[name], shape, cube.tiling.side)
        group.attrs[MEANING] = meaning
        arrays = dict(group.arrays())
    first = day_number(cube.first_day)
    part = DayPart(session, cube.url, product.names, 0, first, is_new=False, opened=arrays)
    tiles = [_Tile(cube, part, product, names, window) for window in cube.tiling]
    if seen is None:
        in_threads(_from_bands, tiles)
    else:
        _from_imagery(cube, tiles, seen)
    with translated(cube.url):
        for name in names:
            _repeat(part, tiles, name)
        changed = _told(part, tiles, cube)
        chunks = [(name, index, tile.window) for tile in tiles for name, index in tile.written]
        size = sync(encoded_bytes(session.store, cube.tiling, chunks))
        _commit(store, cube, session, product, f"{', '.join(names)} added")
    return Added(names, cube.length, changed, size)


def drop_variables(store: Store, cube: Cube, product: Product, meaning: dict[str, Any]) -> None:
    """Take away the variables of a cube that `product` has not; all else stays as it is.

    `meaning` is the cube's without them. Raises as `add_variables` does.
    """
    gone = [name for name in cube.product.names if name not in product.names]
    with translated(cube.url):
        session, group = _writable(cube)
        for name in gone:
            del group[name]
        group.attrs[MEANING] = meaning
        _commit(store, cube, session, product, f"{', '.join(gone)} dropped")


def _writable(cube: Cube) -> tuple[icechunk.Session, zarr.Group]:
    session = sync(cube.repository.writable_session_async(BRANCH))
    if session.snapshot_id != cube.session.snapshot_id:
        raise ConflictError(f"{cube.url}: another run committed in the meantime; try again")
    return session, zarr.open_group(session.store, mode="r+")


def _commit(
    store: Store, cube: Cube, session: icechunk.Session, product: Product, what: str
) -> None:
    metadata = {"variables": [variable.name for variable in product.variables]}
    with store.lock(cube_key(cube.area_name)):
        sync(session.commit_async(f"{cube.area_name}: {what}", metadata=metadata))


class _Tile:
    """One chunk of the grid, gone through day by day."""

    def __init__(
        self, cube: Cube, part: DayPart, product: Product, names: Sequence[str], window: Window
    ) -> None:
        self.cube, self.part, self.product, self.names = cube, part, product, names
        self.window = window
        self._made, self._gaps = nothing(window, len(product.variables)), False
        self.repeats: dict[str, list[int]] = {}
        """By array: positions of the days whose chunk is the day before's."""
        self.written: list[tuple[str, int]] = []
        """Array and position of the chunks that were written."""
        self.counts: dict[int, tuple[int, int]] = {}
        """By position of a day whose old pixels changed: how many fewer have a value, and how many
        fewer were observed."""

    @property
    def place(self) -> Position:
        """Row and column in the grid of chunks."""
        return self.cube.tiling.place(self.window)

    def take(self, run: Sequence[dt.date], stored: Pixels, fresh: Int16) -> None:
        """Write days that have the same pixels: `fresh` are the new variables of the `stored` ones.

        Where these have a value and a new one is undefined, nothing counts as observed.
        """
        undefined = (fresh[0] == NODATA) & (stored.observed_on != NODATA)
        self._gaps = self._gaps or bool(undefined.any())
        for day in run:
            index, number = self.cube.index(day), day_number(day)
            if day != run[0] and not self._gaps:
                for name in self.names:
                    self.repeats.setdefault(name, []).append(index)
                continue
            last = self._made
            made = Pixels(np.concatenate([stored.values, fresh]), stored.observed_on.copy())
            if self._gaps:
                made.observed_on[undefined] = NODATA
                carry_onto(made, last, number, self.cube.max_age)
            if undefined.any():
                before = count(stored.observed_on, number)
                after = count(made.observed_on, number)
                self.counts[index] = before[0] - after[0], before[1] - after[1]
            self._write(index, made, last, stored)
            self._made = made

    def _write(self, index: int, made: Pixels, last: Pixels, stored: Pixels) -> None:
        """Put the chunks of a day that are not there, nor, if new, those of the day before."""
        there = dict(zip(self.cube.product.names, stored.arrays, strict=True))
        put = []
        for name, mine, other in zip(self.product.names, made.arrays, last.arrays, strict=True):
            if name in there:
                same = np.array_equal(mine, there[name])
            elif same := bool(index) and np.array_equal(mine, other):
                self.repeats.setdefault(name, []).append(index)
            if not same:
                put.append((name, self.window, mine))
        self.part.put(index, put)
        self.written += [(name, index) for name, _, _ in put]


def _from_bands(tile: _Tile) -> None:
    """All days of a chunk, one after the other, from the bands that are kept."""
    cube = tile.cube
    late = tuple(v for v in tile.product.variables if v.name in tile.names)
    formulas = Formulas.of(replace(tile.product, variables=late))
    kept = [cube.product.names.index(band) for band in formulas.bands]
    for run in cube.alike(cube.days):
        stored = cube.read(run[0], tile.window)
        tile.take(run, stored, variables_of(stored.values[kept], formulas))


def _from_imagery(cube: Cube, tiles: Sequence[_Tile], seen: Seen) -> None:
    """One day after the other, all its chunks, from what was seen on it."""
    names = tiles[0].names
    fresh = np.full((len(names), *cube.shape), NODATA, np.int16)
    for run in cube.alike(cube.days):
        values, number = seen(run[0]), day_number(run[0])

        def one(tile: _Tile, run: Sequence[dt.date] = run, values: Any = values) -> None:
            stored, at = cube.read(run[0], tile.window), (slice(None), *tile.window.slices)
            mine = fresh[at]
            if values is not None:
                np.copyto(mine, values[at], where=stored.observed_on == number)  # noqa: B023
            mine[:, stored.observed_on == NODATA] = NODATA
            tile.take(run, stored, mine.copy())

        in_threads(one, tiles)


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
    touched = np.zeros(cube.length, np.int32)
    valid, observed = np.zeros((2, cube.length), np.int64)
    for tile in tiles:
        for index, (fewer_valid, fewer_observed) in tile.counts.items():
            touched[index] = 1
            valid[index] -= fewer_valid
            observed[index] -= fewer_observed
    if touched.any():
        bump(part, touched, valid_fraction=valid, observed_fraction=observed)
    return tuple(cube.days[index] for index in np.flatnonzero(touched))
