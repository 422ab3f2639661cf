"""STAC items of the simulated season, with the keys of Earth Search's `sentinel-2-l2a`."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from shapely import get_coordinates
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.simulation.land import NOTICE

API = "https://earth-search.aws.element84.com/v1"
BASELINE = "05.10"
SCL_SHARES = {
    "dark_features": 2,
    "cloud_shadow": 3,
    "vegetation": 4,
    "not_vegetated": 5,
    "water": 6,
    "unclassified": 7,
    "medium_proba_clouds": 8,
    "high_proba_clouds": 9,
    "thin_cirrus": 10,
    "snow_ice": 11,
}
EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("mgrs/v1.0.0", "eo/v1.0.0", "view/v1.0.0", "raster/v1.1.0", "grid/v1.0.0")
] + ["https://stac-extensions.github.io/projection/v1.0.0/schema.json"]


@dataclass(frozen=True)
class Granule:
    """One tile of one overpass."""

    tile: str
    """MGRS name, as `31UFS`."""
    day: dt.date
    overpass: int
    """Running number; satellites alternate with every second one."""
    second_orbit: bool
    grid: GeoBox
    """10 m pixels of the files."""
    footprint: BaseGeometry
    """Outline of the imaged pixels, metres in the grid's CRS."""
    corrected: bool
    """True if the digital numbers are reflectance x 10000, False if they carry +1000."""


def make_item(granule: Granule, scl: NDArray[np.uint8]) -> dict[str, Any]:
    """The STAC item of a granule; asset hrefs are relative to the season's directory.

    `scl` (y, x), 0 = nodata, gives the shares of the classes.
    """
    tile, epsg = granule.tile, CRS.from_user_input(granule.grid.crs).to_epsg()
    satellite = "AB"[granule.overpass // 2 % 2]
    relative_orbit = 8 if granule.second_orbit else 51
    sensed = dt.datetime.combine(granule.day, dt.time(10, 50, 31), dt.UTC)
    start = f"{sensed:%Y%m%dT%H%M%S}"
    passed = sensed + dt.timedelta(seconds=412.024 + (tile == "31UES") * 4.381)
    made = sensed + dt.timedelta(hours=5)
    published = f"{made + dt.timedelta(hours=4):%Y-%m-%dT%H:%M:%S}.000Z"
    compact = BASELINE.replace(".", "")
    item_id = f"S2{satellite}_{tile}_{granule.day:%Y%m%d}_0_L2A"
    counts = np.bincount(scl.ravel(), minlength=12)
    shares = counts / max(int(counts[1:].sum()), 1) * 100
    geometry = _in_degrees(granule.footprint, f"EPSG:{epsg}")
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    properties = {
        "description": NOTICE,
        "created": published,
        "platform": f"sentinel-2{satellite.lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": round(float(shares[8:11].sum()), 6),
        "proj:epsg": epsg,
        "mgrs:utm_zone": int(tile[:2]),
        "mgrs:latitude_band": tile[2],
        "mgrs:grid_square": tile[3:],
        "grid:code": f"MGRS-{tile}",
        "view:sun_azimuth": 155.0,
        "view:sun_elevation": 55.0,
        "s2:nodata_pixel_percentage": round(float(counts[0]) / scl.size * 100, 6),
        **{f"s2:{name}_percentage": round(float(shares[n]), 6) for name, n in SCL_SHARES.items()},
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": BASELINE,
        "s2:product_uri": f"S2{satellite}_MSIL2A_{start}_N{compact}_R{relative_orbit:03d}_T{tile}_"
        f"{made:%Y%m%dT%H%M%S}.SAFE",
        "s2:generation_time": f"{made:%Y-%m-%dT%H:%M:%S}.000000Z",
        "s2:datatake_id": f"GS2{satellite}_{start}_{granule.overpass:06d}_N{BASELINE}",
        "s2:datatake_type": "INS-NOBS",
        "datetime": f"{passed:%Y-%m-%dT%H:%M:%S.%f}Z",
        "s2:sequence": "0",
        "earthsearch:payload_id": f"simulated/{item_id}",
        "earthsearch:boa_offset_applied": granule.corrected,
        "updated": published,
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "properties": properties,
        "geometry": geometry,
        "links": [
            {"rel": rel, "href": f"{API}/collections/sentinel-2-l2a", "type": "application/json"}
            for rel in ("parent", "collection")
        ]
        + [{"rel": "root", "href": API, "type": "application/json"}],
        "assets": {
            "nir": _band("nir", 8, "NIR 1", f"{item_id}/B08.tif", granule.grid),
            "red": _band("red", 4, "Red", f"{item_id}/B04.tif", granule.grid),
            "scl": {
                **_file(f"{item_id}/SCL.tif", granule.grid.zoom_out(2)),
                "title": "Scene classification map (SCL)",
                "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}],
            },
        },
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "stac_extensions": EXTENSIONS,
        "collection": "sentinel-2-l2a",
    }


def _file(href: str, grid: GeoBox) -> dict[str, Any]:
    return {
        "href": href,
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
        "roles": ["data", "reflectance"],
    }


def _band(name: str, number: int, title: str, href: str, grid: GeoBox) -> dict[str, Any]:
    description = f"{title} (band {number})"
    wavelength, width = {"red": (0.665, 0.038), "nir": (0.842, 0.145)}[name]
    return {
        **_file(href, grid),
        "title": f"{description} - 10m",
        "eo:bands": [
            {
                "name": name,
                "common_name": name,
                "description": description,
                "center_wavelength": wavelength,
                "full_width_half_max": width,
            }
        ],
        "gsd": 10,
        "raster:bands": [
            {
                "nodata": 0,
                "data_type": "uint16",
                "bits_per_sample": 15,
                "spatial_resolution": 10,
                "scale": 0.0001,
                "offset": -0.1,
            }
        ],
    }


def _in_degrees(footprint: BaseGeometry, crs: str) -> dict[str, Any]:
    """A GeoJSON polygon, densified so that its sides follow the grid's to within a metre."""
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    outline = get_coordinates(footprint.segmentize(5000))
    ring = [[round(float(v), 9) for v in to_degrees.transform(x, y)] for x, y in outline]
    return {"type": "Polygon", "coordinates": [ring]}
