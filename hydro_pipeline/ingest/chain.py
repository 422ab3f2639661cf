"""From what was seen on a day to its commit: each day's composite on that of the day before.

Two values are handed on: `Made`, a composite in memory, and `Head`, the end of the stored cube.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hydro_pipeline.area.area import Area
from hydro_pipeline.composite.kernel import NO_LIMIT, VALID, Block, carry_block, carry_onto, dated
from hydro_pipeline.composite.tally import Piece, Tally, piece_of
from hydro_pipeline.cube.day import DayEdit, begin
from hydro_pipeline.cube.head import Head, Id, ahead, before, prepare
from hydro_pipeline.cube.part import DayPart, Written
from hydro_pipeline.cube.target import Target
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import HydroError, SceneError
from hydro_pipeline.grid import Pixels, Tiling, Window, nothing
from hydro_pipeline.imagery.load import tiling_of
from hydro_pipeline.ingest.blocks import compose
from hydro_pipeline.ingest.look_ahead import DayFound, is_held
from hydro_pipeline.ingest.maker import maker
from hydro_pipeline.ingest.report import DayReport, outcome_of
from hydro_pipeline.ingest.workers import Cluster, threads
from hydro_pipeline.parallel import THREADS, in_threads, meanwhile
from hydro_pipeline.scenes.day_record import (
    contradictions_of,
    day_record,
    repeated,
    to_bytes,
    warnings_of,
)
from hydro_pipeline.scenes.missing import Missing
from hydro_pipeline.settings import OffsetCheck, Settings
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.storage.notes import Step, clear
from hydro_pipeline.storage.store import Store

WINDOWS_AT_ONCE = 2
"""Windows that are written at once."""


@dataclass(frozen=True)
class Chain:
    """What all days of a run have in common."""

    store: Store
    area: Area
    settings: Settings
    target: Target
    tiling: Tiling
    """How the area's days are cut, in memory and while they are written."""
    run_id: str
    cluster: Cluster | None = None
    """Whose workers read and write, if not this process."""
    mends: bool = False
    """Whether stored pixels of the days that cannot be read are written anew."""
    records: bool = True
    """Whether the days get a new record of their scenes."""

    @classmethod
    def of(cls, store: Store, area: Area, settings: Settings, run_id: str = "") -> "Chain":
        """The days of one run over an area."""
        tiling = tiling_of(area, is_held(area, settings))
        return cls(store, area, settings, Target.of(store, area, settings), tiling, run_id)


@dataclass(frozen=True)
class Made:
    """A day's composite in memory, by tile."""

    day: dt.date
    found: DayFound
    id: Id
    base: Id
    """Of the composite that it was made on."""
    before: Mapping[Window, Pixels]
    """That composite; empty where this one is written already."""
    pixels: Mapping[Window, Pixels]
    tally: Tally
    seconds: float
    """That making it took."""
    written: list[Written] | None = None
    """What writing it ahead gave, if it was."""


def make(chain: Chain, head: Head, day: dt.date, found: DayFound, last: Made | None) -> Made | None:
    """The composite of `day` in memory, on that of the day before.

    `last` is the day before, not stored yet; None: `head` is its end. Where `head` is prepared the
    composite is written ahead. None where a day is not held: it is left to `commit`.
    """
    if found.observed is None:
        return None
    if last is None:
        stored = _by_tile(chain, lambda tile: before(head, day, tile))
        return _made(chain, day, found, stored, head.composite)
    made = _made(chain, day, found, last.pixels, last.id)
    part = ahead(head, day)
    if part is None:
        return made
    return replace(made, before={}, written=_write(chain, made, part))


def commit(
    chain: Chain, head: Head, day: dt.date, found: DayFound, made: Made | None, more: bool
) -> tuple[Head, DayReport]:
    """Store a day whole, and say so; the end of the cube with it, prepared if `more` days follow.

    A composite made on another state than the stored one is made anew on that. Raises what `begin`
    and `DayEdit.commit` raise, and `SceneError` where pixels contradict an offset and settings
    forbid it, or would make the day from less than its stored scenes; nothing is stored then.
    """
    started = time.perf_counter()
    edit = begin(head, day, chain.mends)
    if made is None:
        tally, written, composed = _compose(chain, edit, found)
        seconds, composite = {"compute": composed}, Id()
        started += composed
    else:
        if made.base is not head.composite or not edit.follows:
            made = _remade(chain, made, edit.part)
        written = made.written or _write(chain, made, edit.part)
        tally, seconds, composite = made.tally, {"compute": made.seconds}, made.id
    area, selection, main = chain.area.name, found.selection, chain.target.product.main
    outcome = outcome_of(tally.counts, selection)
    record = day_record(
        area, day, selection, tally.counts, tally.pixels, outcome, chain.run_id,
        chain.settings.offset_check,
    )  # fmt: skip
    wrong = contradictions_of(record)
    if wrong and chain.settings.offset_check is OffsetCheck.FAIL:
        scene_id = next(used["id"] for used in record["hydro:used"] if used["contradiction"])
        told = f"{area} {day}: {'; '.join(wrong)} (HYDRO_OFFSET_CHECK=fail)"
        raise SceneError(told, scene_id)
    ids = [scene.id for scene in selection.scenes]
    with_data = int(np.count_nonzero(tally.counts[:, VALID]))
    facts: dict[str, Any] = {"scenes": ids, "run_id": chain.run_id, "outcome": outcome}
    if chain.mends:
        facts["mended"] = True
    _check_no_loss(chain, edit, found, with_data)
    done, stored = edit.commit(written, with_data, facts, composite)

    def put_record() -> None:
        if not chain.records:
            return
        kept = record if done.committed else repeated(record, maker(stored, day))
        chain.store.put(scenes_key(area, day), to_bytes(kept))

    def clear_note() -> None:
        clear(chain.store, area, day, Step.DAY)
        if chain.mends:
            clear(chain.store, area, day, Step.CUBE)

    head = meanwhile(lambda: _prepared(stored) if more else stored, put_record, clear_note)
    seconds = {"read": found.seconds, **seconds, "store": time.perf_counter() - started}
    return head, DayReport(
        area=area,
        day=day,
        outcome=outcome,
        scenes=tuple(ids),
        refused=selection.refused,
        replaced=selection.replaced,
        left_out=selection.left_out,
        warnings=(
            *warnings_of(record),
            *(Missing(day, scene).told for scene in selection.missing),
        ),
        observed_fraction=done.observed / tally.pixels,
        valid_fraction=done.valid / tally.pixels,
        mean_age_days=tally.age / done.valid if done.valid else None,
        main=main,
        mean=tally.total * main.scale / done.valid if done.valid else None,
        revision=done.revision,
        changed=done.changed,
        refreshed=done.refreshed,
        bytes_written=done.bytes_written,
        seconds=seconds,
        preview=tally.preview,
        preview_age=tally.preview_age,
        damaged=done.damaged,
    )


