"""An area: a bounding box, the one pixel grid that it is pinned to, and its solar days."""

import datetime as dt
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area.crs import inexact
from hydro_pipeline.area.name import check_characters
from hydro_pipeline.area.rules import Rules, rules_of
from hydro_pipeline.errors import AreaError
from hydro_pipeline.outside.words import printable, shown

SNAP_M = 60.0
"""Grids are snapped outward to multiples of this, so that 10, 20 and 60 m bands nest."""

MAX_SIDE_M = 400_000.0

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True)
class Area:
    """A named bounding box with its grid. Make one with `Area.from_bbox`."""

    name: str
    bbox: Bbox
    """West, south, east, north in degrees, WGS 84."""
    crs: str
    """Projected CRS of the grid in metres, as `EPSG:n`."""
    resolution: float = 10.0
    """Pixel size, metres; divides 60."""
    rules: Rules = ()
    """Settings that are this area's own."""

    @classmethod
    def from_bbox(
        cls,
        name: str,
        bbox: Bbox,
        crs: str | None = None,
        resolution: float = 10.0,
        rules: Rules = (),
    ) -> "Area":
        """Validate and pin an area.

        `crs` defaults to the UTM zone of the centre. Raises `AreaError` for a reversed, empty or
        out-of-range box, one over the antimeridian or outside UTM, an unknown or unprojected CRS or
        one that degrees cannot be moved to exactly (see `inexact`), or a resolution that does not
        divide 60 m.
        """
        check_characters(name)
        _check_bbox(name, bbox)
        if not resolution > 0 or SNAP_M % resolution != 0:
            raise AreaError(
                f"area {name}: resolution {resolution:g} m must divide {SNAP_M:g} m, "
                "for example 10, 20 or 60"
            )
        crs = _metric_crs(name, crs or utm_crs(name, bbox), bbox)
        area = cls(name, bbox, crs, resolution, rules)
        height, width = area.grid.shape
        if max(height, width) * resolution > MAX_SIDE_M:
            raise AreaError(
                f"area {name}: {width * resolution / 1000:.0f} x "
                f"{height * resolution / 1000:.0f} km is larger than {MAX_SIDE_M / 1000:.0f} km "
                "on a side; split it into several areas"
            )
        return area

    @cached_property
    def grid(self) -> GeoBox:
        """The pixel grid: `bbox` in `crs`, snapped outward to multiples of 60 m, north up."""
        to_grid = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        bounds = to_grid.transform_bounds(*self.bbox, densify_pts=101)
        if not all(map(math.isfinite, bounds)):
            raise AreaError(f"area {self.name}: {self.bbox} cannot be projected to {self.crs}")
        west, south = (math.floor(v / SNAP_M) * SNAP_M for v in bounds[:2])
        east, north = (math.ceil(v / SNAP_M) * SNAP_M for v in bounds[2:])
        return GeoBox.from_bbox((west, south, east, north), self.crs, resolution=self.resolution)

    @property
    def _solar_offset(self) -> dt.timedelta:
        west, _, east, _ = self.bbox
        return dt.timedelta(hours=(west + east) / 2 / 15)

    def solar_day(self, moment: dt.datetime) -> dt.date:
        """The mean solar date at the area's centre (UTC + longitude / 15 h); `moment` is aware."""
        return (moment.astimezone(dt.UTC) + self._solar_offset).date()

    def solar_day_window(self, first: dt.date, last: dt.date) -> tuple[dt.datetime, dt.datetime]:
        """UTC start (inclusive) and end (exclusive) of the solar days `first` to `last`."""
        midnight = dt.datetime.combine(first, dt.time(), dt.UTC)
        days = (last - first).days + 1
        return midnight - self._solar_offset, midnight - self._solar_offset + dt.timedelta(days)

    def to_geojson(self) -> bytes:
        """The area as a GeoJSON Feature, as stored in `inputs/<area>/area.geojson`."""
        rules = {"rules": dict(self.rules)} if self.rules else {}
        feature = {
            "type": "Feature",
            "bbox": list(self.bbox),
            "geometry": box(*self.bbox).__geo_interface__,
            "properties": {
                "name": self.name, "crs": self.crs, "resolution": self.resolution, **rules
            },
        }  # fmt: skip
        return json.dumps(feature, indent=1).encode()

    @classmethod
    def from_geojson(
        cls, name: str, data: bytes | str, crs: str | None = None, resolution: float | None = None
    ) -> "Area":
        """An area from any GeoJSON in degrees: the bounding box of all its geometry.

        `crs` and `resolution` override those in the properties; its rules are taken from there.
        Raises `AreaError`.
        """
        try:
            document = json.loads(data)
            geometries = [shape(g) for g in _geometries(document)]
            properties = document.get("properties") or {}
        except Exception as error:
            why = printable(f"{type(error).__name__}: {error}")
            raise AreaError(f"area {name}: not readable as GeoJSON: {why}") from None
        bounds = [g.bounds for g in geometries if not g.is_empty]
        if not bounds:
            raise AreaError(f"area {name}: the GeoJSON has no geometry")
        west, south = (min(b[i] for b in bounds) for i in (0, 1))
        east, north = (max(b[i] for b in bounds) for i in (2, 3))
        if resolution is None:
            stored = properties.get("resolution")
            resolution = float(stored) if stored is not None else 10.0
        crs = crs or properties.get("crs")
        given = properties.get("rules") or {}
        if not isinstance(given, dict):
            raise AreaError(f"area {name}: its rules are {shown(repr(given))}, no object")
        rules = rules_of(name, given)
        return cls.from_bbox(name, (west, south, east, north), crs, resolution, rules)

    def footprint(self) -> BaseGeometry:
        """Outline of the grid in the grid's CRS."""
        return box(*self.grid.boundingbox.bbox)


