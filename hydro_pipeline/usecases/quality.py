"""Is what is stored what it should be? Each function returns sentences on what is wrong."""

import contextlib
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.composite.kernel import carry_block
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import DamagedCubeError, StoredObjectError
from hydro_pipeline.grid import Pixels, Window, nothing
from hydro_pipeline.product import NODATA, Product
from hydro_pipeline.scenes.day_record import refusals_of
from hydro_pipeline.scenes.missing import read_missing
from hydro_pipeline.usecases.state import AreaState

SAMPLE_PX = 64
"""Side of the window that is looked at; it lies within one chunk."""
SAMPLE_DAYS = 8
SUDDEN_LOSS = 0.1
"""A valid share that falls by more than this from one day to the next is suspicious."""


def sample_days(days: Sequence[dt.date], most: int = SAMPLE_DAYS) -> list[dt.date]:
    """At most so many of `days`, evenly spread, with the first and the last."""
    count = min(len(days), most)
    return [days[i] for i in np.linspace(0, len(days) - 1, count).round().astype(int)]


def sample_window(cube: Cube, day: dt.date) -> Window:
    """A window of the grid inside one chunk; another one each day, the same for the same day."""
    chosen = np.random.default_rng(day_number(day))
    tile = list(cube.tiling)[chosen.integers(len(cube.tiling))]
    return replace(tile, height=min(tile.height, SAMPLE_PX), width=min(tile.width, SAMPLE_PX))


def unlawful(cube: Cube, days: Sequence[dt.date]) -> list[str]:
    """Days whose pixels are not observed on the day, carried from the day before, or empty."""
    wrong = []
    for day in sample_days(days):
        window = sample_window(cube, day)
        try:
            stored, before = cube.read(day, window), _before(cube, day, window)
        except DamagedCubeError as error:
            wrong.append(str(error))
            continue
        lawful = carry_block(stored, before, day_number(day), cube.max_age)
        count = np.count_nonzero(differing(stored, lawful))
        if count:
            size = stored.observed_on.size
            wrong.append(f"{day}: {count} of {size} pixels break the carry-forward")
    return wrong


def out_of_range(cube: Cube, days: Sequence[dt.date]) -> list[str]:
    """Days with a value that is not valid, or one without its day of observation."""
    wrong = []
    for day in sample_days(days):
        try:
            stored, observed_on = cube.read(day, sample_window(cube, day))
        except DamagedCubeError:
            continue  # `unlawful` says so.
        for variable, pixels in zip(cube.product.variables, stored, strict=True):
            lowest, highest = variable.limits
            has_value = pixels != NODATA
            values = pixels[has_value]
            if ((values < lowest) | (values > highest)).any():
                span = f"{values.min() * variable.scale:g} to {values.max() * variable.scale:g}"
                wrong.append(f"{day}: {variable.title} from {span}")
            if (has_value != (observed_on != NODATA)).any() or observed_on.max() > day_number(day):
                wrong.append(f"{day}: observed_on does not fit the {variable.title}")
    return wrong


def differing(one: Pixels, other: Pixels) -> NDArray[np.bool_]:
    """(y, x): where pixels are not the same in every array."""
    unlike = (one.values != other.values).any(axis=0) | (one.observed_on != other.observed_on)
    return np.asarray(unlike)


def impossible(pixels: Pixels, product: Product, day: dt.date) -> NDArray[np.bool_]:
    """(y, x): where a value of `day` is not valid, or without its day of observation."""
    limits = np.array([variable.limits for variable in product.variables])[:, :, None, None]
    has_value, seen = pixels.values != NODATA, pixels.observed_on
    wrong = has_value & ((pixels.values < limits[:, 0]) | (pixels.values > limits[:, 1]))
    wrong |= has_value != (seen != NODATA)
    return np.asarray(wrong.any(axis=0) | (seen > day_number(day)))


def sudden_losses(cube: Cube, days: Sequence[dt.date]) -> list[str]:
    """Days whose valid share fell by more than `SUDDEN_LOSS` since the day before."""
    valid = cube.daily("valid_fraction")
    return [
        f"{day}: valid share fell from {valid[i - 1]:.0%} to {valid[i]:.0%}"
        for day in days
        if (i := cube.index(day)) and valid[i] < valid[i - 1] - SUDDEN_LOSS
    ]


def unrecorded(state: AreaState, days: Sequence[dt.date]) -> list[str]:
    """Days whose record of scenes is missing, or names another number than the cube."""
    cube = state.made_cube
    counts = cube.daily("scene_count")
    wrong = []
    for day in days:
        try:
            record = state.record(day)
        except StoredObjectError as error:
            wrong.append(f"{day}: {error}")
            continue
        recorded = None if record is None else len(record["hydro:used"])
        made_from = int(counts[cube.index(day)])
        if recorded != made_from:
            there = "no record" if recorded is None else f"{recorded} scenes recorded"
            wrong.append(f"{day}: made from {made_from} scenes, {there}")
    return wrong


def not_offered(state: AreaState) -> list[str]:
    """Scenes in use, of whatever day, that the catalog did not offer when it was asked last."""
    return [missing.told for missing in read_missing(state.store, state.name)]


def refused(state: AreaState, days: Sequence[dt.date]) -> list[str]:
    """Days with scenes that could not be used, and why; none of a day without a record."""
    told = []
    for day in days:
        with contextlib.suppress(StoredObjectError):
            told += [f"{day}: {text}" for text in refusals_of(state.record(day) or {})]
    return told


def stale(state: AreaState, days: Sequence[dt.date]) -> list[str]:
    """Days that still miss rows, or hold rows that are out of date."""
    return [f"{day}: some rows are missing or out of date" for day in days if state.is_stale(day)]


def _before(cube: Cube, day: dt.date, window: Window) -> Pixels:
    if day > cube.first_day:
        return cube.read(day - dt.timedelta(days=1), window)
    return nothing(window, len(cube.product.variables))
