"""Pixels of the simulated season: the land and its true NDVI, clouds and shadows."""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

NOTICE = "Simulated by hydro_pipeline; not satellite data"

CLOUD_RED, CLOUD_NIR = 0.62, 0.58
CLOUD_LOOK = {0: 0.0, 10: 0.25, 8: 0.6, 9: 0.95}
"""How much of the ground a cloud hides, by SCL class; 0 is no cloud."""
HALO = 2
"""Cells of 20 m by which clouds and shadows fade out beyond what SCL says."""
STRIP = 2048
"""Rows of 10 m that are made at a time."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """A smooth random surface over the canvas, 0 to 1, known at any pixel coordinate."""

    octaves: tuple[tuple[float, Float], ...]
    """(pixels per cell, random values at the corners of the cells), coarsest first."""

    @classmethod
    def draw(
        cls, rng: np.random.Generator, shape: tuple[int, int], cells: Sequence[float]
    ) -> "Surface":
        """A surface for a canvas of `shape` pixels; `cells` are the octaves' cell sizes, pixels."""
        return cls(
            tuple((c, rng.random([int(n / c) + 4 for n in shape], np.float32)) for c in cells)
        )

    def at(self, y: Float, x: Float) -> Float:
        """Values (len(y), len(x)) at pixel coordinates; constant beyond the canvas."""
        total = np.zeros((len(y), len(x)), np.float32)
        for k, (cell, corners) in enumerate(self.octaves):
            row, down = _cell(y, cell, corners.shape[0])
            column, right = _cell(x, cell, corners.shape[1])
            rows = corners[row] * (1 - down)[:, None] + corners[row + 1] * down[:, None]
            total += (rows[:, column] * (1 - right) + rows[:, column + 1] * right) * 0.5**k
        return total / np.float32(2 - 0.5 ** (len(self.octaves) - 1))


def _cell(at: Float, cell: float, corners: int) -> tuple[NDArray[np.intp], Float]:
    position = np.clip(at / np.float32(cell), 0, corners - 2)
    index = np.minimum(position.astype(np.intp), corners - 2)
    fraction = (position - index).astype(np.float32)
    return index, fraction * fraction * (3 - 2 * fraction)


@dataclass(frozen=True)
class Cover:
    """What grows on one class of pixels, as a double logistic of time (Beck et al. 2006)."""

    name: str
    base: float
    """NDVI without the crop."""
    peak: float
    """NDVI when fully grown."""
    sown: dt.date
    rise_days: float
    """Days after sowing of the fastest growth."""
    fall_days: float
    """Days after sowing of the fastest ripening."""

    def growth(self, day: dt.date) -> float:
        """NDVI above `base` on a day."""
        t = (day - self.sown).days
        rise = 1 / (1 + math.exp(-0.18 * (t - self.rise_days)))
        fall = 1 / (1 + math.exp(-0.12 * (t - self.fall_days)))
        return (self.peak - self.base) * (rise - fall)


@dataclass(frozen=True)
class Land:
    """The ground: which cover each pixel has, and its true NDVI on every day."""

    canvas: GeoBox
    """10 m grid of everything that is simulated: the area's grid and a margin."""
    cover: NDArray[np.uint16]
    """(y, x) index into `covers`."""
    covers: tuple[Cover, ...]
    vigour: Surface
    brightness: NDArray[np.float16]
    """(y, x) factor near 1 on both bands, which leaves NDVI alone."""

    def ndvi(self, day: dt.date, rows: slice, columns: slice) -> Float:
        """True NDVI (y, x) on a day, of a window of the canvas."""
        base = np.array([c.base for c in self.covers], np.float32)
        growth = np.array([c.growth(day) for c in self.covers], np.float32)
        vigour = self.vigour.at(_centres(rows), _centres(columns))
        cover = self.cover[rows, columns]
        return base[cover] + growth[cover] * (np.float32(0.8) + np.float32(0.2) * vigour)


