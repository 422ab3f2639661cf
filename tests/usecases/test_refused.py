"""Refused is not no scene: a day fails, or is made with a warning that stays in view."""

import copy
import datetime as dt
import json
import re

import dagster as dg
import pytest

from hydro_pipeline.cli import main as cli
from hydro_pipeline.cli.progress import DaysRun
from hydro_pipeline.defs import metadata
from hydro_pipeline.errors import CatalogAnswerError, SceneError
from hydro_pipeline.report import facts
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.usecases import quality
from hydro_pipeline.usecases.scenes import skip_scene
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of, pixels, set_up

SERVICES = {
    "Planetary Computer": {"red": "B04", "nir": "B08", "scl": "SCL"},
    "CDSE": {"red": "B04_10m", "nir": "B08_10m", "scl": "SCL_20m"},
}


@pytest.fixture
def catalog(season, tmp_path):
    """Writes the season's items, changed, to a file; hrefs stay those of the season's files."""

    def write(change):
        features = []
        for item in season.items:
            feature = copy.deepcopy(item)
            for asset in feature["assets"].values():
                asset["href"] = str(season.directory / asset["href"])
            features += change(feature)
        path = tmp_path / "changed.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return str(path)

    return write


def rekeyed(feature, keys):
    feature["assets"] = {keys[name]: asset for name, asset in feature["assets"].items()}
    return [feature]


@pytest.mark.parametrize("keys", SERVICES.values(), ids=SERVICES.keys())
def test_the_keys_of_other_services_give_the_same_pixels(season, made, tmp_path, catalog, keys):
    path = catalog(lambda feature: rekeyed(feature, keys))
    pipeline = set_up(season, tmp_path / "root", catalog=path, trusted=str(season.directory))
    list(pipeline.ingest_days("farm", days_of(season)[:4]))
    assert pixels(pipeline) == pixels(made, "demo")[:4]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda f: rekeyed(f, {"red": "visual", "nir": "B8A", "scl": "AOT"}),
            r"no asset 'red' or 'B04' or 'B04_10m'; its assets: AOT, B8A, visual",
        ),
        (
            lambda f: rekeyed(f, {"red": "red", "nir": "nir", "scl": "SCL_60m"}),
            r"no asset 'scl' or 'SCL' or 'SCL_20m'; its assets: SCL_60m, nir, red",
        ),
        (
            lambda f: [f | {"assets": f["assets"] | {"scl": "scl.tif"}}],
            r"no asset 'scl' or .*; its assets: nir, red",
        ),
        (
            lambda f: [f | {"assets": {}}],
            r"no asset 'red' or .*; its assets: none",
        ),
    ],
)
def test_a_day_whose_scenes_are_all_refused_fails_and_leaves_nothing_but_a_note(
    season, tmp_path, catalog, change, said
):
    pipeline = set_up(
        season, tmp_path / "root", catalog=catalog(change), trusted=str(season.directory)
    )
    days = days_of(season)
    with pytest.raises(SceneError, match=rf"farm {days[0]}: all of \d scenes are refused .*{said}"):
        list(pipeline.ingest_days("farm", days))
    state = pipeline.open("farm")
    assert state.cube is None
    (note,) = status(state, days[0]).notes
    assert "scenes are refused" in note.told


SHUT = {
    "http://169.254.169.254/a.tif": "http is only spoken to a catalog that is asked over it",
    "https://169.254.169.254/a.tif": "169.254.169.254 is inside a network",
    "https://localhost:9000/bucket/a.tif": "localhost is .*, inside a network",
    "/etc/passwd": "a file beyond the catalog's folder",
    "vrt:///vsicurl/http://a/b": "vrt:// is not read",
}


def with_shut(feature, key, href):
    """The item, and another one of its pass, one of whose files is at `href`."""
    other = copy.deepcopy(feature)
    other["id"] += "X"
    other["properties"]["platform"] = "sentinel-2z"
    other["assets"][key]["href"] = href
    return [feature, other]


@pytest.mark.parametrize(("href", "why"), SHUT.items())
@pytest.mark.parametrize("key", ["red", "scl"])
def test_a_scene_whose_files_are_not_opened_is_refused_and_the_others_are_used(
    season, made, tmp_path, catalog, key, href, why
):
    path = catalog(lambda feature: with_shut(feature, key, href))
    pipeline = set_up(season, tmp_path / "root", catalog=path, trusted=str(season.directory))
    (report,) = pipeline.ingest_days("farm", days_of(season)[:1])
    assert pixels(pipeline) == pixels(made, "demo")[:1]
    assert report.refused
    assert all(each.id.endswith("X") for each in report.refused)
    (warning,) = report.warnings
    assert re.search(rf"scenes refused: .*X: its {key} is not opened: .*{why}", warning)


