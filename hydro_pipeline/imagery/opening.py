"""The files of scenes, as GDAL is let open them: one format, and no more than a scene can have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from numpy.typing import NDArray
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.roi import roi_is_empty, w_
from odc.geo.warp import resampling_s2rio
from odc.loader import RasterLoadParams
from rasterio.warp import reproject

from hydro_pipeline.scenes.doors import ShutError

DRIVER = "GTiff"
"""Which also reads COGs."""
DTYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32"})
MOST_PIXELS = 32_768
"""On a side of a file; a tile of Sentinel-2 has 10,980 of 10 m."""
MOST_BLOCK_PIXELS = 4096 * 4096
"""Of a block, which is decoded whole."""


@contextmanager
def opened(path: str) -> Iterator[rasterio.DatasetReader]:
    """A file of a scene, which is a GeoTIFF and nothing else.

    Raises `ShutError`, before any pixel is read, for a file that would take more memory than any
    file of a scene needs.
    """
    with rasterio.open(path, driver=DRIVER, sharing=False) as file:
        if file.count != 1 or file.dtypes[0] not in DTYPES:
            raise ShutError(f"it has {file.count} bands of {file.dtypes[0]}, not one of integers")
        if max(file.shape) > MOST_PIXELS:
            raise ShutError(
                f"it is {file.width} x {file.height} pixels, more than {MOST_PIXELS} on a side"
            )
        rows, columns = file.block_shapes[0]
        if rows * columns > MOST_BLOCK_PIXELS:
            raise ShutError(f"its blocks are {columns} x {rows} pixels, too large to be a COG's")
        yield file


def read(path: str, cfg: RasterLoadParams, grid: GeoBox, place: NDArray[Any]) -> None:
    """Put a file's pixels where they belong on `grid` into `place`, which is all 0; 0 is nodata.

    As odc-loader does it, which opens whatever GDAL can.
    """
    with opened(path) as file:
        # Whole pixels off is as good as not moved, where the nearest one is taken.
        found = compute_reproject_roi(rio_geobox(file), grid, ttol=0.9 if cfg.nearest else 0.05)
        if roi_is_empty(found.roi_dst) or roi_is_empty(found.roi_src):
            return
        rows, columns = found.roi_dst
        into = place[rows.start : rows.stop, columns.start : columns.stop]
        if found.paste_ok and found.read_shrink == 1:
            file.read(1, out=into, window=w_[found.roi_src])
            return
        reproject(
            rasterio.band(file, 1),
            into,
            src_nodata=0,
            dst_crs=str(grid.crs),
            dst_transform=grid[found.roi_dst].transform,
            dst_nodata=0,
            resampling=resampling_s2rio(cfg.resampling),
        )
