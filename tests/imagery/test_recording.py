"""A recorded place and time replays as the original: items, decisions and every pixel."""

import datetime as dt
import json
import sys

import numpy as np
import pytest
import rasterio

from hydro_pipeline.area.area import Area
from hydro_pipeline.cli import main as cli
from hydro_pipeline.errors import InputError, SceneReadError
from hydro_pipeline.imagery.load import load, tiling_of
from hydro_pipeline.imagery.recording import record
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.noise_scenes import computed
from tests.support.product import select


def seen(settings, area, first, last):
    """By day: ids used and refused, decisions, and all pixels."""
    days = {}
    for day, items in open_catalog(settings).scenes(area, first, last).items():
        selection = select(items)
        made = load(selection.scenes, area, settings, tiling_of(area))
        pixels = computed(made)
        decisions = [(s.id, s.baseline, s.updated, s.decision) for s in selection.scenes]
        days[day] = decisions, [r.reason for r in selection.refused], pixels
    return days


def assert_same(one, other):
    assert one.keys() == other.keys()
    for day, (decisions, reasons, pixels) in one.items():
        assert other[day][:2] == (decisions, reasons)
        for a, b in zip(pixels, other[day][2], strict=True):
            np.testing.assert_array_equal(a, b)


def span(season):
    return season.first_day, season.first_day + dt.timedelta(5)


@pytest.mark.parametrize("buffer_m", [0, 200])
def test_a_live_catalog_and_its_recording_are_the_same(season, tmp_path, buffer_m):
    west, south, east, north = season.bbox
    wide, high = (east - west) / 3, (north - south) / 3
    area = Area.from_bbox(
        "part", (west + wide, south + high, east - wide, north - high), season.crs
    )
    with StandIn(season.directory) as api:
        live = Settings.load(catalog=api.url, cloud_buffer_m=buffer_m)
        saved = list(record(open_catalog(live), area, *span(season), tmp_path / "out", live))
        original = seen(live, area, *span(season))
    replay = Settings.load(catalog=str(tmp_path / "out" / "items.json"), cloud_buffer_m=buffer_m)
    assert_same(original, seen(replay, area, *span(season)))
    assert [entry.number for entry in saved] == list(range(1, len(saved) + 1))
    assert {entry.of for entry in saved} == {len(saved)}
    assert sum(len(day[0]) for day in original.values()) == len(saved) >= 3
    # Clipped: a small part of the scenes, and as it was stored.
    with rasterio.open(tmp_path / "out" / saved[0].item_id / "red.tif") as file:
        assert file.dtypes == ("uint16",)
        assert file.nodata == 0
        assert file.width < area.grid.shape.x + 2 * (12 + buffer_m // 10) + 3


def test_the_real_case_and_its_recording_are_the_same(realcase, tmp_path):
    area = Area.from_bbox("mol", (5.0532, 51.2176, 5.0577, 51.2197))
    days = dt.date(2023, 2, 9), dt.date(2023, 2, 26)
    live = Settings.load(catalog=str(realcase / "items.json"))
    list(record(open_catalog(live), area, *days, tmp_path, live))
    assert_same(
        seen(live, area, *days),
        seen(Settings.load(catalog=str(tmp_path / "items.json")), area, *days),
    )


def test_another_zone_replays_too(season, tmp_path):
    """The recording of an area in zone 32 of scenes in zone 31, with the pixels warping needs."""
    area = Area.from_bbox("zone", season.bbox, "EPSG:32632")
    live = Settings.load(catalog=str(season.directory / "items.json"))
    list(record(open_catalog(live), area, season.first_day, season.first_day, tmp_path, live))
    assert_same(
        seen(live, area, season.first_day, season.first_day),
        seen(
            Settings.load(catalog=str(tmp_path / "items.json")),
            area, season.first_day, season.first_day,
        ),
    )  # fmt: skip


def test_items_that_cannot_be_used_are_recorded_as_they_are(season, tmp_path):
    document = json.loads((season.directory / "items.json").read_text())
    for feature in document["features"]:
        for asset in feature["assets"].values():
            asset["href"] = str(season.directory / asset["href"])
        del feature["assets"]["nir"]
    (tmp_path / "items.json").write_text(json.dumps(document))
    settings = Settings.load(catalog=str(tmp_path / "items.json"), trusted=str(season.directory))
    area, out = season.area("farm"), tmp_path / "out"
    list(record(open_catalog(settings), area, *span(season), out, settings))
    replay = Settings.load(catalog=str(out / "items.json"))
    assert_same(seen(settings, area, *span(season)), seen(replay, area, *span(season)))


def test_an_id_does_not_lead_out_of_the_directory(season, tmp_path):
    document = json.loads((season.directory / "items.json").read_text())
    document["features"] = document["features"][-1:]
    feature = document["features"][0]
    for asset in feature["assets"].values():
        asset["href"] = str(season.directory / asset["href"])
    feature["id"] = "../../escaped"
    (tmp_path / "items.json").write_text(json.dumps(document))
    settings = Settings.load(catalog=str(tmp_path / "items.json"), trusted=str(season.directory))
    out = tmp_path / "a" / "b" / "out"
    list(record(open_catalog(settings), season.area("farm"), *span(season), out, settings))
    assert {p.name for p in out.iterdir()} == {"______escaped", "items.json", "area.geojson"}


def test_what_cannot_be_saved(season, tmp_path):
    settings = Settings.load(catalog=str(season.directory / "items.json"))
    catalog, area = open_catalog(settings), season.area("farm")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*file/out: cannot be written"):
        list(record(catalog, area, *span(season), tmp_path / "file" / "out", settings))
    broken = json.loads((season.directory / "items.json").read_text())
    (tmp_path / "items.json").write_text(json.dumps(broken))
    elsewhere = Settings.load(catalog=str(tmp_path / "items.json"))
    with pytest.raises(SceneReadError, match=r"scene S2.* could not be read"):
        list(record(open_catalog(elsewhere), area, *span(season), tmp_path / "out", elsewhere))
    assert not (tmp_path / "out" / "items.json").exists()


def test_the_command(season, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRO_CATALOG", str(season.directory / "items.json"))
    Pipeline(Settings.load()).put_area(season.area("farm"))

    def hydro(*arguments):
        monkeypatch.setattr(sys, "argv", ["hydro", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capfd.readouterr()

    span = "--from", "2024-04-01", "--to", "2024-04-03"
    code, out, err = hydro("record", "farm", *span, "--out", "fixture")
    assert code == 0, err
    assert out == (
        f"scenes: 3, {out.split()[2]} MB; replay them: HYDRO_CATALOG=fixture/items.json\n"
    )
    assert Area.from_geojson(
        "farm", (tmp_path / "fixture/area.geojson").read_bytes()
    ) == season.area("farm")
    code, _, err = hydro("record", "farm", *span[2:], "--from", "2024-05-01", "--out", "fixture")
    assert code != 0
    assert "is before --from" in err
