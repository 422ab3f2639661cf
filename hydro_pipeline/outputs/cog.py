"""One day's maps as Cloud-Optimized GeoTIFFs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from hydro_pipeline.outputs.colours import NDVI, colours, ndvi_class
from hydro_pipeline.product import NODATA, SCALE, Int16

NO_AGE = -1


def ndvi_cog(ndvi: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """NDVI without loss: int16 (y, x), nodata -32768, band scale 1e-4; overviews are averages."""
    return _cog(ndvi, grid, tags, "NDVI", nodata=NODATA, scale=SCALE, overviews="average")


def age_cog(age: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """Age in days, int16 (y, x), -1 = no value."""
    return _cog(age, grid, tags, "age in days", nodata=NO_AGE, overviews="nearest")


def visual_cog(ndvi: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """NDVI (int16, units of 1e-4) as a coloured map to look at: 255 classes with a colour table.

    Class 0 is nodata; see `ramp.ndvi_class`.
    """
    table = {i: (*rgb, 255) for i, rgb in enumerate(colours(NDVI).tolist())}
    table[0] = (0, 0, 0, 0)
    return _cog(ndvi_class(ndvi), grid, tags, "NDVI class", nodata=0, table=table)


def _cog(
    pixels: NDArray[np.int16] | NDArray[np.uint8],
    grid: GeoBox,
    tags: Mapping[str, str],
    description: str,
    *,
    nodata: int,
    scale: float = 1.0,
    overviews: str = "mode",
    table: dict[int, Any] | None = None,
) -> bytes:
    height, width = pixels.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="COG",
            width=width,
            height=height,
            count=1,
            dtype=pixels.dtype,
            crs=str(grid.crs),
            transform=grid.transform,
            nodata=nodata,
            compress="deflate",
            predictor="yes",
            overview_resampling=overviews,
        ) as file:
            file.write(pixels, 1)
            file.set_band_description(1, description)
            file.update_tags(**tags)
            if scale != 1.0:
                file.scales, file.offsets = (scale,), (0.0,)
            if table is not None:
                file.write_colormap(1, table)
        return bytes(memory.read())
