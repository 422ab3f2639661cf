"""The +1000 of baseline 04.00, on real pixels: whichever way a scene comes, NDVI is the same."""

import copy
import datetime as dt
import json

import numpy as np
import pytest
import rasterio

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import SceneError
from hydro_pipeline.product import NODATA
from hydro_pipeline.scenes.day_record import from_bytes
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.noise_scenes import ANYWHERE

FIRST, LAST = dt.date(2023, 2, 14), dt.date(2023, 4, 15)
DAYS = [FIRST + dt.timedelta(n) for n in range((LAST - FIRST).days + 1)]
CLEAR = ("20230214", "20230405")
"""Two fully clear days."""


@pytest.fixture(scope="module")
def variant(realcase, tmp_path_factory):
    """Writes the real items of the days, changed, beside their files, changed; gives the folder."""
    items = json.loads((realcase / "items.json").read_text())["features"]
    days = {f"{day:%Y%m%d}" for day in DAYS}
    items = [item for item in items if item["id"].split("_")[2] in days]

    def write(name, change, brighter=()):
        folder = tmp_path_factory.mktemp(name)
        made = []
        for item in items:
            feature = copy.deepcopy(item)
            for asset in feature["assets"].values():
                asset["href"] = str(realcase / asset["href"])
            if item["id"].split("_")[2] in brighter:
                for band in ("red", "nir"):
                    asset = feature["assets"][band]
                    asset["href"] = add_1000(asset["href"], folder / f"{item['id']}_{band}.tif")
            change(feature, item["id"].split("_")[2])
            made.append(feature)
        (folder / "items.json").write_text(
            json.dumps({"type": "FeatureCollection", "features": made})
        )
        return folder

    return write


def add_1000(source, target) -> str:
    with rasterio.open(source) as file:
        profile, pixels = file.profile, file.read()
    pixels[pixels > 0] += 1000
    with rasterio.open(target, "w", **profile) as file:
        file.write(pixels)
    return str(target)


def run(folder, tmp_path, **settings) -> Pipeline:
    catalog = str(folder / "items.json")
    pipeline = Pipeline(
        Settings.load(
            root=str(tmp_path), catalog=catalog, cloud_buffer_m=0, trusted=ANYWHERE, **settings
        )
    )
    pipeline.put_area(Area.from_bbox("mol", (5.0512, 51.2156, 5.0607, 51.2217)))
    for _ in pipeline.ingest_days("mol", DAYS):
        pass
    return pipeline


def composites(pipeline) -> dict[dt.date, np.ndarray]:
    cube = pipeline.open("mol").cube
    return {day: cube.read(day).values[0] for day in cube.days}


def used(pipeline, day) -> dict:
    record = from_bytes(pipeline.store.get(scenes_key("mol", day)))
    return record["hydro:used"][0]


@pytest.fixture(scope="module")
def plain(variant, tmp_path_factory):
    folder = variant("plain", lambda feature, day: None)
    return composites(run(folder, tmp_path_factory.mktemp("root")))


def test_the_right_ndvi(plain):
    spring = plain[dt.date(2023, 4, 5)]
    assert np.median(spring[spring != NODATA]) / 1e4 == pytest.approx(0.861, abs=0.01)


def test_two_days_that_still_carry_1000(variant, plain, tmp_path):
    def flag(feature, day):
        if day in CLEAR:
            feature["properties"]["earthsearch:boa_offset_applied"] = False

    pipeline = run(variant("mixed", flag, brighter=CLEAR), tmp_path)
    got = composites(pipeline)
    for day, expected in plain.items():
        np.testing.assert_array_equal(got[day], expected, str(day))
    carried, corrected = used(pipeline, dt.date(2023, 4, 5)), used(pipeline, dt.date(2023, 4, 15))
    assert (carried["offset"], carried["finding"]) == (-0.1, "uncorrected")
    assert (corrected["offset"], corrected["finding"]) == (0.0, "corrected")
    assert carried["contradiction"] is corrected["contradiction"] is None


def test_all_days_as_collection_1(variant, plain, tmp_path):
    def collection_1(feature, day):
        satellite, tile, date, _, _ = feature["id"].split("_")
        feature["id"] = f"{satellite}_T{tile}_{date}T105720_L2A"
        feature["collection"] = "sentinel-2-c1-l2a"
        del feature["properties"]["earthsearch:boa_offset_applied"]
        del feature["properties"]["s2:sequence"]

    days = {f"{day:%Y%m%d}" for day in DAYS}
    folder = variant("c1", collection_1, brighter=days)
    pipeline = run(folder, tmp_path, collection="sentinel-2-c1-l2a")
    got = composites(pipeline)
    for day, expected in plain.items():
        np.testing.assert_array_equal(got[day], expected, str(day))
    assert used(pipeline, dt.date(2023, 4, 5))["finding"] == "uncorrected"


def test_a_flag_that_lies_is_reported_or_stops_the_day(variant, tmp_path):
    """The DN carry +1000 on two days, but the flag says that they do not."""
    folder = variant("lie", lambda feature, day: None, brighter=CLEAR)
    settings = {"root": str(tmp_path), "catalog": str(folder / "items.json"), "cloud_buffer_m": 0}
    settings["trusted"] = ANYWHERE
    area = Area.from_bbox("mol", (5.0512, 51.2156, 5.0607, 51.2217))
    day = FIRST

    def ingest(check):
        pipeline = Pipeline(Settings.load(**settings, offset_check=check))
        pipeline.put_area(area)
        return pipeline, list(pipeline.ingest_days("mol", [day]))

    with pytest.raises(SceneError, match=r"S2A_31UFS_20230214_0_L2A .* look uncorrected, but"):
        ingest("fail")
    pipeline, reports = ingest("warn")
    assert len(reports[0].warnings) == 1
    assert "look uncorrected" in reports[0].warnings[0]
    record = used(pipeline, day)
    assert record["boa_offset_applied"] is True
    assert (record["finding"], record["offset"]) == ("uncorrected", 0.0)
    assert record["contradiction"] == reports[0].warnings[0]
    _, reports = ingest("off")
    assert reports[0].warnings == ()
