"""The seasons of a field: each planting's, up to the day before the next planting. Pure."""

import datetime as dt
import itertools
from collections.abc import Sequence


def ends(plantings: Sequence[tuple[str, dt.date]]) -> list[dt.date | None]:
    """The day on which each season ends, included; None while no other follows.

    `plantings` are (field_id, planting date), sorted, each pair once. The seasons of a field cover
    every day from its first planting on, each day once; a later planting changes no day before it.
    """
    following = itertools.zip_longest(plantings, plantings[1:], fillvalue=("", dt.date.max))
    return [
        after - dt.timedelta(1) if field_id == next_id else None
        for (field_id, _), (next_id, after) in following
    ]
