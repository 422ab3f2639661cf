"""One day's maps as Cloud-Optimized GeoTIFFs."""

from collections.abc import Mapping

from odc.geo.geobox import GeoBox

from hydro_pipeline.geotiff import cog
from hydro_pipeline.outputs.colours import colours, variable_class
from hydro_pipeline.product import NO_AGE, NODATA, Int16
from hydro_pipeline.variable import Variable


def variable_cog(values: Int16, variable: Variable, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """A variable without loss: int16 (y, x), nodata -32768, its scale; overviews are averages."""
    return cog(
        values,
        grid,
        nodata=NODATA,
        overviews="average",
        description=variable.title,
        scale=variable.scale,
        tags=tags,
    )


def age_cog(age: Int16, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """Age in days, int16 (y, x), -1 = no value."""
    return cog(age, grid, nodata=NO_AGE, overviews="nearest", description="age in days", tags=tags)


def visual_cog(values: Int16, variable: Variable, grid: GeoBox, tags: Mapping[str, str]) -> bytes:
    """A variable (int16, as stored) as a coloured map to look at: 255 classes with a colour table.

    Class 0 is nodata; see `colours.variable_class`.
    """
    return cog(
        variable_class(values, variable),
        grid,
        nodata=0,
        overviews="mode",
        description=f"{variable.title} class",
        table=dict(enumerate(map(tuple, colours(variable.colours).tolist()))),
        tags=tags,
    )
