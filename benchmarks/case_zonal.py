"""Statistics of one day over 5000 x 5000 pixels, against rasterstats and exactextract."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import geopandas
import numpy as np
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from odc.geo.geobox import GeoBox
from rasterstats import zonal_stats
from shapely import Polygon

from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.table import Row, differs, faster
from hydro_pipeline.settings import ZonalWeights

SIDE = 5000
GRID = GeoBox.from_bbox((600_000, 5_600_000, 650_000, 5_650_000), "EPSG:32631", resolution=10)
COLUMNS = {
    "mean": "ndvi_mean", "median": "ndvi_median", "std": "ndvi_std", "min": "ndvi_min",
    "max": "ndvi_max", "p10": "ndvi_p10", "p90": "ndvi_p90", "count": "pixel_count",
}  # fmt: skip


def run(bench: Bench) -> Iterator[Row]:
    """The zonal lines."""
    for count in (1000, 10_000):
        mine = {way: measure(_ours, count, way, repeat=bench.repeat) for way in ZonalWeights}
        for way, other, target in (
            (ZonalWeights.COVERAGE, _exactextract, ">= 5"),
            (ZonalWeights.CENTRE, _rasterstats, ">= 10"),
        ):
            theirs = measure(other, count, repeat=bench.repeat)
            name = other.__name__.removeprefix("_")
            seconds, rows = zip(*mine[way].values, strict=True)
            other_seconds, other_rows = zip(*theirs.values, strict=True)
            bench.say(f"zonal: {count} fields, {way}: {seconds} s, {name} {other_seconds} s")
            yield faster("zonal", f"{count:,} fields, {way.value}", float(np.median(seconds)),
                         float(np.median(other_seconds)), name, target)  # fmt: skip
            gaps = {s: float(np.nanmax(np.abs(rows[-1][s] - other_rows[-1][s]))) for s in COLUMNS}
            yield differs("zonal", f"{count:,} fields, largest differences", gaps, name)


def _fields(count: int) -> list[Polygon]:
    """Fields of three to seven corners on a raster of cells, apart from each other."""
    rng = np.random.default_rng(1)
    per_side = int(np.ceil(count**0.5))
    cell = 50_000 / per_side
    shapes = []
    for n in range(count):
        row, col = divmod(n, per_side)
        angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
        radius = min(cell, 640) * rng.uniform(0.3, 0.49, len(angle))
        centre = (600_000 + cell * (col + 0.5), 5_600_000 + cell * (row + 0.5))
        shapes.append(
            Polygon(np.array(centre) + radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])
        )
    return shapes


def _pixels(polygons: list[Polygon]) -> Any:
    """NDVI in units of 1e-4, each value once in a field, so that quantiles have one answer."""
    del polygons
    row, col = np.indices((SIDE, SIDE))
    return ((row % 128) * 128 + col % 128 - 6000).astype(np.int16)


def _ours(count: int, way: ZonalWeights) -> Any:
    import datetime as dt

    from hydro_pipeline.fields.fields import Field
    from hydro_pipeline.indices import INDICES
    from hydro_pipeline.stats.kernel import statistics
    from hydro_pipeline.stats.weights import build_weights

    polygons = _fields(count)
    lonlat = geopandas.GeoSeries(polygons, crs=32631).to_crs(4326)
    fields = [
        Field(f"{n:05}", dt.date(2024, 1, 1), shape, "fields.geojson")
        for n, shape in enumerate(lonlat)
    ]
    weights = build_weights(fields, GRID, way)
    ndvi = _pixels(polygons)
    on = np.full(ndvi.shape, 100, np.int16)
    variables = [INDICES["ndvi"]]
    statistics(weights.subset(np.arange(1)), ndvi[:1, :1], on[:1, 0], 100, variables)
    began = time.perf_counter()
    row, col, length, _ = weights.runs
    across = np.arange(weights.at[-1]) - np.repeat(weights.at[:-1], length)
    at = np.repeat(row, length), np.repeat(col, length) + across
    sample, seen = ndvi[at], on[at]
    columns = statistics(weights, sample[np.newaxis], seen, 100, variables)
    seconds = time.perf_counter() - began
    return seconds, {name: columns[column] for name, column in COLUMNS.items()}


def _exactextract(count: int) -> Any:
    polygons = _reprojected(_fields(count))
    raster = NumPyRasterSource(
        _pixels([]) * np.float32(1e-4), *GRID.boundingbox.bbox, srs_wkt=GRID.crs.to_wkt()
    )
    operations = ["mean", "median", "stdev", "min", "max", "count", "quantile(q=0.1)",
                  "quantile(q=0.9)"]  # fmt: skip
    began = time.perf_counter()
    found = exact_extract(raster, polygons, operations, output="pandas")
    seconds = time.perf_counter() - began
    names = {"stdev": "std", "quantile_10": "p10", "quantile_90": "p90"}
    found = found.rename(columns=names)
    return seconds, {name: found[name].to_numpy() for name in COLUMNS}


def _rasterstats(count: int) -> Any:
    polygons, plane = _reprojected(_fields(count)), _pixels([]) * np.float32(1e-4)
    wanted = ["mean", "median", "std", "min", "max", "count", "percentile_10", "percentile_90"]
    began = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):
        rows = zonal_stats(polygons, plane, affine=GRID.transform, nodata=-9, stats=wanted)
    seconds = time.perf_counter() - began
    names = {"p10": "percentile_10", "p90": "percentile_90"}
    return seconds, {
        name: np.array([row[names.get(name, name)] for row in rows], float) for name in COLUMNS
    }


def _reprojected(polygons: list[Polygon]) -> geopandas.GeoDataFrame:
    """The very vertices that ours are: through degrees and back."""
    lonlat = geopandas.GeoDataFrame(geometry=polygons, crs=32631).to_crs(4326)
    return lonlat.to_crs(str(GRID.crs))
