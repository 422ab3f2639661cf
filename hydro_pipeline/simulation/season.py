"""A simulated season in the shape of Earth Search's `sentinel-2-l2a`, whose true NDVI is known.

Scenes come from two overlapping tiles. Of a cycle of five days, one has an overpass that images
both tiles, one has an overpass whose swath edge cuts the western tile, and three have none. Every
third overpass has digital numbers that still carry +1000. Some overpasses see only cloud; the
first sees none. Origins lie on the lattice of the real tiles, so that area grids nest; the tiles
themselves are cut to the area and a margin.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, cos, radians
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize
from shapely import Polygon, box
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.area.area import Area, Bbox
from hydro_pipeline.geotiff import cog
from hydro_pipeline.simulation.item import Granule, make_item
from hydro_pipeline.simulation.land import (
    NOTICE,
    Cover,
    Land,
    Sky,
    Surface,
    Swath,
    render,
)

UTM = "EPSG:32631"
TAGS = {"TIFFTAG_IMAGEDESCRIPTION": NOTICE}
"""Of every file of a scene."""
TILE_EDGE_X = 600_000.0
"""Easting of the eastern tile's upper left corner, as the real 31UFS."""
TILE_OVERLAP_X = 609_780.0
"""Easting at which the real 31UES ends."""
CENTRE_Y = 5_645_100.0
CYCLE_DAYS = 5
CLOUDINESS = (0.0, 0.2, 0.55, 1.0, 0.35, 0.1, 0.8)
"""Cloud cover of successive overpasses, repeated, as a fraction."""
CROPS = (
    ("barley", 0.82, 22.0, 80.0),
    ("maize", 0.88, 38.0, 110.0),
    ("potato", 0.86, 30.0, 95.0),
    ("sugar beet", 0.9, 34.0, 130.0),
)
"""Crop, full-grown NDVI, days from planting to fastest growth and to fastest ripening."""


@dataclass(frozen=True)
class Season:
    """What was simulated, and the truth about it."""

    directory: Path
    """Holds `items.json` (an ItemCollection, hrefs relative to it) and one folder per scene."""
    bbox: Bbox
    """West, south, east, north in degrees."""
    crs: str
    first_day: dt.date
    days: int
    fields_geojson: bytes
    """The fields known from the start, all planted before `first_day`."""
    late_fields_geojson: bytes
    """Fields to enter when the season is over, planted 30 days before its last day."""
    items: list[dict[str, Any]]
    """The STAC items, newest first."""
    land: Land

    @property
    def last_day(self) -> dt.date:
        """Last simulated day."""
        return self.first_day + dt.timedelta(self.days - 1)

    def area(self, name: str) -> Area:
        """The simulated area under a name."""
        return Area.from_bbox(name, self.bbox, self.crs)

    def truth(self, day: dt.date) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """True NDVI on a day, float32 (y, x), on the grid of `area`."""
        rows, columns = self.land.canvas.overlap_roi(self.area("simulated").grid)
        return self.land.ndvi(day, slice(rows.start, rows.stop), slice(columns.start, columns.stop))


