"""Small grids, and statistics of polygons drawn on them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.fields.fields import Field
from hydro_pipeline.fields.file import LONLAT, reprojected
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.kernel import statistics
from hydro_pipeline.stats.runs import Weights
from tests.support.product import NDVI

COVERAGE, CENTRE = ZonalWeights.COVERAGE, ZonalWeights.CENTRE
NODATA = -32768
DAY = 19_500

SQUARE = GeoBox.from_bbox((0, 0, 3, 3), "EPSG:4326", resolution=1)
"""3 x 3 pixels of one degree: polygons in degrees are already in the grid's CRS."""
TABLE = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.int16) * 1000
"""NDVI 0.1 to 0.9, north row first."""

UTM = GeoBox.from_bbox((643200, 5676000, 643440, 5676240), "EPSG:32631", resolution=10)
"""24 x 24 pixels of 10 m."""


def fields(polygons: Sequence[BaseGeometry], grid: GeoBox = SQUARE) -> list[Field]:
    """Fields F0, F1, ... from polygons in the grid's CRS."""
    lonlat = reprojected(np.array(polygons, dtype=object), str(grid.crs), LONLAT)
    day = dt.date(2023, 1, 1)
    return [Field(f"F{i}", day, g, "test") for i, g in enumerate(shapely.normalize(lonlat))]


def on_grid(of: Sequence[Field], grid: GeoBox) -> NDArray[np.object_]:
    """The polygons that the weights are made from."""
    return reprojected(np.array([f.geometry for f in of], dtype=object), LONLAT, str(grid.crs))


def table(
    weights: Weights,
    ndvi: NDArray[np.int16] = TABLE,
    observed_on: NDArray[np.int16] | None = None,
) -> dict[str, NDArray[Any]]:
    """Statistics over 2-D arrays; by default every pixel was observed on the day."""
    if observed_on is None:
        observed_on = np.where(ndvi == NODATA, NODATA, DAY).astype(np.int16)
    at = pixels(weights)[:2]
    return statistics(weights, ndvi[at][None], observed_on[at], DAY, [NDVI])


def pixels(weights: Weights, field: int | None = None) -> tuple[NDArray[Any], ...]:
    """Row, column and weight of each pixel, of one field or of all."""
    runs = slice(None) if field is None else slice(*weights.start[field : field + 2])
    row, col, length, weight = (column[runs] for column in weights.runs)
    across = np.concatenate([np.empty(0, int), *map(np.arange, length)])
    return np.repeat(row, length), np.repeat(col, length) + across, np.repeat(weight, length)


def dense(weights: Weights, field: int = 0, shape: tuple[int, int] = (3, 3)) -> list[list[float]]:
    """One field's weights as a table."""
    out = np.zeros(shape)
    row, col, share = pixels(weights, field)
    out[row, col] = share
    result: list[list[float]] = out.tolist()
    return result
