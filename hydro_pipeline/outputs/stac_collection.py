"""The STAC collection of an area's products, and the catalog of all areas. Pure."""

import datetime as dt
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pystac
from odc.geo.geobox import GeoBox
from shapely import Polygon, get_coordinates
from shapely.geometry.polygon import orient

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.product import OBSERVED_ON
from hydro_pipeline.storage.keys import (
    catalog_key,
    collection_key,
    cube_key,
    item_key,
    relative,
    stats_folder,
)

EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("datacube/v2.2.0", "processing/v1.1.0")
]
PROVIDER = pystac.Provider(
    "hydro_pipeline",
    roles=[pystac.ProviderRole.PROCESSOR],
    extra_fields={
        "processing:level": "L3",
        "processing:software": {"hydro_pipeline": version("hydro-pipeline")},
    },
)
COPERNICUS = pystac.Provider(
    "European Union, Copernicus", roles=[pystac.ProviderRole.LICENSOR, pystac.ProviderRole.PRODUCER]
)


def collection(area: Area, cube: Cube, days: Sequence[dt.date]) -> dict[str, Any]:
    """The collection of the items of `days`, with the whole cube and the statistics as assets.

    Hrefs are relative to `stac/<area>/collection.json`.
    """
    here, product = collection_key(area.name), cube.product
    begin, end = area.solar_day_window(cube.first_day, cube.last_day)
    made = pystac.Collection(
        area.name,
        f"Daily {product.title} of {area.name} without gaps, its age, and statistics of fields, "
        f"from Sentinel-2; {product.sensor.credit}",
        pystac.Extent(
            pystac.SpatialExtent([list(footprint(cube.grid).bounds)]),
            pystac.TemporalExtent([[begin, end - dt.timedelta(seconds=1)]]),
        ),
        title=f"{product.title} of {area.name}",
        license="other",
        providers=[PROVIDER, COPERNICUS],
        stac_extensions=EXTENSIONS,
        extra_fields=_cube_fields(cube),
    )
    made.add_asset(
        "cube",
        pystac.Asset(
            relative(cube_key(area.name), here),
            title="The whole cube: Icechunk, Zarr v3",
            media_type="application/vnd.zarr; version=3",
            roles=["data"],
        ),
    )
    made.add_asset(
        "field_stats",
        pystac.Asset(
            relative(stats_folder(area.name), here),
            title="Statistics per field and day, partitioned by date",
            media_type="application/vnd.apache.parquet",
            roles=["data"],
        ),
    )
    made.add_links(
        [
            pystac.Link("root", relative(catalog_key(), here), "application/json"),
            pystac.Link("parent", relative(catalog_key(), here), "application/json"),
            *(
                pystac.Link(
                    "item", relative(item_key(area.name, day), here), "application/geo+json"
                )
                for day in days
            ),
        ]
    )
    return made.to_dict(include_self_link=False, transform_hrefs=False)


def footprint(grid: GeoBox) -> Polygon:
    """Outline of the grid in longitude and latitude, to about a metre, counterclockwise."""
    outline = grid.geographic_extent.geom.simplify(1e-6)
    return orient(Polygon(np.round(get_coordinates(outline), 6)))


def catalog(names: Sequence[str]) -> dict[str, Any]:
    """The catalog over the collections of the areas `names`; hrefs relative to `stac/`."""
    here = catalog_key()
    made = pystac.Catalog("hydro_pipeline", "Daily composites without gaps, by area")
    made.clear_links()
    made.add_links(
        [
            pystac.Link("root", relative(here, here), "application/json"),
            *(
                pystac.Link("child", relative(collection_key(name), here), "application/json", name)
                for name in names
            ),
        ]
    )
    return made.to_dict(include_self_link=False, transform_hrefs=False)


def _cube_fields(cube: Cube) -> dict[str, Any]:
    west, south, east, north = cube.grid.boundingbox.bbox
    epsg = int(cube.meaning["crs"].removeprefix("EPSG:"))
    spatial = {"type": "spatial", "reference_system": epsg}
    step = cube.grid.resolution.x
    return {
        "cube:dimensions": {
            "time": {
                "type": "temporal",
                "extent": [f"{cube.first_day}T00:00:00Z", f"{cube.last_day}T00:00:00Z"],
                "step": "P1D",
            },
            "y": {**spatial, "axis": "y", "extent": [south, north], "step": -step},
            "x": {**spatial, "axis": "x", "extent": [west, east], "step": step},
        },
        "cube:variables": {
            **{
                variable.name: {
                    "type": "data",
                    "dimensions": ["time", "y", "x"],
                    "unit": variable.units,
                }
                for variable in cube.product.variables
            },
            "observed_on": {
                "type": "auxiliary",
                "dimensions": ["time", "y", "x"],
                "unit": OBSERVED_ON["units"],
                "description": OBSERVED_ON["long_name"],
            },
        },
    }
