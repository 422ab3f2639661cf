"""Where things are is part of what is stored: a key that changes loses what is there."""

import datetime as dt
import re
from pathlib import Path

import pytest

from hydro_pipeline.storage import keys

DAY = dt.date(2026, 5, 1)
ROOTS = ("cubes", "scenes", "field_stats", "inputs", "stac", "reports", "weights", "settled")


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        (keys.area_key("mol"), "inputs/mol/area.geojson"),
        (keys.fields_key("mol", "late/a.geojson"), "inputs/mol/fields/late/a.geojson"),
        (keys.cube_state_key("mol"), "cubes/mol/repo"),
        (keys.scenes_key("mol", DAY), "scenes/mol/2026-05-01.json"),
        (keys.note_key("mol", DAY, "day"), "scenes/mol/2026-05-01.failed.json"),
        (keys.note_key("mol", DAY, "cube"), "scenes/mol/2026-05-01.cube.failed.json"),
        (keys.stats_key("mol", DAY), "field_stats/area=mol/date=2026-05-01/part-0.parquet"),
        (keys.weights_key("mol"), "weights/mol.arrow"),
        (keys.settled_key("mol"), "settled/mol.json"),
        (keys.report_key("mol"), "reports/mol/index.html"),
        (keys.frames_key("mol"), "reports/mol/frames.json"),
        (keys.catalog_key(), "stac/catalog.json"),
        (keys.collection_key("mol"), "stac/mol/collection.json"),
        (keys.item_key("mol", DAY), "stac/mol/2026-05-01/mol_2026-05-01.json"),
        (keys.map_key("mol", DAY, "ndvi"), "stac/mol/2026-05-01/ndvi.tif"),
        (keys.probe_key("x"), ".probe/x"),
        (keys.lock_key("cubes/mol"), ".locks/cubes%mol.lock"),
    ],
)
def test_every_key_is_where_it_always_was(key, stored):
    assert key == stored


def test_what_is_made_is_in_the_folder_that_is_listed():
    assert keys.area_key("mol").startswith(keys.area_folder("mol") + "/")
    assert keys.fields_key("mol", "a").startswith(keys.fields_folder("mol") + "/")
    for key in (keys.scenes_key("mol", DAY), keys.note_key("mol", DAY, "day")):
        assert key.startswith(keys.scenes_folder("mol") + "/")


def test_days_are_read_back_from_where_they_are():
    assert keys.noted(keys.note_key("mol", DAY, "day")) == (DAY, "day")
    assert keys.noted(keys.note_key("mol", DAY, "cube")) == (DAY, "cube")
    assert keys.noted(keys.scenes_key("mol", DAY)) is None
    assert keys.noted("scenes/mol/2026-13-01.failed.json") is None
    folder = keys.stats_key("mol", DAY).removeprefix(keys.stats_folder("mol") + "/").split("/")[0]
    assert keys.stats_day(folder) == DAY
    folder = keys.item_key("mol", DAY).removeprefix(keys.collection_folder("mol") + "/")
    assert keys.item_day(folder.split("/")[0]) == DAY


@pytest.mark.parametrize(
    "folder", ["", "2026-13-01", "catalog.json", "20260101", "2026-01-01 copy"]
)
def test_a_folder_of_no_day_has_none(folder):
    assert keys.stats_day(f"date={folder}") is None
    assert keys.stats_day(folder) is None
    assert keys.item_day(folder) is None


def test_hrefs_between_documents():
    collection = keys.collection_key("mol")
    assert keys.relative(keys.catalog_key(), collection) == "../catalog.json"
    assert keys.relative(collection, keys.catalog_key()) == "./mol/collection.json"
    assert keys.relative(keys.cube_key("mol"), collection) == "../../cubes/mol"
    item = keys.item_key("mol", DAY)
    assert keys.relative(item, collection) == "./2026-05-01/mol_2026-05-01.json"
    assert keys.relative(keys.scenes_key("mol", DAY), item) == "../../../scenes/mol/2026-05-01.json"


def test_no_other_module_writes_a_key():
    package = Path(keys.__file__).parents[1]
    joined = re.compile(rf"""f["'][^"'\n]*\b(?:{"|".join(ROOTS)})/[^"'\n]*\{{""")
    for path in package.rglob("*.py"):
        if path != Path(keys.__file__):
            assert joined.search(path.read_text()) is None, path
