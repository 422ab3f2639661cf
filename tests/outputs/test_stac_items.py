"""The products as STAC: written, valid, found and loaded again by the usual tools."""

import datetime as dt
import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pystac_client
import pytest
from jsonschema import Draft7Validator
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from pystac_client.warnings import PystacClientWarning
from referencing import Registry, Resource

from hydro_pipeline.area.area import Area
from hydro_pipeline.cli import main as cli
from hydro_pipeline.errors import DamagedCubeError, MissingDayError
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.usecases.pipeline import Pipeline

FIRST, LAST = dt.date(2024, 4, 4), dt.date(2024, 4, 6)
DAYS = [FIRST + dt.timedelta(n) for n in range(3)]


@pytest.fixture(scope="module")
def pipeline(made, tmp_path_factory):
    root = tmp_path_factory.mktemp("stac") / "root"
    shutil.copytree(made.settings.root, root)
    return Pipeline(made.settings.model_copy(update={"root": str(root)}))


@pytest.fixture(scope="module")
def published(pipeline):
    assert list(Publication(pipeline.open("demo")).publish(FIRST, LAST)) == DAYS
    return Path(pipeline.settings.root) / "stac"


@pytest.fixture(scope="module")
def collection(published):
    return pystac.Collection.from_file(str(published / "demo/collection.json"))


@pytest.fixture(scope="module")
def items(collection):
    return sorted(collection.get_items(), key=lambda item: item.id)


def test_everything_is_valid_stac(published):
    """Against the schemas of STAC 1.1.0 that pystac ships; those of extensions are online only."""
    schemas = get_local_schema_cache()
    registry = Registry().with_resources(
        (uri, Resource.from_contents(schema)) for uri, schema in schemas.items()
    )
    kinds = {"Catalog": "catalog", "Collection": "collection", "Feature": "item"}
    seen = []
    for file in published.rglob("*.json"):
        document = json.loads(file.read_text())
        name = kinds[document["type"]]
        seen.append(name)
        uri = f"https://schemas.stacspec.org/v1.1.0/{name}-spec/json-schema/{name}.json"
        Draft7Validator(schemas[uri], registry=registry).validate(document)
    assert sorted(seen) == ["catalog", "collection", "item", "item", "item"]


def test_all_links_lead_somewhere(published):
    for file in published.rglob("*.json"):
        document = json.loads(file.read_text())
        hrefs = [link["href"] for link in document["links"]]
        hrefs += [asset["href"] for asset in document.get("assets", {}).values()]
        assert hrefs
        for href in hrefs:
            assert (file.parent / href).resolve().exists(), (file, href)


def test_an_item_says_what_its_day_is(pipeline, items):
    assert [item.id for item in items] == [f"demo_{day}" for day in DAYS]
    item, grid = items[2], pipeline.area("demo").grid
    begin, end = pipeline.area("demo").solar_day_window(DAYS[2], DAYS[2])
    assert begin == item.common_metadata.start_datetime < item.datetime < end
    assert pipeline.area("demo").solar_day(item.datetime) == DAYS[2]
    projection = ProjectionExtension.ext(item)
    assert projection.epsg == 32631
    assert tuple(projection.shape) == tuple(grid.shape)
    assert projection.transform == list(grid.transform)[:6]
    assert (
        item.properties["hydro:observed_fraction"]
        == pipeline.open("demo").cube.daily("observed_fraction")[5]
    )
    bands = {name: RasterExtension.ext(item.assets[name]).bands[0] for name in item.assets}
    ndvi = bands["ndvi"]
    assert (ndvi.nodata, ndvi.scale, ndvi.offset, ndvi.data_type) == (-32768, 1e-4, 0, "int16")
    assert (bands["age"].nodata, bands["visual"].nodata) == (-1, 0)
    data = Path(item.assets["ndvi"].get_absolute_href()).read_bytes()
    file = FileExtension.ext(item.assets["ndvi"])
    assert file.size == len(data)
    assert file.checksum == "1220" + hashlib.sha256(data).hexdigest()


def test_an_item_derives_from_the_scenes_of_its_pixels(pipeline, items):
    """Of the day itself, and of the days before on which its carried pixels were observed."""
    for item, day in zip(items, DAYS, strict=True):
        _, observed_on = pipeline.open("demo").cube.read(day)
        expected = set()
        for number in np.unique(observed_on[observed_on >= 0]).tolist():
            seen_on = dt.date(1970, 1, 1) + dt.timedelta(number)
            record = json.loads(pipeline.store.get(f"scenes/demo/{seen_on}.json"))
            expected |= {u["id"] for u in record["hydro:used"] if u["used_share"]}
        links = item.get_links("derived_from")
        assert {link.title for link in links} == expected
        assert len(links) == len(expected) > 1


