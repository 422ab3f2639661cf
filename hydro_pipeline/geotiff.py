"""Pixels as a Cloud-Optimized GeoTIFF."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile


def cog(
    pixels: NDArray[Any],
    grid: GeoBox,
    *,
    nodata: float | None,
    overviews: str | None,
    description: str | None = None,
    scale: float | None = None,
    table: Mapping[int, tuple[int, int, int]] | None = None,
    tags: Mapping[str, str] | None = None,
    blocksize: int = 512,
) -> bytes:
    """One band of pixels (y, x), on `grid`, without loss (deflate), in square blocks.

    `nodata` as in the pixels; `overviews` names how they are resampled, None makes no overviews.
    `description` and `scale` (value per digital number) are the band's, `tags` the file's; `table`
    gives pixels of uint8 their red, green and blue. The same arguments give the same bytes.
    """
    height, width = pixels.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="COG",
            width=width,
            height=height,
            count=1,
            dtype=pixels.dtype,
            crs=str(grid.crs),
            transform=grid.affine,
            nodata=nodata,
            compress="deflate",
            predictor="yes",
            blocksize=blocksize,
            **({"overview_resampling": overviews} if overviews else {"overviews": "none"}),
        ) as file:
            file.write(pixels, 1)
            file.update_tags(**(tags or {}))
            if description is not None:
                file.set_band_description(1, description)
            if scale is not None:
                file.scales, file.offsets = (scale,), (0.0,)
            if table is not None:
                file.write_colormap(1, table)
        return bytes(memory.read())
