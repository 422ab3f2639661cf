"""What is said of a day that was made."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.composite.kernel import USED, VALID
from hydro_pipeline.scenes.scene import LeftOut, Refusal, Selection
from hydro_pipeline.variable import Variable


@dataclass(frozen=True)
class DayReport:
    """What was done for one day."""

    area: str
    day: dt.date
    outcome: str
    """`observed`, `all cloud`, `no scene` or `refused`."""
    scenes: tuple[str, ...]
    """Ids of the scenes used, in order of priority."""
    refused: tuple[Refusal, ...]
    """What could not be used."""
    replaced: tuple[Refusal, ...]
    """What was processed again."""
    left_out: tuple[LeftOut, ...]
    """What decisions leave out."""
    warnings: tuple[str, ...]
    observed_fraction: float
    """Share of the area's pixels seen clear on this very day."""
    valid_fraction: float
    """Share of the area's pixels that have a value."""
    mean_age_days: float | None
    """Mean age of the values; None where there are none."""
    main: Variable
    """The first variable of the product."""
    mean: float | None
    """Its mean over the area; None where there are no values."""
    revision: int
    changed: bool
    """Whether any pixel of the day changed."""
    refreshed: tuple[dt.date, ...]
    """Later days whose pixels changed with it."""
    bytes_written: int
    """Encoded bytes of the chunks written."""
    seconds: dict[str, float]
    """Per stage."""
    preview: NDArray[np.int16]
    """The main variable thinned to at most 300 pixels on a side, as stored, nodata -32768."""
    preview_age: NDArray[np.int16]
    """Age thinned the same way, days, -1 where there is no value."""
    damaged: tuple[dt.date, ...] = ()
    """Later days that have to be mended next; only of a day that was mended itself."""


def outcome_of(counts: NDArray[np.int64], selection: Selection) -> str:
    """`observed`, `all cloud`, `no scene` or `refused`, from `Seen.counts` of the day, (scene, 5).

    Refused is a day without data of which it cannot be said that it had no scene.
    """
    if not counts[:, VALID].any():
        return "refused" if selection.refused else "no scene"
    return "observed" if counts[:, USED].any() else "all cloud"