def test_a_day_none_of_whose_files_are_opened_fails_until_its_scenes_are_skipped(
    season, tmp_path, catalog
):
    path = catalog(lambda feature: with_shut(feature, "nir", "https://10.0.0.1/a.tif")[1:])
    pipeline = set_up(season, tmp_path / "root", catalog=path, trusted=str(season.directory))
    day = days_of(season)[0]
    with pytest.raises(SceneError, match=r"scenes are refused .*nir is not opened: 10\.0\.0\.1"):
        list(pipeline.ingest_days("farm", [day]))
    area = pipeline.area("farm")
    offer = pipeline.catalog(area).scenes(area, day, day)[day]
    state, now = pipeline.open("farm"), dt.datetime.now(dt.UTC)
    for item in offer.known:
        skip_scene(state, item.id, "me", now, "it is inside")
    (report,) = pipeline.ingest_days("farm", [day])
    assert report.outcome == "no scene"
    assert not report.refused


def test_a_day_with_one_refused_scene_is_made_and_says_so_wherever_one_looks(
    season, made, tmp_path, catalog, monkeypatch, capsys
):
    """Each day's first scene is there again, under another id, with red and without a mask."""
    days = days_of(season)[:6]

    def twice(feature):
        other = copy.deepcopy(feature)
        other["id"] += "X"
        other["properties"]["platform"] = "sentinel-2z"
        del other["assets"]["scl"]
        is_first = feature["properties"]["datetime"][:10] == str(days[0])
        return [feature, other] if is_first else [feature]

    path = catalog(twice)
    pipeline = set_up(season, tmp_path / "root", catalog=path, trusted=str(season.directory))
    reports = list(pipeline.ingest_days("farm", days))
    assert pixels(pipeline) == pixels(made, "demo")[:6]
    first, others = reports[0], reports[1:]
    count = len(first.refused)
    assert count >= 1
    assert first.outcome == "observed"
    (warning,) = first.warnings
    assert warning.startswith(f"{count} of {2 * count} scenes refused: ")
    assert "X: it has no asset 'scl' or 'SCL' or 'SCL_20m'; its assets: nir, red" in warning
    assert not [r for r in others if r.refused or r.warnings]

    state = pipeline.open("farm")
    found = status(state, days[-1])
    assert found.refused == {days[0]: count}
    assert found.warnings == (f"{days[0]}: {warning}",)
    assert found.outcomes["refused"] == 0
    assert list(facts.warnings(found))[-1] == f"{days[0]}: {warning}"
    assert [d["refused"] for d in facts.days(state.made_cube, state.records())] == [count, *[0] * 5]
    assert quality.refused(state, days) == [f"{days[0]}: {warning}"]
    told = metadata.of_composite(first, pipeline.store)
    assert told["refused"] == count
    assert isinstance(told["scenes refused"], dg.MarkdownMetadataValue)
    assert f"{count} scenes refused on 1 days" in DaysRun(reports).summary()
    assert "refused" not in DaysRun(others).summary()

    monkeypatch.setenv("HYDRO_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("HYDRO_CATALOG", path)
    cli.app(["status", "farm"], standalone_mode=False)
    printed = capsys.readouterr()
    assert f"  refused {count} scenes on 1 days" in printed.out
    assert f"{days[0]}: {warning}" in printed.err


def test_a_day_with_nothing_but_a_broken_item_is_refused_not_without_a_scene(
    season, made, tmp_path, catalog
):
    days = days_of(season)[:6]

    def broken(feature):
        if feature["properties"]["datetime"][:10] == str(days[0]):
            feature["properties"]["datetime"] = "yesterday"
        return [feature]

    pipeline = set_up(
        season, tmp_path / "root", catalog=catalog(broken), trusted=str(season.directory)
    )
    reports = list(pipeline.ingest_days("farm", days))
    assert reports[0].outcome == "refused"
    assert reports[0].refused[0].id.startswith("S2")
    assert {r.outcome for r in reports[1:]} <= {"observed", "all cloud", "no scene"}
    found = status(pipeline.open("farm"), days[-1])
    assert found.outcomes["refused"] == 1
    assert sum(found.outcomes.values()) == 6
    assert "it is no STAC item: Invalid isoformat" in found.warnings[0]


def test_a_wrong_collection_commits_nothing(season, tmp_path):
    with StandIn(season.directory) as api:
        pipeline = set_up(season, tmp_path, catalog=api.url, collection="s2_l2a")
        with pytest.raises(CatalogAnswerError, match="has no collection s2_l2a, but sent"):
            list(pipeline.ingest_days("farm", days_of(season)))
    assert pipeline.open("farm").cube is None