@dataclass(frozen=True)
class Sky:
    """Clouds of one overpass, the same over all of its scenes."""

    surface: Surface
    thresholds: tuple[float, float, float]
    """Surface values above which there is thin, medium and thick cloud."""
    shadow: tuple[int, int]
    """(rows, columns) in cells of 20 m from a cloud to its shadow."""

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, int], fraction: float) -> "Sky":
        """Clouds over about `fraction` (0 to 1) of a canvas of `shape` pixels of 10 m."""
        surface = Surface.draw(rng, shape, (240.0, 110.0, 40.0))
        shadow = (-int(rng.integers(8, 16)), -int(rng.integers(3, 9)))
        if fraction <= 0:
            return cls(surface, (np.inf, np.inf, np.inf), shadow)
        if fraction >= 1:
            return cls(surface, (-1.0, -1.0, -1.0), shadow)
        sample = surface.at(*(np.linspace(0, n, 200, dtype=np.float32) for n in shape))
        thin, medium, thick = np.quantile(
            sample, [1 - fraction, 1 - 0.8 * fraction, 1 - 0.5 * fraction]
        )
        return cls(surface, (float(thin), float(medium), float(thick)), shadow)

    def clouds(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """SCL class of the cloud (y, x) in a window of 20 m cells; 0 is no cloud."""
        value = self.surface.at(_centres(rows) * 2, _centres(columns) * 2)
        return np.array([0, 10, 8, 9], np.uint8)[np.searchsorted(self.thresholds, value)]

    def over(self, rows: slice, columns: slice) -> tuple[NDArray[np.uint8], Float, Float]:
        """SCL class (0 is clear), cloud opacity and shadow depth (0 to 1) in a 20 m window."""
        wide = _widen(rows), _widen(columns)
        cloud = self.clouds(*wide)
        caster = self.clouds(
            *(slice(s.start - d, s.stop - d) for s, d in zip(wide, self.shadow, strict=True))
        )
        shaded = (caster == 8) | (caster == 9)
        look = np.zeros(11, np.float32)
        look[list(CLOUD_LOOK)] = list(CLOUD_LOOK.values())
        scl = np.where((cloud == 0) & shaded, np.uint8(3), cloud)[HALO:-HALO, HALO:-HALO]
        return scl, _soften(look[cloud]), _soften(shaded.astype(np.float32))


def _soften(layer: Float) -> Float:
    """Average over the cross of neighbours, `HALO` times, each time losing the outermost ring."""
    for _ in range(HALO):
        inner = layer[1:-1, 1:-1]
        cross = layer[:-2, 1:-1] + layer[2:, 1:-1] + layer[1:-1, :-2] + layer[1:-1, 2:]
        layer = np.divide(inner + cross, np.float32(5))
    return layer


def _widen(window: slice) -> slice:
    return slice(window.start - HALO, window.stop + HALO)


def _centres(window: slice) -> Float:
    return np.arange(window.start, window.stop, dtype=np.float32) + np.float32(0.5)


@dataclass(frozen=True)
class Swath:
    """The imaged part of the canvas: everything west of a slanted line."""

    north: float
    south: float
    """Where the line crosses the canvas's upper and lower edge, in pixels of 10 m."""

    def inside(self, rows: slice, columns: slice, tile: slice, height: int) -> NDArray[np.bool_]:
        """True = imaged (y, x), in a window of 20 m cells.

        `tile` are the 10 m columns of the scene, `height` its 10 m rows.
        """
        y, x = _centres(rows)[:, None] * 2, _centres(columns)[None] * 2
        line = self.north + (self.south - self.north) * y / height
        inside: NDArray[np.bool_] = (
            (x < line) & (x > tile.start) & (x < tile.stop) & (y > 0) & (y < height)
        )
        return inside


@dataclass(frozen=True)
class Rendered:
    """One scene: uint16 digital numbers at 10 m and uint8 SCL at 20 m, 0 = nodata."""

    red: NDArray[np.uint16]
    nir: NDArray[np.uint16]
    scl: NDArray[np.uint8]


def render(
    land: Land, sky: Sky, swath: Swath, day: dt.date, columns: slice, added: int
) -> Rendered:
    """Pixels of a scene that covers the canvas's `columns` (even bounds), all rows.

    Where clear and more than 60 m from cloud and shadow, red and nir give the land's true NDVI to
    within their rounding, which is 3.1e-4. At the scene's edge SCL also marks what is only touched
    by a cloud or shadow, since the cloud itself may lie beyond.
    `added` is what the digital numbers carry on top of reflectance x 10000: 0 or 1000.
    """
    height, width = land.canvas.shape[0], columns.stop - columns.start
    red, nir = np.empty((2, height, width), np.uint16)
    scl = np.empty((height // 2, width // 2), np.uint8)
    for rows in _strips(height):
        half = slice(rows.start // 2, rows.stop // 2)
        cells = half, slice(columns.start // 2, columns.stop // 2)
        wide = _widen(cells[0]), _widen(cells[1])
        ndvi = land.ndvi(day, rows, columns)
        kind, opacity, shade = sky.over(*cells)
        imaged = swath.inside(*wide, columns, height)
        valid = imaged[HALO:-HALO, HALO:-HALO]
        edge = (kind == 0) & (_soften(imaged.astype(np.float32)) < 1)
        kind = np.where(edge & (shade > 0), np.uint8(3), kind)
        kind = np.where(edge & (opacity > 0), np.uint8(10), kind)
        ground = np.where(ndvi[::2, ::2] > 0.3, np.uint8(4), np.uint8(5))
        scl[half] = np.where(kind == 0, ground, kind) * valid
        opacity, shade = _double(opacity), _double(shade)
        both = (np.float32(0.32) + np.float32(0.16) * ndvi) * land.brightness[rows, columns]
        for band, sign, dim, cloud in (
            (red, -1, 0.5, CLOUD_RED),
            (nir, 1, 0.65, CLOUD_NIR),
        ):
            surface = both * (1 + np.float32(sign) * ndvi) / 2 * (1 - np.float32(dim) * shade)
            seen = surface * (1 - opacity) + np.float32(cloud) * opacity
            band[rows] = (np.rint(seen * 10_000) + added) * _double(valid)
    return Rendered(red, nir, scl)


def _double(cells: NDArray[np.generic]) -> Float:
    return cells.astype(np.float32).repeat(2, axis=0).repeat(2, axis=1)


def _strips(height: int) -> Iterator[slice]:
    return (slice(top, min(top + STRIP, height)) for top in range(0, height, STRIP))
