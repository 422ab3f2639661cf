"""What was recorded stays: a catalog that lost scenes, files that are gone, and ways past them."""

import copy
import datetime as dt
import json
import shutil
from types import SimpleNamespace

import pytest

from hydro_pipeline.errors import InputError, SceneError, SceneGoneError
from hydro_pipeline.scenes.decisions import history, read_decisions
from hydro_pipeline.scenes.scene import Selection, Verdict
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import simulate
from hydro_pipeline.simulation.server import Fault, StandIn
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.usecases import late_scenes, quality, scenes
from hydro_pipeline.usecases.late_scenes import changed_days, look
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of, pixels, run, set_up, table

FIRST = dt.date(2024, 4, 1)
NOW = dt.datetime(2024, 4, 13, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Twelve days; scenes on six of them, those of one overpass all cloud."""
    folder = tmp_path_factory.mktemp("twelve")
    return simulate(folder, first_day=FIRST, days=12, size_km=0.9, n_fields=2, n_late=0)


@pytest.fixture(scope="module")
def server(twelve):
    with StandIn(twelve.directory) as stand_in:
        yield stand_in


@pytest.fixture
def earth_search(server, twelve):
    """The catalog, offering everything and failing nothing at the beginning of each test."""
    server.items, server.fault = copy.deepcopy(twelve.items), None
    yield server
    server.fault = None


@pytest.fixture(scope="module")
def made_root(twelve, server, tmp_path_factory):
    """The root of the twelve days as they should be."""
    root = tmp_path_factory.mktemp("made") / "root"
    run(set_up(twelve, root, catalog=server.url), days_of(twelve))
    return root


@pytest.fixture
def made(made_root, earth_search, tmp_path):
    """The twelve days, to be changed."""
    shutil.copytree(made_root, tmp_path / "root")
    return again(earth_search, tmp_path)


def again(earth_search, folder, **settings):
    """The use cases with nothing remembered, and a look-back over the whole season."""
    given = {"root": str(folder / "root"), "catalog": earth_search.url, "lookback_days": 30}
    return Pipeline(Settings.load(**given, **settings))


def day_of(item):
    return dt.date.fromisoformat(item["properties"]["datetime"][:10])


def on(twelve, day):
    """Ids of the scenes of a day."""
    return sorted(item["id"] for item in twelve.items if day_of(item) == day)


def seen_days(twelve):
    return sorted({day_of(item) for item in twelve.items})


def gone(*ids, status=404):
    """Files of some scenes, of all where none is named, answer so."""
    return lambda request: (
        Fault(status=status)
        if request.kind == "cog" and (not ids or any(i in request.path for i in ids))
        else None
    )


def share(pipeline):
    return pipeline.open("farm").cube.daily("observed_fraction").tolist()


OFFERS = {
    "no items": lambda items: [],
    "a third lacks": lambda items: [item for n, item in enumerate(items) if n % 3],
    "a page lacks": lambda items: items[:2] + items[5:],
    "no item of one tile": lambda items: [item for item in items if "31UES" not in item["id"]],
    "older versions": lambda items: [older(item) for item in items],
    "items that lack an asset": lambda items: [without(item, "scl") for item in items],
}


def older(item):
    item["properties"] |= {"updated": "2001-01-01T00:00:00Z"}
    return item


def without(item, asset):
    del item["assets"][asset]
    return item


@pytest.mark.parametrize("offer", OFFERS)
def test_what_the_catalog_does_not_offer_stays(made, earth_search, twelve, tmp_path, offer):
    before, rows, shares = pixels(made), table(made), share(made)
    assert max(shares) > 0.5
    earth_search.items = OFFERS[offer](earth_search.items)
    offered = {item["id"] for item in earth_search.items}
    assert changed_days(made.open("farm"), NOW) == {}
    lacking = sorted((day_of(i), i["id"]) for i in twelve.items if i["id"] not in offered)
    found = status(made.open("farm"), FIRST)
    assert sorted((each.day, each.scene) for each in found.missing) == lacking
    assert len(quality.not_offered(made.open("farm"))) == len(lacking)
    run(again(earth_search, tmp_path), days_of(twelve))
    assert (pixels(made), table(made), share(made)) == (before, rows, shares)
    earth_search.items = copy.deepcopy(twelve.items)
    assert changed_days(made.open("farm"), NOW) == {}
    assert status(made.open("farm"), FIRST).missing == ()


def test_a_cube_that_is_made_anew_has_its_recorded_scenes(made, earth_search, twelve, tmp_path):
    before = pixels(made)
    earth_search.items = []
    shutil.rmtree(tmp_path / "root/cubes")
    run(again(earth_search, tmp_path), days_of(twelve))
    assert pixels(made) == before


@pytest.mark.parametrize("status_code", [403, 404])
def test_where_files_are_gone_too_the_stored_pixels_stay(
    made, earth_search, twelve, tmp_path, status_code
):
    before, rows = pixels(made), table(made)
    earth_search.items, earth_search.fault = [], gone(status=status_code)
    assert changed_days(made.open("farm"), NOW) == {}
    with pytest.raises(SceneGoneError, match="what is stored of 5 days stays"):
        run(again(earth_search, tmp_path), days_of(twelve))
    assert (pixels(made), table(made)) == (before, rows)
    notes = status(made.open("farm"), FIRST).notes
    assert [note.day for note in notes] == seen_days(twelve)
    assert all("what is stored of it stays" in note.told for note in notes)
    assert changed_days(made.open("farm"), NOW) == {}

    earth_search.fault = None
    readable = changed_days(made.open("farm"), NOW)
    assert set(readable.values()) == {"its files can be read again"}
    run(again(earth_search, tmp_path), list(readable))
    assert status(made.open("farm"), FIRST).notes == ()
    assert (pixels(made), table(made)) == (before, rows)


def test_a_day_that_cannot_be_made_again_holds_up_no_other(made, earth_search, twelve, tmp_path):
    one, other = seen_days(twelve)[1], seen_days(twelve)[3]
    late = on(twelve, other)[0]
    for day in (one, other):
        for item in earth_search.items:
            if day_of(item) == day:
                item["properties"]["updated"] = "2030-01-01T00:00:00Z"
    before = pixels(made)
    earth_search.fault = gone(*on(twelve, one))
    changed = changed_days(made.open("farm"), NOW)
    assert list(changed) == [one, other]
    done = []
    with pytest.raises(SceneGoneError, match=f"farm: {one}: scene .* what is stored of 1 day stay"):
        done.extend(r.day for r in made.ingest_days("farm", [one, other]))
    assert done == [other]
    assert pixels(made) == before
    assert list(changed_days(made.open("farm"), NOW)) == [one]
    assert made.open("farm").record(other)["hydro:used"][0]["updated"].startswith("2030")
    assert late in {used["id"] for used in made.open("farm").record(other)["hydro:used"]}


@pytest.mark.parametrize("left", [None, 1])
@pytest.mark.slow
def test_a_record_that_lags_behind_its_day_loses_nothing(
    made, earth_search, twelve, tmp_path, left
):
    """As after a kill between a commit and the record of it."""
    day = next(d for d in seen_days(twelve) if len(on(twelve, d)) == 2)
    before, key = pixels(made), scenes_key("farm", day)
    record = json.loads(made.store.get(key))
    if left is None:
        made.store.delete(key)
    else:
        short = record | {name: record[name][:left] for name in ("hydro:used", "features")}
        made.store.put(key, json.dumps(short).encode())
    earth_search.items = []
    assert changed_days(made.open("farm"), NOW) == {}
    with pytest.raises(SceneError, match=f"{day} was made from 2 scenes"):
        run(again(earth_search, tmp_path), days_of(twelve))
    assert pixels(made) == before
    earth_search.items = copy.deepcopy(twelve.items)
    assert list(changed_days(made.open("farm"), NOW)) == [day]
    run(again(earth_search, tmp_path), [day])
    assert made.open("farm").record(day)["hydro:used"] == record["hydro:used"]


def test_a_broken_record_is_told_and_holds_up_no_other_look(made, earth_search, twelve):
    broken, other = seen_days(twelve)[:2]
    made.store.put(scenes_key("farm", broken), b"{")
    for item in earth_search.items:
        item["properties"]["updated"] = "2030-01-01T00:00:00Z"
    looks = {each.day: each for each in look(made.open("farm"), FIRST, FIRST.replace(day=12))}
    assert "is not the record of a day" in looks[broken].change
    assert looks[broken].problem is None
    assert "has changed" in looks[other].change


@pytest.mark.parametrize("status_code", [403, 404])
def test_after_so_many_failures_a_day_is_made_without_the_scene_until_it_is_back(
    earth_search, twelve, made_root, tmp_path, status_code
):
    day = seen_days(twelve)[2]
    first, last = on(twelve, day)
    days = [d for d in days_of(twelve) if d <= day]
    pipeline = set_up(twelve, tmp_path / "root", catalog=earth_search.url, skip_after_failures=3)
    earth_search.fault = gone(first, status=status_code)
    for tried in (1, 2):
        with pytest.raises(SceneGoneError, match=first):
            run(pipeline, days[-1:] if tried > 1 else days)
        assert pipeline.open("farm").cube.last_day == days[-2]
        (note,) = status(pipeline.open("farm"), FIRST).notes
        assert (note.day, note.times) == (day, tried)
    (report,), _ = run(pipeline, days[-1:])
    assert (report.scenes, [left.item.id for left in report.left_out]) == ((last,), [first])
    assert report.left_out[0].decision.by == "HYDRO_SKIP_AFTER_FAILURES"
    found = status(pipeline.open("farm"), FIRST)
    assert (found.notes, [each.scene for each in found.left_out]) == ((), [first])
    record = pipeline.open("farm").record(day)
    assert [(left["id"], left["verdict"]) for left in record["hydro:left_out"]] == [(first, "skip")]

    looking = again(earth_search, tmp_path, skip_after_failures=3)
    assert changed_days(looking.open("farm"), NOW) == {}
    earth_search.items = []
    assert changed_days(looking.open("farm"), NOW) == {}
    earth_search.fault = None
    assert changed_days(looking.open("farm"), NOW) == {day: f"{first} can be read again"}
    assert read_decisions(pipeline.store, "farm") == {}
    assert [each.by for each in history(pipeline.store, "farm")][1:] == ["late scenes"]
    run(looking, [day])
    reference = Pipeline(pipeline.settings.model_copy(update={"root": str(made_root)}))
    assert pixels(pipeline) == pixels(reference)[: len(days)]
    assert changed_days(looking.open("farm"), NOW) == {}


def test_several_scenes_of_a_day_are_skipped_one_after_the_other(earth_search, twelve, tmp_path):
    day = seen_days(twelve)[0]
    pipeline = set_up(twelve, tmp_path / "root", catalog=earth_search.url, skip_after_failures=1)
    earth_search.fault = gone(*on(twelve, day))
    reports, _ = run(pipeline, days_of(twelve)[:3])
    assert reports[0].outcome == "no scene"
    assert [left.item.id for left in reports[0].left_out] == on(twelve, day)
    assert len(reports) == 3


def test_pixels_in_the_cube_are_never_skipped_by_themselves(made, earth_search, twelve, tmp_path):
    before = pixels(made)
    bad = seen_days(twelve)[1]
    earth_search.fault = gone(*on(twelve, bad))
    pipeline = again(earth_search, tmp_path, skip_after_failures=1)
    for _ in range(2):
        with pytest.raises(SceneGoneError):
            list(pipeline.ingest_days("farm", [bad]))
    assert (pixels(made), history(made.store, "farm")) == (before, [])
    for item in earth_search.items:
        if day_of(item) == bad:
            item["properties"]["updated"] = "2030-01-01T00:00:00Z"
            for asset in item["assets"].values():
                asset["href"] = f"moved/{asset['href']}"
    earth_search.fault = None
    (report,) = pipeline.ingest_days("farm", [bad])
    assert {each.scene for each in history(made.store, "farm")} == set(on(twelve, bad))
    assert list(report.scenes) == on(twelve, bad)
    assert pixels(made) == before


def test_the_operator_skips_and_takes_back(made, earth_search, twelve, tmp_path):
    before, day = pixels(made), seen_days(twelve)[2]
    scene = on(twelve, day)[0]
    earth_search.fault = gone(scene)
    state = made.open("farm")
    assert scenes.skip_scene(state, scene, "ada", NOW, "404 for good") == [day]
    (report,) = made.ingest_days("farm", [day])
    assert scene not in report.scenes
    assert pixels(made) != before
    earth_search.items = []
    assert scenes.undo(state, scene, Verdict.SKIP, "ada", NOW) == [day]
    earth_search.fault = None
    run(again(earth_search, tmp_path), [day])
    assert pixels(made) == before


def test_one_look_tries_to_open_the_files_of_32(monkeypatch):
    days = [FIRST + dt.timedelta(n) for n in range(40)]
    monkeypatch.setattr(late_scenes, "opens", lambda hrefs, settings: True)
    state, nothing = SimpleNamespace(settings=None), Selection((), ())
    assert len(late_scenes._opened(state, dict.fromkeys(days, nothing), days)) == 32
    assert late_scenes._opened(state, dict.fromkeys(days, nothing), days[:9]) == set(days[:9])


def test_a_scene_whose_files_open_is_not_unskipped_by_that(made, earth_search, twelve):
    day = seen_days(twelve)[2]
    scene = on(twelve, day)[0]
    scenes.skip_scene(made.open("farm"), scene, "ada", NOW, "its pixels are nonsense")
    assert changed_days(made.open("farm"), NOW) == {day: f"{scene} is skipped"}
    list(made.ingest_days("farm", [day]))
    assert changed_days(made.open("farm"), NOW) == {}
    (item,) = [item for item in earth_search.items if item["id"] == scene]
    item["properties"]["updated"] = "2030-01-01T00:00:00Z"
    assert changed_days(made.open("farm"), NOW) == {day: f"{scene} is new"}


@pytest.mark.parametrize("offered", [True, False])
def test_drop_then_undo_gives_the_same_days(made, earth_search, twelve, tmp_path, offered):
    before, day = pixels(made), seen_days(twelve)[2]
    scene = on(twelve, day)[0]
    record = made.open("farm").record(day)
    assert scenes.drop(made.open("farm"), scene, "ada", NOW, "haze") == [day]
    run(made, [day])
    assert pixels(made) != before
    uses = {(use.scene, use.state) for use in scenes.scene_uses(made.open("farm"), day, day)}
    assert (scene, "dropped") in uses
    if not offered:
        earth_search.items = []
    assert scenes.undo(made.open("farm"), scene, Verdict.DROP, "ada", NOW) == [day]
    run(again(earth_search, tmp_path), [day])
    assert pixels(made) == before
    now = made.open("farm").record(day)
    assert (now["hydro:used"], now["features"]) == (record["hydro:used"], record["features"])


def test_what_is_not_known_cannot_be_decided_on(made, twelve):
    state = made.open("farm")
    with pytest.raises(InputError, match="no scene 'S2A_31UFS_20240401_9_L2A' is in its records"):
        scenes.drop(state, "S2A_31UFS_20240401_9_L2A", "ada", NOW)
    with pytest.raises(InputError, match="has no drop to undo: nothing is decided on it"):
        scenes.undo(state, twelve.items[0]["id"], Verdict.DROP, "ada", NOW)
    assert history(made.store, "farm") == []


def test_a_scene_of_a_day_that_is_not_made_yet_can_be_skipped(earth_search, twelve, tmp_path):
    day, days = seen_days(twelve)[2], days_of(twelve)
    scene = on(twelve, day)[0]
    pipeline = set_up(twelve, tmp_path / "root", catalog=earth_search.url)
    earth_search.fault = gone(scene)
    with pytest.raises(SceneGoneError):
        run(pipeline, days)
    assert scenes.skip_scene(pipeline.open("farm"), scene, "ada", NOW, "404") == []
    reports, _ = run(pipeline, [d for d in days if d >= day])
    assert [r.day for r in reports] == [d for d in days if d >= day]
    assert scene not in reports[0].scenes
