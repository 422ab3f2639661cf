"""Which days of an area should be run next. Pure."""

import datetime as dt
from collections.abc import Iterable

from hydro_pipeline.area.area import Area

MAX_DAYS = 31
"""Most days that one catch-up asks for: a failure then costs at most a month's work."""


def last_due_day(area: Area, now: dt.datetime, latency_days: int) -> dt.date:
    """The last solar day that ended, and whose scenes had `latency_days` days to be published.

    `now` is aware. A day that has not ended in UTC is not due either.
    """
    today = min(area.solar_day(now), now.astimezone(dt.UTC).date())
    return today - dt.timedelta(days=max(latency_days, 1))


def due_days(
    start: dt.date | None, last_committed: dt.date | None, last_due: dt.date
) -> tuple[dt.date, dt.date] | None:
    """First and last day of the next catch-up, at most `MAX_DAYS`; None if nothing is due.

    It begins after `last_committed`, the cube's last day, or at `start` while there is no cube.
    """
    first = last_committed + dt.timedelta(days=1) if last_committed else start
    if first is None or first > last_due:
        return None
    return first, min(first + dt.timedelta(days=MAX_DAYS - 1), last_due)


EPOCH = dt.date(1970, 1, 1)


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def number_day(number: int) -> dt.date:
    """The date that is `number` days after 1970-01-01."""
    return EPOCH + dt.timedelta(int(number))


def ranges(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Days as contiguous ranges (first, last), in order."""
    found: list[tuple[dt.date, dt.date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == dt.timedelta(days=1):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