def _check_no_loss(chain: Chain, edit: DayEdit, found: DayFound, with_data: int) -> None:
    """Raise `SceneError` where a day would lose scenes because its record does not name them."""
    if edit.part.is_new:
        return
    before = int(edit.part.arrays["scene_count"][edit.part.index])
    if max(with_data, found.recorded) < before:
        raise SceneError(
            f"{chain.area.name} {edit.day} was made from {before} scenes; its record names "
            f"{found.recorded} of them, and with what the catalog offers there are {with_data}; "
            f"put {chain.store.url(scenes_key(chain.area.name, edit.day))} back, or wait until "
            "the catalog offers them again"
        )


def _prepared(head: Head) -> Head:
    """`head`, prepared if that can be done; else the next `begin` asks itself."""
    try:
        return prepare(head)
    except HydroError:
        return head


def _made(
    chain: Chain, day: dt.date, found: DayFound, before: Mapping[Window, Pixels], base: Id
) -> Made:
    """The composite on `before`, put into the arrays of what was observed."""
    assert found.observed is not None
    observed, number, max_age = found.observed, day_number(day), chain.target.max_age
    variables = len(chain.target.product.variables)

    def carried(tile: Window) -> Pixels:
        seen = observed[tile]
        if seen is None and max_age == NO_LIMIT:
            return before[tile]
        new = nothing(tile, variables) if seen is None else dated(seen.values, number)
        carry_onto(new, before[tile], number, max_age)
        return new

    started = time.perf_counter()
    pixels, tally = _composite(chain, found, day, carried)
    took = time.perf_counter() - started
    return Made(day, found, Id(), base, before, pixels, tally, took)


def _remade(chain: Chain, made: Made, part: DayPart) -> Made:
    """The composite on the day before as it is stored now: what was observed on the day stays."""
    number, max_age = day_number(made.day), chain.target.max_age
    before = _by_tile(chain, part.previous)

    def carried(tile: Window) -> Pixels:
        return carry_block(made.pixels[tile], before[tile], number, max_age)

    pixels, tally = _composite(chain, made.found, made.day, carried)
    return replace(made, id=Id(), before=before, pixels=pixels, tally=tally, written=None)


def _composite(
    chain: Chain, found: DayFound, day: dt.date, carried: Callable[[Window], Pixels]
) -> tuple[dict[Window, Pixels], Tally]:
    """What `carried` gives for each tile, and what the day amounts to with it."""
    assert found.observed is not None
    observed, number = found.observed, day_number(day)
    tally = Tally(chain.tiling.shape, len(found.selection.scenes))

    def one(tile: Window) -> tuple[Pixels, Piece]:
        pixels, seen = carried(tile), observed[tile]
        counts = np.zeros_like(tally.counts) if seen is None else seen.counts
        return pixels, piece_of(Block(pixels, counts), tile, number, tally.step)

    done = _by_tile(chain, one)
    for _, piece in done.values():
        tally.add(piece)
    return {tile: pixels for tile, (pixels, _) in done.items()}, tally


def _by_tile[R](chain: Chain, work: Callable[[Window], R]) -> dict[Window, R]:
    """What `work` gives for each tile, several at a time."""
    tiles = list(chain.tiling)
    return dict(zip(tiles, in_threads(work, tiles), strict=True))


def _write(chain: Chain, made: Made, part: DayPart) -> list[Written]:
    return in_threads(
        lambda tile: part.write(tile, made.pixels[tile], made.before[tile]),
        list(chain.tiling),
        WINDOWS_AT_ONCE,
    )


def _compose(chain: Chain, edit: DayEdit, found: DayFound) -> tuple[Tally, list[Written], float]:
    """Make the composite from the stored day before, and write each tile as it is made."""
    started, part, cluster = time.perf_counter(), edit.part, chain.cluster
    if cluster is not None:
        cluster.drop_cached(href for scene in found.selection.scenes for href in scene.hrefs)
        part = part.fork()
    get = cluster.get if cluster else threads(THREADS)
    number, max_age = day_number(edit.day), chain.target.max_age
    tally, written = compose(found.imagery, number, max_age, part.previous, part.write, get)
    return tally, written, time.perf_counter() - started
