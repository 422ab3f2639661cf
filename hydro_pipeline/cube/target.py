"""Which cube is written, the rules it is written by, and which day may be written next."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from hydro_pipeline.area.area import Area
from hydro_pipeline.composite.kernel import age_limit
from hydro_pipeline.cube.layout import meaning
from hydro_pipeline.errors import MissingDayError
from hydro_pipeline.product import Product
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import cube_key
from hydro_pipeline.storage.store import Store


@dataclass(frozen=True)
class Target:
    """The cube that is written, and the rules it is written by."""

    store: Store
    area: Area
    product: Product
    """What is measured."""
    meaning: dict[str, Any]
    """See `layout.meaning`."""
    start_date: dt.date | None
    """Day on which a new cube has to begin; None: any."""
    max_age: int
    """Age in days beyond which a carried value becomes nodata."""

    @classmethod
    def of(cls, store: Store, area: Area, settings: Settings) -> "Target":
        """The area's cube under the root, by the rules of the settings."""
        max_age = age_limit(settings.max_age_days)
        return cls(
            store, area, settings.product, meaning(area, settings), settings.start_date, max_age
        )

    @property
    def key(self) -> str:
        """Where the cube is, under the root."""
        return cube_key(self.area.name)

    @property
    def url(self) -> str:
        """Where the cube is, for people."""
        return self.store.url(self.key)

    def position(self, day: dt.date, first: dt.date | None, length: int) -> int:
        """Where `day` goes on the time axis; see `position`."""
        return position(self.area.name, day, first, length, self.start_date)


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
