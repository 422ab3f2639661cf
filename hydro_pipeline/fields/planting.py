"""Which day a planting date means. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from hydro_pipeline.outside.words import shown
from hydro_pipeline.sensors import SENTINEL_2

MIDNIGHT = dt.timedelta(hours=3)
"""A time in UTC so long before the end of a field's solar day is a midnight of its local time."""
EARLIEST = dt.date(1900, 1, 1)
"""What is before is mistyped."""
PLANNED = dt.timedelta(days=366)
"""What lies further ahead than this is told."""
FURTHEST = dt.timedelta(days=3653)
"""What lies further ahead than this is mistyped."""


@dataclass(frozen=True)
class Planting:
    """A planting date as it was understood."""

    day: dt.date
    notes: tuple[str, ...] = ()
    """What a person should know of it, each the end of a sentence that names the field."""


def planting(value: Any, longitude: float, today: dt.date) -> Planting:
    """The planting day that a file gives, for a field at `longitude` (degrees east).

    A date is itself, and so is a midnight. Another time of day is the date it has in its own zone;
    in UTC it is the field's solar day, of which the last three hours count to the next day, since
    they are midnights of local time. Raises `ValueError`, the end of a sentence, for what is no
    date, or lies before 1900 or more than ten years after `today`.
    """
    moment = _moment(value)
    day = moment.date()
    notes = []
    if EARLIEST <= day <= today + FURTHEST and moment.time() != dt.time():
        if moment.utcoffset() == dt.timedelta():
            day = (moment + dt.timedelta(hours=longitude / 15) + MIDNIGHT).date()
        notes.append(
            f"has a planting_date with a time, {shown(str(value))}: {day} was taken; "
            "give it as YYYY-MM-DD"
        )
    if not EARLIEST <= day <= today + FURTHEST:
        raise ValueError(
            f"has a planting_date {shown(str(value))}, too {'early' if day < today else 'late'} "
            "to be meant; check its year"
        )
    first = SENTINEL_2.first_day
    if day < first:
        notes.append(f"was planted on {day}, before the first imagery ({first}); check its year")
    if day > today + PLANNED:
        notes.append(f"is planted on {day}, more than a year from now; check its year")
    return Planting(day, tuple(notes))


def _moment(value: Any) -> dt.datetime:
    """A date as its midnight. Raises `ValueError`."""
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    try:
        return dt.datetime.fromisoformat(value.strip())
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            f"has a planting_date {shown(value)} that is no date; give it as YYYY-MM-DD"
        ) from None
