"""Put the page together and store it."""

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from hydro_pipeline.fields.fields import Field
from hydro_pipeline.fields.file import LONLAT, reprojected
from hydro_pipeline.outputs.colours import colours
from hydro_pipeline.product import AGE
from hydro_pipeline.report import facts
from hydro_pipeline.report.frames import frames
from hydro_pipeline.report.series import series
from hydro_pipeline.storage.keys import report_key
from hydro_pipeline.usecases.state import AreaState
from hydro_pipeline.usecases.status import status
from hydro_pipeline.variable import Anchors

SCRIPTS = ("data", "map", "chart", "table", "main")


@dataclass(frozen=True)
class Report:
    """A page as it was written."""

    key: str
    """Under the root."""
    url: str
    """For people."""
    size: int
    """Bytes."""
    fields: int
    days: int
    warnings: int
    """Sentences on what is wrong with the data."""


def write_report(state: AreaState, to: Path | None = None) -> Report:
    """Write the page of an area from its stored cube, statistics and records.

    It goes to the file `to`; None: under the root. Raises `MissingDayError` if the area has no day
    yet.
    """
    cube, fields = state.made_cube, state.fields.fields
    name, grid, main = cube.area_name, cube.grid, cube.product.main
    records = state.records()
    pictures = frames(state.store, cube)
    told = list(facts.warnings(status(state, cube.last_day)))
    warnings = [*(s for s in pictures.damaged if not any(s in note for note in told)), *told]
    content = {
        "area": {
            "name": name,
            "crs": cube.meaning["crs"],
            "resolution": grid.resolution.x,
            "shape": list(cube.shape),
        },
        "title": main.title,
        "first": str(cube.first_day),
        "days": facts.days(cube, records),
        "maxAge": cube.meaning.get("max_age_days"),
        "fields": _fields(grid, fields),
        "series": series(
            state.stats(),
            main,
            [(f.field_id, f.planting_date) for f in fields],
            cube.first_day,
            cube.length,
        ),
        "frames": {
            "step": pictures.step,
            "shape": list(pictures.shape),
            "days": {cube.index(day): packed for day, packed in pictures.packed.items()},
        },
        "ramps": {
            "ndvi": _ramp(main.colours),
            "age": _ramp(AGE),
        },
        "warnings": warnings,
        "notices": facts.notices(records),
    }
    data = page(content).encode()
    key = report_key(name)
    if to is None:
        state.store.put(key, data)
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data)
    url = state.store.url(key) if to is None else str(to)
    return Report(key, url, len(data), len(fields), cube.length, len(warnings))


def page(content: dict[str, Any]) -> str:
    """The whole page around its content, styles and scripts included."""
    parts = {
        "title": f"{content['title']} of {content['area']['name']}",
        "vendor_css": _read("vendor/leaflet.css") + _read("vendor/uplot.css"),
        "css": _read("page.css"),
        "vendor_js": _read("vendor/leaflet.js") + "\n" + _read("vendor/uplot.js"),
        "js": "\n".join(_read(f"{name}.js") for name in SCRIPTS),
        "content": json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def _read(name: str) -> str:
    """A file of this package; without the pointer to a source map, which would be asked for."""
    source = (files("hydro_pipeline.report") / name).read_text()
    return re.sub(r"^//# sourceMappingURL=.*$", "", source, flags=re.MULTILINE)


def _ramp(anchors: Anchors) -> dict[str, Any]:
    table = colours(anchors)
    return {
        "range": [anchors[0][0], anchors[-1][0]],
        "colours": base64.b64encode(table.tobytes()).decode(),
    }


def _fields(grid: GeoBox, fields: Sequence[Field]) -> list[dict[str, Any]]:
    """Outlines in whole metres right of and below the grid's upper left corner.

    Each season of a field that was planted more than once is one of its own.
    """
    outlines = reprojected(np.array([f.geometry for f in fields], object), LONLAT, str(grid.crs))
    simple = shapely.simplify(outlines, grid.resolution.x / 4)
    left, top = grid.boundingbox.left, grid.boundingbox.top
    seasons = Counter(field.field_id for field in fields)
    return [
        {
            "id": field.field_id
            if seasons[field.field_id] == 1
            else f"{field.field_id} ({field.planting_date})",
            "planted": str(field.planting_date),
            "parts": [
                [
                    [[round(x - left), round(top - y)] for x, y in ring.coords[:-1]]
                    for ring in (polygon.exterior, *polygon.interiors)
                ]
                for polygon in shapely.get_parts(outline)
            ],
        }
        for field, outline in zip(fields, simple, strict=True)
    ]
