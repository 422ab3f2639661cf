"""The newest day's pixels in memory, for the day after."""

import math
from dataclasses import dataclass, field

from hydro_pipeline.composite import Int16
from hydro_pipeline.cube import Window

Pixels = tuple[Int16, Int16]
"""NDVI and observed_on of a window, (y, x) each, nodata -32768."""

BYTES = 96 << 20
"""A day of more bytes than this is read from the cube again."""
PIXEL_BYTES = 4


@dataclass
class Recent:
    """The pixels of one committed day. They hold while its commit is the cube's newest."""

    snapshot: str = ""
    """Id of the commit; empty: no day."""
    windows: dict[Window, Pixels] = field(default_factory=dict)

    def at(self, snapshot: str) -> dict[Window, Pixels]:
        """The pixels if `snapshot` is the commit they came with, else nothing."""
        return self.windows if snapshot == self.snapshot else {}

    def holds(self, shape: tuple[int, int]) -> bool:
        """Whether a day of `shape` pixels is small enough to be kept."""
        return PIXEL_BYTES * math.prod(shape) <= BYTES

    def keep(self, snapshot: str, windows: dict[Window, Pixels]) -> None:
        """Hold a day's pixels instead of those held so far."""
        self.snapshot, self.windows = snapshot, windows
