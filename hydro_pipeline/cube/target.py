"""Which cube is written, and the rules it is written by."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from hydro_pipeline.area import Area
from hydro_pipeline.composite.kernel import NEVER
from hydro_pipeline.cube.layout import meaning
from hydro_pipeline.cube.order import position
from hydro_pipeline.cube.read import cube_key
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store


@dataclass(frozen=True)
class Target:
    """The cube that is written, and the rules it is written by."""

    store: Store
    area: Area
    meaning: dict[str, Any]
    """See `cube_layout.meaning`."""
    start_date: dt.date | None
    """Day on which a new cube has to begin; None: any."""
    max_age: int
    """Age in days beyond which a carried value becomes nodata."""

    @classmethod
    def of(cls, store: Store, area: Area, settings: Settings) -> "Target":
        """The area's cube under the root, by the rules of the settings."""
        max_age = NEVER if settings.max_age_days is None else settings.max_age_days
        return cls(store, area, meaning(area, settings), settings.start_date, max_age)

    @property
    def key(self) -> str:
        """Where the cube is, under the root."""
        return cube_key(self.area.name)

    @property
    def url(self) -> str:
        """Where the cube is, for people."""
        return self.store.url(self.key)

    def position(self, day: dt.date, first: dt.date | None, length: int) -> int:
        """Where `day` goes on the time axis; see `cube_order.position`."""
        return position(self.area.name, day, first, length, self.start_date)
