"""Is all that is stored of an area what it should be? Read, and held against what made it."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hydro_pipeline.composite.kernel import carry_block, count
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import DamagedCubeError, StoreAccessError
from hydro_pipeline.grid import Pixels, Window, nothing
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.stats.table import read_day
from hydro_pipeline.stats.update import StatsUpdate
from hydro_pipeline.stats.weights import FieldWeights
from hydro_pipeline.storage.notes import Step, clear, note
from hydro_pipeline.usecases import quality
from hydro_pipeline.usecases.state import AreaState

ALIKE = 1e-6
"""Relative difference up to which statistics count as the same: another machine's sum."""


@dataclass(frozen=True)
class Verified:
    """What was found on one day."""

    day: dt.date
    damage: tuple[str, ...] = ()
    """Of its pixels and rows, in sentences: `hydro repair` mends it."""
    remarks: tuple[str, ...] = ()
    """What other commands mend: records and rows that are missing or out of date."""


@dataclass
class _Look:
    """What was seen of a day, over all tiles."""

    damage: list[str] = field(default_factory=list)
    valid: int = 0
    observed: int = 0
    broken: int = 0
    """Pixels that break the law."""


def verify(
    state: AreaState, first: dt.date | None, last: dt.date | None, sample: int | None = None
) -> Iterator[Verified]:
    """Read the days `first` to `last` (None: no bound), or `sample` of them evenly spread, whole.

    Of each day: every chunk decodes; the law holds on the day before as it is stored; the shares
    of pixels are those told; the record of its scenes is there and fits; the rows are those that
    the fields want, and what the cube gives. Nothing is written. Raises `MissingDayError` without a
    cube, or if a bound is not in it, and `DamagedCubeError` where nothing of it can be read.
    """
    cube = state.made_cube
    start, stop = cube.index(first or cube.first_day), cube.index(last or cube.last_day)
    days = cube.days[start : stop + 1]
    if sample is not None:
        days = quality.sample_days(days, sample)
    looks = _looks(cube, days)
    settings = state.settings
    with FieldWeights(state.store, state.area, state.fields.fields, settings.zonal_weights) as of:
        update = StatsUpdate(state.store, cube, state.wanted, of, dt.datetime.now(dt.UTC))
        for day in days:
            damage = _told(cube, day, looks[day]) or _differing(state, update, day)
            remarks = [*quality.unrecorded(state, [day]), *quality.stale(state, [day])]
            yield Verified(day, tuple(damage), tuple(remarks))


def noted(state: AreaState, found: Verified) -> None:
    """Leave or take away the note on a day's damage; nothing on a root that is only read."""
    store, name, day = state.store, state.name, found.day
    try:
        if found.damage:
            note(store, name, day, Step.CUBE, DamagedCubeError("; ".join(found.damage), day))
        else:
            clear(store, name, day, Step.CUBE)
    except StoreAccessError:
        pass


def _looks(cube: Cube, days: Sequence[dt.date]) -> dict[dt.date, _Look]:
    looks: dict[dt.date, _Look] = defaultdict(_Look)

    def one(tile: Window) -> list[tuple[dt.date, _Look]]:
        seen: list[tuple[dt.date, _Look]] = []
        last: tuple[dt.date, Pixels | str] | None = None
        for day in days:
            look, before_day = _Look(), day - dt.timedelta(1)
            before = last[1] if last and last[0] == before_day else _read(cube, before_day, tile)
            pixels = _read(cube, day, tile)
            if isinstance(pixels, str):
                look.damage.append(pixels)
            else:
                look.valid, look.observed = count(pixels.observed_on, day_number(day))
                if not isinstance(before, str):
                    look.broken = _unlawful(cube, pixels, before, day)
            seen.append((day, look))
            last = day, pixels
        return seen

    for tile in in_threads(one, list(cube.tiling)):
        for day, look in tile:
            whole = looks[day]
            whole.damage += look.damage
            whole.valid += look.valid
            whole.observed += look.observed
            whole.broken += look.broken
    return looks


def _read(cube: Cube, day: dt.date, tile: Window) -> Pixels | str:
    """A tile of a day, or the sentence on its damage; nothing before the first day."""
    if day < cube.first_day:
        return nothing(tile, len(cube.product.variables))
    try:
        return cube.read(day, tile)
    except DamagedCubeError as error:
        return str(error)


def _unlawful(cube: Cube, pixels: Pixels, before: Pixels, day: dt.date) -> int:
    lawful = carry_block(pixels, before, day_number(day), cube.max_age)
    wrong = quality.differing(pixels, lawful)
    return int(np.count_nonzero(wrong | quality.impossible(pixels, cube.product, day)))


def _told(cube: Cube, day: dt.date, look: _Look) -> list[str]:
    """What is wrong with a day's pixels, in sentences."""
    if look.damage:
        return look.damage
    told, index, pixels = [], cube.index(day), cube.shape[0] * cube.shape[1]
    if look.broken:
        told.append(f"{look.broken} of {pixels} pixels break the carry-forward, or cannot be")
    for name, found in (("valid_fraction", look.valid), ("observed_fraction", look.observed)):
        stored = float(cube.daily(name)[index])
        if round(stored * pixels) != found:
            told.append(f"its {name} is {stored:g}, but its pixels give {found / pixels:g}")
    return told


def _differing(state: AreaState, update: StatsUpdate, day: dt.date) -> list[str]:
    """Rows that are up to date but not what the cube gives, in a sentence."""
    file = read_day(state.store, state.name, day, state.schema)
    if file.broken:
        return [file.broken]
    if file.rows is None:
        return []
    current = update.current(day, file.rows)
    made = update.rows(day, current)
    ids = made["field_id"].combine_chunks()
    stored = file.rows.take(pc.index_in(ids, file.rows["field_id"].combine_chunks()))
    wrong = np.zeros(len(ids), np.bool_)
    for name in set(made.column_names) - {"computed_at", "cube_revision"}:
        wrong |= ~_alike(stored[name].combine_chunks(), made[name].combine_chunks())
    if not wrong.any():
        return []
    some = ", ".join(ids.filter(pa.array(wrong)).to_pylist()[:5])
    return [f"{wrong.sum()} of its rows are not what the cube gives: {some}"]


def _alike(a: pa.Array, b: pa.Array) -> NDArray[np.bool_]:
    if pa.types.is_floating(a.type):
        one, other = (x.to_numpy(zero_copy_only=False) for x in (a, b))
        return np.asarray(np.isclose(one, other, rtol=ALIKE, atol=ALIKE, equal_nan=True), np.bool_)
    same = pc.equal(a, b).fill_null(False)
    both = pc.and_(a.is_null(), b.is_null())
    return np.asarray(pc.or_(same, both).to_numpy(zero_copy_only=False), np.bool_)