def test_scenes_of_an_api_are_linked_there(pipeline, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(pipeline.settings.root, root)
    shutil.rmtree(root / "stac", ignore_errors=True)
    settings = pipeline.settings.model_copy(
        update={"root": str(root), "catalog": "https://example.org/v1"}
    )
    list(Publication(Pipeline(settings).open("demo")).publish(LAST, LAST))
    item = json.loads((root / "stac/demo/2024-04-06/demo_2024-04-06.json").read_text())
    hrefs = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    start = "https://example.org/v1/collections/sentinel-2-l2a/items/S2"
    assert hrefs
    assert all(href.startswith(start) for href in hrefs)


def test_the_collection_describes_the_cube(pipeline, collection):
    cube = DatacubeExtension.ext(collection)
    west, south, east, north = pipeline.area("demo").grid.boundingbox.bbox
    assert cube.dimensions["x"].extent == [west, east]
    assert cube.dimensions["y"].extent == [south, north]
    assert cube.dimensions["time"].extent == ["2024-04-01T00:00:00Z", "2024-04-10T00:00:00Z"]
    assert cube.variables["ndvi"].dimensions == ["time", "y", "x"]
    assert {p.name for p in collection.providers} == {
        "hydro_pipeline",
        "European Union, Copernicus",
    }


def test_odc_stac_loads_the_cube_again(pipeline, items):
    loaded = odc.stac.load(items, bands=["ndvi", "age"])
    assert loaded.odc.geobox == pipeline.area("demo").grid
    for n, day in enumerate(DAYS):
        (ndvi,), _ = pipeline.open("demo").cube.read(day)
        np.testing.assert_array_equal(loaded.ndvi[n], ndvi)
        assert loaded.ndvi.nodata == -32768
        np.testing.assert_array_equal(loaded.age[n] == -1, ndvi == -32768)


def test_pystac_client_finds_it(published, items):
    with warnings.catch_warnings():
        # A static catalog claims no conformance to the API.
        warnings.simplefilter("ignore", PystacClientWarning)
        client = pystac_client.Client.open(str(published / "catalog.json"))
        found = client.get_collection("demo")
        assert sorted(item.id for item in found.get_items()) == [item.id for item in items]


def test_only_what_changed_is_written_again(pipeline, published, monkeypatch, capsys):
    assert list(Publication(pipeline.open("demo")).publish(FIRST, LAST)) == []
    file = published / "demo/2024-04-05/demo_2024-04-05.json"
    item = json.loads(file.read_text())
    item["properties"]["hydro:revision"] = 0
    file.write_text(json.dumps(item))
    monkeypatch.setenv("HYDRO_ROOT", pipeline.settings.root)
    monkeypatch.setattr(
        sys, "argv", ["hydro", "stac", "demo", "--from", str(FIRST), "--to", str(LAST)]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert capsys.readouterr().out.startswith("1 days written; ")


def test_a_damaged_day_is_told_after_the_others_were_published(made, tmp_path, monkeypatch):
    shutil.copytree(made.settings.root, tmp_path / "root")
    settings = made.settings.model_copy(update={"root": str(tmp_path / "root")})
    publication = Publication(Pipeline(settings).open("demo"))
    whole = Publication._item

    def item(self, day):
        if day == DAYS[1]:
            raise DamagedCubeError(f"{day} is damaged", day)
        return whole(self, day)

    monkeypatch.setattr(Publication, "_item", item)
    published = publication.publish(FIRST, LAST)
    assert [next(published), next(published)] == [DAYS[0], DAYS[2]]
    with pytest.raises(DamagedCubeError, match=f"{DAYS[1]} is damaged"):
        next(published)


def test_what_is_not_there_is_named(pipeline):
    with pytest.raises(MissingDayError, match="2024-05-01 is not in the cube"):
        list(Publication(pipeline.open("demo")).publish(None, dt.date(2024, 5, 1)))
    pipeline.put_area(Area.from_bbox("new", (5.0, 51.0, 5.01, 51.01)))
    with pytest.raises(MissingDayError, match="the cube is empty"):
        list(Publication(pipeline.open("new")).publish(None, None))