def simulate(
    directory: Path,
    *,
    first_day: dt.date,
    days: int,
    size_km: float = 6.0,
    n_fields: int = 40,
    n_late: int = 2,
    seed: int = 1,
    tiles: int = 2,
    overpasses: Sequence[int] = (0, 2),
    margin_m: float = 240.0,
    grain: float = 0.0,
    blocksize: int = 512,
) -> Season:
    """Simulate `days` days over a square of about `size_km`, and write scenes and items.

    The same arguments give the same bytes. `tiles` is 1 or 2. `overpasses` are the days of the
    five-day cycle with an overpass, beginning with 0; every second one has the swath edge.
    Scenes reach `margin_m` beyond the area's grid. `grain` (0 to 0.1) is the relative spread of the
    pixels' brightness: at 0, a pixel of red or nir takes about 0.3 bytes in its file, at 0.02 about
    1.5. Fields lie inside the area, apart from each other. Existing files are overwritten.
    """
    directory.mkdir(parents=True, exist_ok=True)
    bbox = _bbox(size_km)
    grid = Area.from_bbox("simulated", bbox, UTM).grid
    canvas = grid.pad(6 * ceil(margin_m / 60))
    rng = np.random.default_rng([seed, 0])
    shapes = list(_shapes(rng, grid, 960 * size_km, n_fields + n_late))
    last_day = first_day + dt.timedelta(days - 1)
    covers = [
        _cover(rng, first_day - dt.timedelta(int(rng.integers(1, 61)))) for _ in range(n_fields)
    ] + [_cover(rng, last_day - dt.timedelta(30)) for _ in range(n_late)]
    land = _land(rng, canvas, shapes, covers, first_day, grain)
    names = [f"F{n + 1:02d}" for n in range(n_fields)] + [f"L{n + 1:02d}" for n in range(n_late)]
    features = [_feature(*field) for field in zip(names, shapes, covers, strict=True)]

    items: list[dict[str, Any]] = []
    days_with_overpass = [n for n in range(days) if n % CYCLE_DAYS in overpasses]
    for number, offset in enumerate(days_with_overpass):
        day = first_day + dt.timedelta(offset)
        cut = list(overpasses).index(offset % CYCLE_DAYS) % 2 == 1
        sky = Sky.draw(
            np.random.default_rng([seed, 1, number]), canvas.shape.yx, CLOUDINESS[number % 7]
        )
        swath = _swath(grid, canvas, cut)
        for name, columns in _tiles(grid, canvas, tiles):
            footprint = _footprint(canvas, columns, swath)
            if footprint.is_empty:
                continue
            granule = Granule(
                name, day, number, cut, canvas[:, columns], footprint, number % 3 != 2
            )
            pixels = render(land, sky, swath, day, columns, 0 if granule.corrected else 1000)
            item = make_item(granule, pixels.scl)
            folder = directory / item["id"]
            folder.mkdir(exist_ok=True)
            for file, band, on, overviews in (
                ("B04", pixels.red, granule.grid, "average"),
                ("B08", pixels.nir, granule.grid, "average"),
                ("SCL", pixels.scl, granule.grid.zoom_out(2), "nearest"),
            ):
                data = cog(band, on, nodata=0, overviews=overviews, tags=TAGS, blocksize=blocksize)
                (folder / f"{file}.tif").write_bytes(data)
            items.append(item)
    items.sort(key=lambda i: (i["properties"]["datetime"], i["id"]), reverse=True)
    collection = {"type": "FeatureCollection", "description": NOTICE, "features": items}
    (directory / "items.json").write_text(json.dumps(collection, indent=1))
    return Season(
        directory=directory,
        bbox=bbox,
        crs=UTM,
        first_day=first_day,
        days=days,
        fields_geojson=_collection(features[:n_fields]),
        late_fields_geojson=_collection(features[n_fields:]),
        items=items,
        land=land,
    )


def _bbox(size_km: float) -> Bbox:
    """The box whose grid straddles the tiles' edge, 70 % of it in the west."""
    x = TILE_EDGE_X - 200 * size_km
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(x, CENTRE_Y)
    high = size_km / 111.24 / 2
    wide = high / cos(radians(lat))
    west, south, east, north = (
        round(v, 6) for v in (lon - wide, lat - high, lon + wide, lat + high)
    )
    return west, south, east, north


def _tiles(grid: GeoBox, canvas: GeoBox, tiles: int) -> list[tuple[str, slice]]:
    """Names and canvas columns of the tiles."""
    width = canvas.shape[1]
    if tiles == 1:
        return [("31UES", slice(0, width))]
    left, _, right, _ = grid.boundingbox.bbox
    edges = TILE_EDGE_X, min(TILE_OVERLAP_X, left + 0.9 * (right - left))
    start, stop = (6 * round((x - canvas.boundingbox.left) / 60) for x in edges)
    return [("31UES", slice(0, stop)), ("31UFS", slice(start, width))]


def _swath(grid: GeoBox, canvas: GeoBox, cut: bool) -> Swath:
    """The whole canvas, or what is west of a line through 66 % and 50 % of the grid's width."""
    if not cut:
        return Swath(canvas.shape[1], canvas.shape[1])
    margin = (canvas.shape[1] - grid.shape[1]) // 2
    return Swath(margin + 0.66 * grid.shape[1], margin + 0.5 * grid.shape[1])


