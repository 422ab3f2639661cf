"""Save what a catalog answers, and the pixels over an area, as a static catalog to replay."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import InputError
from hydro_pipeline.geotiff import cog
from hydro_pipeline.imagery.gdal import drop_cached, gdal_environment
from hydro_pipeline.imagery.opening import opened
from hydro_pipeline.imagery.reading import read_with_retries
from hydro_pipeline.scenes.catalog import Catalog
from hydro_pipeline.scenes.doors import Doors
from hydro_pipeline.settings import Settings

SCENES_AT_ONCE = 8
MARGIN_M = 120.0
"""Pixels kept around the area, metres, on top of the cloud buffer: resampling reaches there."""


@dataclass(frozen=True)
class Recorded:
    """One item that was saved."""

    day: dt.date
    item_id: str
    bytes: int
    """Size of its files."""
    number: int
    """1 for the first item."""
    of: int
    """How many items there are."""


@dataclass(frozen=True)
class _Clip:
    """A window of a file."""

    pixels: NDArray[Any]
    """(y, x), as stored."""
    grid: GeoBox
    nodata: float | None


def record(
    catalog: Catalog, area: Area, first: dt.date, last: dt.date, out: Path, settings: Settings
) -> Iterator[Recorded]:
    """Save the items of the solar days `first` to `last` and their pixels over `area` under `out`.

    Writes `area.geojson`, a folder per item with the files of the product (the same values on the
    same pixels, clipped) and, last, `items.json`: an ItemCollection for `HYDRO_CATALOG`, its hrefs
    relative to it. Files already there are written anew. Raises what the catalog raises,
    `SceneGoneError`, `SceneReadError`, and `InputError` if `out` cannot be written.
    """
    found = [
        (day, item) for day, items in catalog.scenes(area, first, last).items() for item in items
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        features = []
        with ThreadPoolExecutor(SCENES_AT_ONCE) as pool:
            saved = pool.map(lambda entry: _save(entry[1], area, out, settings), found)
            for number, ((day, item), (feature, size)) in enumerate(
                zip(found, saved, strict=True), start=1
            ):
                features.append(feature)
                yield Recorded(day, item.id, size, number, len(found))
        collection = {"type": "FeatureCollection", "features": features}
        (out / "area.geojson").write_bytes(area.to_geojson())
        (out / "items.json").write_text(json.dumps(collection, indent=1))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error}") from None


def _save(
    item: pystac.Item, area: Area, out: Path, settings: Settings
) -> tuple[dict[str, Any], int]:
    """The item with hrefs relative to `out`, and the bytes of the files written for it."""
    feature = item.to_dict(include_self_link=False, transform_hrefs=False)
    size = 0
    for band in settings.product.files:
        name = next((key for key in band.keys if key in item.assets), None)
        if name is not None:
            clip = _read(item, name, area, settings)
            path = out / re.sub(r"[^\w-]", "_", item.id) / f"{name}.tif"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(cog(clip.pixels, clip.grid, nodata=clip.nodata, overviews=None))
            size += path.stat().st_size
            feature["assets"][name] |= {
                "href": path.relative_to(out).as_posix(),
                "proj:code": str(clip.grid.crs),
                "proj:shape": list(clip.grid.shape),
                "proj:transform": list(clip.grid.affine)[:6],
                "hydro:recorded_from": item.assets[name].href,
            }
    return feature, size


def _read(item: pystac.Item, name: str, area: Area, settings: Settings) -> _Clip:
    """The part of a file that lies over the area, or its nearest pixels if none does."""
    href = item.assets[name].href
    drop_cached(href)

    def read(path: str) -> _Clip:
        with opened(path) as file:
            window = _window(file, area, MARGIN_M + settings.cloud_buffer_m)
            pixels = file.read(1, window=window)
            grid = GeoBox(pixels.shape, file.window_transform(window), file.crs)
            return _Clip(pixels, grid, file.nodata)

    with gdal_environment(settings):
        return read_with_retries(item.id, href, Doors.of(settings), read)


def _window(file: rasterio.DatasetReader, area: Area, margin_m: float) -> Window:
    """Whole pixels of `file` around the area and its margin; at least one, in the file's range."""
    left, bottom, right, top = area.grid.boundingbox.bbox
    wide = (left - margin_m, bottom - margin_m, right + margin_m, top + margin_m)
    crs = CRS.from_user_input(str(area.grid.crs))
    bounds = wide if crs == file.crs else transform_bounds(crs, file.crs, *wide, densify_pts=101)
    to_pixels = ~file.transform
    (c0, r0), (c1, r1) = to_pixels * (bounds[0], bounds[3]), to_pixels * (bounds[2], bounds[1])
    columns, rows = _span(c0, c1, file.width), _span(r0, r1, file.height)
    return Window.from_slices(rows, columns)


def _span(start: float, stop: float, size: int) -> tuple[int, int]:
    first = int(np.clip(floor(start + 1e-6), 0, size - 1))
    return first, int(np.clip(ceil(stop - 1e-6), first + 1, size))
