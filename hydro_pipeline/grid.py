"""Windows of a grid, the tiling it is cut into, and the pixels in a window. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hydro_pipeline.product import NODATA, Int16


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows and columns of a grid, counted from its upper left corner."""

    row: int
    col: int
    height: int
    width: int

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> "Window":
        """All of a grid of `shape` (y, x)."""
        return cls(0, 0, *shape)

    @classmethod
    def between(cls, top: int, left: int, bottom: int, right: int) -> "Window":
        """From row `top` to before `bottom`, from column `left` to before `right`."""
        return cls(top, left, bottom - top, right - left)

    @property
    def bottom(self) -> int:
        """The row below its last one."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """The column beyond its last one."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """What an array of the grid, (y, x), is indexed with."""
        return slice(self.row, self.bottom), slice(self.col, self.right)

    def within(self, outer: "Window") -> tuple[slice, slice]:
        """What an array of the pixels in `outer` is indexed with, for those in this window.

        Raises `ValueError` if it is not all in `outer`.
        """
        if self & outer != self:
            raise ValueError(f"{self} is not all in {outer}")
        top, left = self.row - outer.row, self.col - outer.col
        return slice(top, top + self.height), slice(left, left + self.width)

    def thinned(self, step: int) -> tuple[int, int, tuple[slice, slice]]:
        """Of every `step`-th pixel of the grid, those in this window: row and column of the first
        in the thinned grid, and what an array of this window's pixels is indexed with.
        """
        top, left = -(-self.row // step), -(-self.col // step)
        rows = slice(top * step - self.row, None, step)
        return top, left, (rows, slice(left * step - self.col, None, step))

    def __and__(self, other: "Window") -> "Window | None":
        """What both have in common; None if that is nothing."""
        top, left = max(self.row, other.row), max(self.col, other.col)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window.between(top, left, bottom, right) if top < bottom and left < right else None


@dataclass(frozen=True, slots=True)
class Tiling:
    """A grid cut into square tiles; those at its lower and right edge may be smaller."""

    shape: tuple[int, int]
    """Rows and columns of the grid."""
    side: int
    """Of a tile, pixels."""

    def __iter__(self) -> Iterator[Window]:
        """Every tile, row by row."""
        rows, cols = (-(-size // self.side) for size in self.shape)
        return (self.tile(row, col) for row in range(rows) for col in range(cols))

    def __len__(self) -> int:
        height, width = self.shape
        return -(-height // self.side) * -(-width // self.side)

    def tile(self, row: int, col: int) -> Window:
        """The tile at a row and column of tiles."""
        height, width = self.shape
        top, left = row * self.side, col * self.side
        return Window.between(top, left, min(top + self.side, height), min(left + self.side, width))

    def place(self, tile: Window) -> tuple[int, int]:
        """Row and column of a tile among the tiles. Raises `ValueError` if it is none of them."""
        place = tile.row // self.side, tile.col // self.side
        if self.tile(*place) != tile:
            raise ValueError(f"{tile} is no tile of {self}")
        return place

    def under(self, window: Window) -> list[Window]:
        """The tiles that have pixels in common with `window`, row by row."""
        rows = range(window.row // self.side, -(-window.bottom // self.side))
        cols = range(window.col // self.side, -(-window.right // self.side))
        return [self.tile(row, col) for row in rows for col in cols]


class Pixels(NamedTuple):
    """A day in a window. All variables have a value where `observed_on` has one."""

    values: Int16
    """(variable, y, x), each in its own units, nodata -32768."""
    observed_on: Int16
    """(y, x), days since 1970-01-01, nodata -32768."""

    @property
    def arrays(self) -> tuple[Int16, ...]:
        """(y, x) each, in the order of `Product.names`."""
        return *self.values, self.observed_on


def nothing(window: Window, variables: int) -> Pixels:
    """Pixels of a window in which nothing was ever seen."""
    values = np.full((variables, *window.shape), NODATA, np.int16)
    return Pixels(values, np.full(window.shape, NODATA, np.int16))
