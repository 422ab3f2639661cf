"""Which day of a cube may be written next: the days are contiguous from the first. Pure."""

import datetime as dt

from hydro_pipeline.errors import MissingDayError


def position(
    area_name: str, day: dt.date, first: dt.date | None, length: int, start_date: dt.date | None
) -> int:
    """Index on the time axis at which `day` may be written; equal to `length` for a new day.

    `first` and `length` say what is committed (None and 0: nothing), `start_date` on which day a
    new cube has to begin (None: on any). Raises `MissingDayError` with what to run first.
    """
    if first is None or length == 0:
        if start_date is not None and day != start_date:
            raise MissingDayError(
                f"{area_name}: the cube is empty and begins on HYDRO_START_DATE={start_date}, so "
                f"{day} cannot be made yet; run the days before it first: "
                f"hydro run {area_name} --from {start_date} --to {day}"
            )
        return 0
    index = (day - first).days
    if index < 0:
        raise MissingDayError(
            f"{area_name}: {day} is before {first}, the first day of the cube; a cube cannot grow "
            "backwards: give the area another name to begin earlier"
        )
    if index > length:
        last = first + dt.timedelta(length - 1)
        raise MissingDayError(
            f"{area_name}: {day} needs the composite of {day - dt.timedelta(1)}, but the cube ends "
            f"on {last}; run the missing days first: hydro run {area_name} "
            f"--from {last + dt.timedelta(1)} --to {day}"
        )
    return index
