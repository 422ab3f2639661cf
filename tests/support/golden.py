"""What the season of the tests leaves in its root, told in few and exact facts.

They are kept in `tests/data/stored/golden.json`. After a wanted change of what is stored:
python -m tests.support.golden
"""

import datetime as dt
import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zarr

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.usecases.pipeline import Pipeline

KEPT = Path(__file__).parents[1] / "data/stored/golden.json"


def facts(pipeline: Pipeline, area: str, published: Pipeline) -> dict[str, Any]:
    """Of an area's cube, rows, records; of the STAC items that `published` writes of two days."""
    cube = Cube.open(pipeline.store, area)
    assert cube is not None
    first = cube.first_day + dt.timedelta(3)
    list(Publication(published.open(area)).publish(first, first + dt.timedelta(1)))
    catalog = str(Path(pipeline.settings.catalog).parent)
    return {
        "cube": _cube(cube),
        "commits": [
            {"message": c.message, **{k: v for k, v in c.metadata.items() if k != "run_id"}}
            for c in cube.history()
        ],
        "rows": {str(day): _rows(pipeline, area, day) for day in cube.days},
        "records": {
            str(day): _digest(
                (pipeline.store.get(f"scenes/{area}/{day}.json") or b"").replace(
                    catalog.encode(), b"CATALOG"
                )
            )
            for day in cube.days
        },
        "stac": {
            stored.key: _stac(published.store.get(stored.key) or b"")
            for stored in published.store.listing("stac")
        },
    }


def _cube(cube: Cube) -> dict[str, Any]:
    return {
        "attributes": dict(cube.group.attrs),
        "arrays": {
            name: {
                "metadata": array.metadata.to_dict(),
                "digest": _digest(np.ascontiguousarray(array[...]).tobytes()),
            }
            for name, array in sorted(cube.group.arrays())
            if isinstance(array, zarr.Array)
        },
    }


def _rows(pipeline: Pipeline, area: str, day: dt.date) -> dict[str, Any]:
    rows = pipeline.open(area).stats(day, day).drop_columns(["computed_at"])
    told = [
        {name: round(v, 9) if isinstance(v, float) else str(v) for name, v in row.items()}
        for row in rows.to_pylist()
    ]
    return {
        "schema": [f"{field.name} {field.type} {field.nullable}" for field in rows.schema],
        "count": rows.num_rows,
        "digest": _digest(json.dumps(told).encode()),
    }


def _stac(data: bytes) -> Any:
    """A document whole, but for what says which library wrote it; of a map its pixels."""
    if data[:1] != b"{":
        with rasterio.open(io.BytesIO(data)) as tif:
            return {
                "pixels": _digest(tif.read().tobytes()),
                "profile": {k: str(v) for k, v in sorted(tif.profile.items())},
                "tags": tif.tags(),
            }
    document = json.loads(data)
    for asset in document.get("assets", {}).values():
        asset.pop("file:size", None)
        asset.pop("file:checksum", None)
    return document


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Write the facts anew."""
    from hydro_pipeline.settings import Settings
    from tests.support.seasons import make_season, small_season

    with tempfile.TemporaryDirectory() as folder:
        made = make_season(small_season(Path(folder) / "season"), Settings.load(root=folder))
        found = json.loads(json.dumps(facts(made, "demo", made)))
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
