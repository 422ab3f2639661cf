"""One day's maps as Cloud-Optimized GeoTIFFs."""

from collections.abc import Mapping

from odc.geo.geobox import GeoBox

from hydro_pipeline.geotiff import cog
from hydro_pipeline.outputs.colours import colours, ndvi_class
from hydro_pipeline.product import NO_AGE, NODATA, PRODUCT, Int16


def ndvi_cog(ndvi: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """NDVI without loss: int16 (y, x), nodata -32768, band scale 1e-4; overviews are averages."""
    return cog(
        ndvi,
        grid,
        nodata=NODATA,
        overviews="average",
        description=PRODUCT.main.title,
        scale=PRODUCT.main.scale,
        tags=tags,
    )


def age_cog(age: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """Age in days, int16 (y, x), -1 = no value."""
    return cog(age, grid, nodata=NO_AGE, overviews="nearest", description="age in days", tags=tags)


def visual_cog(ndvi: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """NDVI (int16, units of 1e-4) as a coloured map to look at: 255 classes with a colour table.

    Class 0 is nodata; see `colours.ndvi_class`.
    """
    return cog(
        ndvi_class(ndvi),
        grid,
        nodata=0,
        overviews="mode",
        description=f"{PRODUCT.main.title} class",
        table=dict(enumerate(map(tuple, colours(PRODUCT.main.colours).tolist()))),
        tags=tags,
    )
