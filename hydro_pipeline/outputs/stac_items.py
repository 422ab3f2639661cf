"""The products of an area as a static STAC catalog beside them: `stac/<area>/`."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pystac
from shapely.geometry import mapping

from hydro_pipeline.days import number_day
from hydro_pipeline.errors import DamagedCubeError, StoredObjectError
from hydro_pipeline.grid import Window
from hydro_pipeline.outputs.exports import day_cogs, visual_name
from hydro_pipeline.outputs.stac_collection import catalog, collection, footprint
from hydro_pipeline.product import NO_AGE, NODATA, Product
from hydro_pipeline.storage.keys import (
    STAC,
    catalog_key,
    collection_folder,
    collection_key,
    item_day,
    item_key,
    map_key,
    relative,
    scenes_key,
)
from hydro_pipeline.usecases.state import AreaState

EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "raster/v1.1.0", "processing/v1.1.0", "file/v2.1.0")
]


@dataclass(frozen=True)
class Publication:
    """The catalog of one area as it is now."""

    state: AreaState

    def publish(self, first: dt.date | None, last: dt.date | None) -> Iterator[dt.date]:
        """Write item and maps of each day of a range (None: no bound); yields the days written.

        A day that is published as it is in the cube, with all its maps, is left alone. The
        collection follows last. Raises `MissingDayError` if a bound is not in the cube, and
        `DamagedCubeError` after all other days if one cannot be read.
        """
        cube, store, name = self.state.made_cube, self.state.store, self.state.name
        start, stop = cube.index(first or cube.first_day), cube.index(last or cube.last_day)
        damaged: list[DamagedCubeError] = []
        maps = _maps(cube.product).keys()
        for day in cube.days[start : stop + 1]:
            key = item_key(name, day)
            published = store.get(key)
            if published is not None and _published(published) == (cube.revisions[day], maps):
                continue
            try:
                item = self._item(day)
            except DamagedCubeError as error:
                damaged.append(error)
                continue
            store.put(key, _json(item))
            yield day
        days = [d for d in map(item_day, store.folders(collection_folder(name))) if d]
        made = collection(self.state.area, cube, days)
        store.put(collection_key(name), _json(made))
        store.put(catalog_key(), _json(catalog(store.folders(STAC))))
        if damaged:
            raise damaged[0]

    def _item(self, day: dt.date) -> dict[str, Any]:
        """The item of a day, whose maps are stored first."""
        cube, area = self.state.made_cube, self.state.area
        height, width = cube.shape
        index = cube.index(day)
        begin, end = area.solar_day_window(day, day)
        outline = footprint(cube.grid)
        item = pystac.Item(
            f"{area.name}_{day}",
            geometry=mapping(outline),
            bbox=list(outline.bounds),
            datetime=begin + (end - begin) / 2,
            start_datetime=begin,
            end_datetime=end - dt.timedelta(seconds=1),
            collection=area.name,
            stac_extensions=EXTENSIONS,
            properties={
                "gsd": cube.grid.resolution.x,
                "constellation": cube.product.sensor.constellation,
                "proj:code": cube.meaning["crs"],
                "proj:shape": [height, width],
                "proj:transform": list(cube.grid.transform)[:6],
                "processing:level": "L3",
                "processing:lineage": f"{cube.product.title} of what was seen clear on the day, "
                "else the value of the day before",
                "processing:software": {"hydro_pipeline": version("hydro-pipeline")},
                "hydro:revision": cube.revisions[day],
                "hydro:observed_fraction": float(cube.daily("observed_fraction")[index]),
                "hydro:valid_fraction": float(cube.daily("valid_fraction")[index]),
            },
        )
        maps = _maps(cube.product)
        for name, data in day_cogs(cube, day, Window.whole(cube.shape)).items():
            self.state.store.put(map_key(area.name, day, name), data)
            item.add_asset(name, _asset(name, *maps[name], data))
        here, its_collection = item_key(area.name, day), collection_key(area.name)
        for rel, key in (
            ("root", catalog_key()),
            ("parent", its_collection),
            ("collection", its_collection),
        ):
            item.add_link(pystac.Link(rel, relative(key, here), "application/json"))
        item.add_links(list(self._sources(day)))
        return item.to_dict(include_self_link=False, transform_hrefs=False)

    def _sources(self, day: dt.date) -> Iterator[pystac.Link]:
        """Links to the scenes of every day on which a pixel of this day was observed."""
        observed_on = self.state.made_cube.read(day).observed_on
        for number in np.unique(observed_on[observed_on != NODATA]).tolist():
            seen_on = number_day(number)
            key = scenes_key(self.state.name, seen_on)
            record_href = relative(key, item_key(self.state.name, day))
            try:
                record = self.state.record(seen_on)
            except StoredObjectError:
                record = None
            record = record or {"hydro:used": [], "features": []}
            collections = {item["id"]: item.get("collection") for item in record["features"]}
            for used in record["hydro:used"]:
                if used["used_share"]:
                    href = self._scene_href(used["id"], collections.get(used["id"]), record_href)
                    yield pystac.Link("derived_from", href, "application/geo+json", used["id"])

    def _scene_href(self, scene: str, scene_collection: str | None, record: str) -> str:
        """Where the scene's item is: in the API it came from, else in the day's own record."""
        settings = self.state.settings
        if settings.catalog_is_api and scene_collection:
            root = settings.catalog.rstrip("/")
            return f"{root}/collections/{scene_collection}/items/{scene}"
        return record


def _maps(product: Product) -> dict[str, tuple[str, dict[str, Any]]]:
    """Title and band of each of a day's maps, by name; see `exports.day_cogs`."""
    maps: dict[str, tuple[str, dict[str, Any]]] = {
        "age": (
            f"Days since the {product.title} was observed",
            {"nodata": NO_AGE, "data_type": "int16", "unit": "d"},
        )
    }
    for variable in product.variables:
        maps[variable.name] = (
            f"{variable.title}, gaps filled from earlier days",
            {
                "nodata": NODATA,
                "data_type": "int16",
                "scale": variable.scale,
                "offset": 0,
                "unit": variable.units,
            },
        )
        maps[visual_name(product, variable)] = (
            f"{variable.title} as a coloured map",
            {"nodata": 0, "data_type": "uint8"},
        )
    return maps


def _asset(name: str, title: str, band: dict[str, Any], data: bytes) -> pystac.Asset:
    return pystac.Asset(
        f"./{name}.tif",
        title=title,
        media_type=pystac.MediaType.COG,
        roles=["visual"] if name.startswith("visual") else ["data"],
        extra_fields={
            "raster:bands": [band],
            "file:size": len(data),
            # A multihash: sha2-256, 32 bytes.
            "file:checksum": "1220" + hashlib.sha256(data).hexdigest(),
        },
    )


def _published(item: bytes) -> tuple[int, Set[str]] | None:
    """Revision and maps of a day as it was published; None if these cannot be read: it is published
    anew.
    """
    try:
        told = json.loads(item)
        return int(told["properties"]["hydro:revision"]), told["assets"].keys()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()
