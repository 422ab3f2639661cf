"""Peak memory and time of fields as large, and outlines as long, as an area allows."""

import datetime as dt
import itertools
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from shapely import Polygon, box

from benchmarks.bench import Bench
from benchmarks.measure import measure, peak_mib
from benchmarks.table import Row

SIDE = 10_000
CHUNK = 512
CORNERS = 100_000
DAY = dt.date(2024, 5, 1)


class Cube:
    """One day of 100 x 100 km, made where it is read: only the statistics take memory."""

    def __init__(self) -> None:
        from hydro_pipeline.grid import Tiling
        from hydro_pipeline.settings import Settings

        self.tiling = Tiling((SIDE, SIDE), CHUNK)
        self.product = Settings.load().product

    def read(self, day: dt.date, window: Any) -> Any:
        """NDVI from 0 to 0.9999, seen on days 0 to 30."""
        from hydro_pipeline.grid import Pixels

        rows = np.arange(window.row, window.bottom, dtype=np.int32)[:, None]
        cols = np.arange(window.col, window.right, dtype=np.int32)
        mixed = rows * 7919 + cols * 104_729
        return Pixels((mixed % 10_000).astype(np.int16)[None], (mixed % 31).astype(np.int16))


def run(bench: Bench) -> Iterator[Row]:
    """One field over all, one with 100,000 corners, 400 and 90,000 fields side by side."""
    for name, shapes in SHAPES.items():
        made = measure(statistics_of, name, repeat=bench.repeat)
        before, value = made.value
        bench.say(f"bounded: {name}: {made.seconds} s, {before:.0f} MiB before; {value}")
        yield Row("bounded", f"peak memory, {shapes.__doc__}", made.peak_mib, "MiB",
                  target="<= 1024")  # fmt: skip
        yield Row("bounded", f"weights and statistics, {shapes.__doc__}", made.median, "s",
                  target="<= 20" if name == "whole" else "")  # fmt: skip


def _whole() -> list[Polygon]:
    """one field over 100 x 100 km"""
    return [box(0, 0, 1, 1)]


def _star() -> list[Polygon]:
    """one field of 100,000 corners"""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = 0.48 + 0.001 * np.sin(angle * CORNERS / 4)
    return [Polygon(0.5 + radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])]


def _tiles(count: int) -> list[Polygon]:
    edges = np.linspace(0, 1, count + 1)
    return [
        box(west, south, east, north)
        for west, east in itertools.pairwise(edges)
        for south, north in itertools.pairwise(edges)
    ]


def _twenty() -> list[Polygon]:
    """400 fields that cover 100 x 100 km"""
    return _tiles(20)


def _parcels() -> list[Polygon]:
    """90,000 fields that cover 100 x 100 km"""
    return _tiles(300)


SHAPES = {"whole": _whole, "star": _star, "twenty": _twenty, "parcels": _parcels}


def statistics_of(name: str) -> tuple[float, Any]:
    """Statistics of one day of the fields `name`, weights included."""
    from hydro_pipeline.area.area import Area
    from hydro_pipeline.fields.fields import Field
    from hydro_pipeline.fields.file import LONLAT, reprojected
    from hydro_pipeline.settings import Settings, ZonalWeights
    from hydro_pipeline.stats.kernel import load_kernel
    from hydro_pipeline.stats.sample import AlikeDays, Samplers
    from hydro_pipeline.stats.update import SAMPLES_BYTES
    from hydro_pipeline.stats.weights import FieldWeights
    from hydro_pipeline.storage.store import Store

    area = Area.from_bbox("wide", (3.0, 47.05, 4.31, 47.94))
    load_kernel()
    height, width = area.grid.shape
    west, south, *_ = area.grid.boundingbox.bbox
    assert min(height, width) >= SIDE - 100
    shapes = np.array(SHAPES[name](), object)
    metres = shapely.transform(shapes, lambda xy: xy * SIDE * 10 + (west, south))
    fields = [
        Field(f"F{i}", DAY, shape, "fields.geojson")
        for i, shape in enumerate(reprojected(metres, area.crs, LONLAT))
    ]
    cube = Cube()
    before = peak_mib()
    with tempfile.TemporaryDirectory() as root:
        store = Store(Settings.load(root=root))
        with FieldWeights(store, area, fields, ZonalWeights.COVERAGE) as weights:
            pixels = AlikeDays(Samplers(cube, weights.of, SAMPLES_BYTES), map)
            found = pixels.under(DAY, np.arange(len(fields))).lasting
    return before, {k: v[0] for k, v in found.items()}
