"""The script that a user who knows the libraries would write: everything in memory, then a loop.

It finds the scenes with pystac-client, loads the month with odc-stac, masks, takes the first clear
scene of each pixel, carries forward, and calls rasterstats or exactextract for each day. It stores
nothing but the rows.
"""

import datetime as dt
import itertools
import json
import warnings
from typing import Any

import geopandas
import numpy as np
import odc.stac
import pystac_client
import xarray as xr
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterstats import zonal_stats

CLEAR = [2, 4, 5, 6, 7]
Rows = dict[tuple[dt.date, str], dict[str, Any]]


def script(
    url: str, bbox: tuple[float, ...], grid: GeoBox, fields: bytes, days: list[dt.date], with_: str
) -> Rows:
    """Statistics of every field and day, by `rasterstats` or `exactextract`."""
    ndvi = month(url, bbox, grid, days)
    polygons = geopandas.GeoDataFrame.from_features(json.loads(fields), crs="EPSG:4326")
    polygons = polygons.to_crs(str(grid.crs))
    statistics = _rasterstats if with_ == "rasterstats" else _exactextract
    rows: Rows = {}
    for day, plane in zip(days, ndvi, strict=True):
        for field_id, row in zip(
            polygons["field_id"], statistics(plane, polygons, grid), strict=True
        ):
            rows[day, field_id] = row
    return rows


def month(
    url: str, bbox: tuple[float, ...], grid: GeoBox, days: list[dt.date]
) -> NDArray[np.float32]:
    """Gap-filled NDVI, (day, y, x), NaN where nothing was seen yet."""
    with warnings.catch_warnings(action="ignore"):
        catalog = pystac_client.Client.open(url)
    search = catalog.search(
        collections=["sentinel-2-l2a"], bbox=bbox, datetime=f"{days[0]}/{days[-1]}"
    )
    items = sorted(search.items(), key=lambda item: (item.datetime, item.id))
    bands = odc.stac.load(
        items,
        bands=["red", "nir", "scl"],
        geobox=grid,
        groupby="id",
        chunks={"x": 2048, "y": 2048},
        resampling="nearest",
    ).compute()
    offset = xr.DataArray(
        [0.0 if item.properties["earthsearch:boa_offset_applied"] else -0.1 for item in items],
        dims="time",
    ).astype("float32")
    valid = (bands.red > 0) & (bands.nir > 0) & bands.scl.isin(CLEAR)
    red = bands.red.astype("float32") * 1e-4 + offset
    nir = bands.nir.astype("float32") * 1e-4 + offset
    ndvi = ((nir - red) / (nir + red)).where(valid & (nir + red > 0)).clip(-1, 1)
    daily = ndvi.groupby("time.date").first(skipna=True).rename(date="time")
    daily["time"] = daily["time"].astype("datetime64[ns]")
    filled: NDArray[np.float32] = daily.reindex(time=np.array(days, "datetime64[ns]")).values
    for before, plane in itertools.pairwise(filled):
        np.copyto(plane, before, where=np.isnan(plane))
    return filled


def clipped(
    url: str, bbox: tuple[float, ...], grid: GeoBox, fields: bytes, days: list[dt.date]
) -> Rows:
    """The same for one field, reading only the imagery under it."""
    polygons = geopandas.GeoDataFrame.from_features(json.loads(fields), crs="EPSG:4326")
    west, south, east, north = polygons.to_crs(str(grid.crs)).total_bounds
    to_pixel = ~grid.transform
    left, top = to_pixel @ (west, north)
    right, bottom = to_pixel @ (east, south)
    window = grid[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return script(url, tuple(polygons.total_bounds), window, fields, days, "exactextract")


def _rasterstats(
    plane: NDArray[np.float32], polygons: geopandas.GeoDataFrame, grid: GeoBox
) -> list[dict[str, Any]]:
    with warnings.catch_warnings(action="ignore"):
        return zonal_stats(  # type: ignore[no-any-return]
            polygons,
            plane,
            affine=grid.transform,
            nodata=np.nan,
            stats=["mean", "median", "std", "min", "max", "count", "percentile_10",
                   "percentile_90"],
        )  # fmt: skip


def _exactextract(
    plane: NDArray[np.float32], polygons: geopandas.GeoDataFrame, grid: GeoBox
) -> list[dict[str, Any]]:
    raster = NumPyRasterSource(
        plane, *grid.boundingbox.bbox, srs_wkt=grid.crs.to_wkt(), nodata=np.nan
    )
    operations = ["mean", "median", "stdev", "min", "max", "count", "quantile(q=0.1)",
                  "quantile(q=0.9)"]  # fmt: skip
    found = exact_extract(raster, polygons, operations, output="pandas")
    return found.rename(columns={"stdev": "std"}).to_dict("records")  # type: ignore[no-any-return]