def utm_crs(name: str, bbox: Bbox) -> str:
    """`EPSG:326xx` or `EPSG:327xx` of the box's centre, with the zones of Norway and Svalbard.

    Zone rules: Defense Mapping Agency, TM 8358.2 (1989). Raises `AreaError` beyond 84 N or 80 S.
    """
    west, south, east, north = bbox
    lon, lat = (west + east) / 2, (south + north) / 2
    if north > 84 or south < -80:
        raise AreaError(
            f"area {name}: latitudes {south:g} to {north:g} leave the range of UTM (-80 to 84); "
            "give a projected CRS with --crs"
        )
    zone = min(int((lon + 180) // 6) + 1, 60)
    if 56 <= lat < 64 and 3 <= lon < 12:
        zone = 32
    if lat >= 72 and 0 <= lon < 42:
        zone = 31 + 2 * int((lon + 3) // 12)
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def _check_bbox(name: str, bbox: Bbox) -> None:
    if len(bbox) != 4 or not all(math.isfinite(v) for v in bbox):
        raise AreaError(f"area {name}: bounding box {bbox} must be four numbers W,S,E,N in degrees")
    west, south, east, north = bbox
    shown = f"area {name}: bounding box {west:g},{south:g},{east:g},{north:g}"
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise AreaError(
            f"{shown}: longitudes lie in -180..180, latitudes in -90..90 (order W,S,E,N)"
        )
    if west == east or south == north:
        raise AreaError(f"{shown} has zero size: give west < east and south < north")
    if south > north:
        raise AreaError(f"{shown} is reversed: south is above north (order W,S,E,N)")
    if east - west > 180 or (west > 90 and east < -90):
        raise AreaError(
            f"{shown} crosses the antimeridian, which is not supported: "
            "split it at 180 degrees into two areas"
        )
    if west > east:
        raise AreaError(f"{shown} is reversed: west is beyond east (order W,S,E,N)")


def _metric_crs(name: str, text: str, bbox: Bbox) -> str:
    try:
        crs = CRS.from_user_input(text)
        epsg = crs.to_epsg()
        # A code is found for what is only like it, too.
        if epsg is not None and not CRS.from_epsg(epsg).equals(crs, ignore_axis_order=True):
            epsg = None
    except (CRSError, TypeError, ValueError):
        raise AreaError(
            f"area {name}: unknown CRS {shown(text)}; give one like EPSG:32631"
        ) from None
    if epsg is None or not crs.is_projected or crs.axis_info[0].unit_name != "metre":
        raise AreaError(
            f"area {name}: CRS {shown(text)} must be a projected EPSG code in metres, "
            "like EPSG:32631"
        )
    west, south, east, north = bbox
    x = np.array([west, west, east, east, (west + east) / 2])
    y = np.array([south, north, south, north, (south + north) / 2])
    if why := next(filter(None, inexact(CRS("EPSG:4326"), crs, x, y)), None):
        raise AreaError(
            f"area {name}: degrees cannot be moved to CRS {shown(text)} ({crs.name}) exactly: "
            f"{why}; use the UTM zone, by leaving out --crs"
        )
    return f"EPSG:{epsg}"


def _geometries(document: dict[str, Any]) -> list[dict[str, Any]]:
    match document["type"]:
        case "FeatureCollection":
            return [g for f in document["features"] for g in _geometries(f)]
        case "Feature":
            return [document["geometry"]]
        case _:
            return [document]