def _footprint(canvas: GeoBox, columns: slice, swath: Swath) -> BaseGeometry:
    """Outline of a scene's imaged pixels, in metres."""
    height = canvas.shape[0]
    tile = box(columns.start, 0, columns.stop, height)
    imaged = Polygon([(0, 0), (swath.north, 0), (swath.south, height), (0, height)])
    to_metres = canvas.affine.to_shapely()
    return affine_transform(tile.intersection(imaged), to_metres)


def _shapes(rng: np.random.Generator, grid: GeoBox, side_m: float, count: int) -> Iterator[Polygon]:
    """Fields in metres: each in its own cell of a square raster, four to six corners, rotated."""
    per_side = ceil((1.3 * max(count, 1)) ** 0.5)
    cell = side_m / per_side
    left, bottom, right, top = grid.boundingbox.bbox
    origin = np.array([(left + right - side_m) / 2, (bottom + top - side_m) / 2])
    for place in rng.permutation(per_side**2)[:count]:
        centre = origin + cell * (np.array(divmod(int(place), per_side)) + 0.5)
        flat = rng.uniform(0.5, 1.0)
        corners = np.arctan2([flat, flat, -flat, -flat], [1, -1, -1, 1])
        angle = np.sort(corners + rng.uniform(-0.12, 0.12, 4))
        radius = cell * 0.49 * rng.uniform(0.82, 1.0, 4)
        for _ in range(int(rng.integers(0, 3))):
            side = int(rng.integers(1, len(angle)))
            angle = np.insert(angle, side, angle[side - 1 : side + 1].mean())
            radius = np.insert(radius, side, 0.75 * radius[side - 1 : side + 1].mean())
        turned = angle + rng.uniform(0, np.pi)
        yield Polygon(centre + radius[:, None] * np.column_stack([np.cos(turned), np.sin(turned)]))


def _cover(rng: np.random.Generator, sown: dt.date) -> Cover:
    crop, peak, rise, fall = CROPS[int(rng.integers(len(CROPS)))]
    return Cover(
        crop,
        base=float(rng.uniform(0.12, 0.18)),
        peak=peak - float(rng.uniform(0, 0.08)),
        sown=sown,
        rise_days=rise + float(rng.uniform(-4, 4)),
        fall_days=fall,
    )


def _land(
    rng: np.random.Generator,
    canvas: GeoBox,
    shapes: list[Polygon],
    crops: list[Cover],
    first_day: dt.date,
    grain: float,
) -> Land:
    """Fields (pixels whose centre they hold) on a ground of wood, grass and bare soil."""
    long_ago = first_day - dt.timedelta(365)
    ground = (
        Cover("wood", 0.7, 0.85, first_day, 20.0, 1000.0),
        Cover("grass", 0.5, 0.75, first_day, 30.0, 1000.0),
        Cover("bare", 0.12, 0.16, long_ago, 20.0, 1000.0),
    )
    height, width = canvas.shape
    patches = Surface.draw(rng, canvas.shape.yx, (90.0, 35.0))
    index = np.empty(canvas.shape, np.uint16)
    for top in range(0, height, 1024):
        rows = np.arange(top, min(top + 1024, height), dtype=np.float32)
        value = patches.at(rows, np.arange(width, dtype=np.float32))
        index[top : top + 1024] = len(crops) + np.digitize(value, [0.4, 0.6])
    if shapes:
        rasterize(zip(shapes, range(len(shapes)), strict=True), out=index, transform=canvas.affine)
    vigour = Surface.draw(rng, canvas.shape.yx, (60.0, 13.0))
    brightness = np.broadcast_to(np.float16(1), canvas.shape)
    if grain:
        brightness = rng.uniform(1 - grain, 1 + grain, canvas.shape).astype(np.float16)
    return Land(canvas, index, (*crops, *ground), vigour, brightness)


def _feature(field_id: str, shape: Polygon, cover: Cover) -> dict[str, Any]:
    to_degrees = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    ring = [
        [round(float(v), 7) for v in to_degrees.transform(x, y)] for x, y in shape.exterior.coords
    ]
    properties = {
        "field_id": field_id,
        "planting_date": cover.sown.isoformat(),
        "crop": cover.name,
        "description": NOTICE,
    }
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _collection(features: list[dict[str, Any]]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1).encode()
