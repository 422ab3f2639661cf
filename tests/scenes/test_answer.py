"""What a catalog answers: one broken item is left out, a foreign answer is refused."""

import contextlib
import copy
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import CatalogAnswerError, HydroError
from hydro_pipeline.imagery.load import _source_grid
from hydro_pipeline.scenes.answer import Question, read
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.day_record import day_record, from_bytes, to_bytes
from hydro_pipeline.scenes.http import Limits
from hydro_pipeline.scenes.safe_json import safe_json
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import Fault, StandIn
from tests.scenes.test_selection import spots
from tests.support.product import PRODUCT, select

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[3] / "shared"
ALPS = Area.from_bbox("alps", (9.05, 47.2, 9.1, 47.25))
MARCH = dt.date(2020, 3, 1), dt.date(2020, 3, 5)
FEATURES = json.loads((DATA / "reprocessed.json").read_text())["features"]
ONE = next(f for f in FEATURES if f["id"] == "S2A_32TMT_20200302_1_L2A")
"""The newest version of the only scene of its day."""
COUNTS = np.zeros((1, 5), np.int64)
QUICK = Limits(connect=1, read=1, attempts=2, first_delay=0.01, request=3, search=5, pages=50)


def put(feature: dict, place: tuple, value) -> dict:
    """A copy with another value at a place."""
    made = copy.deepcopy(feature)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return made


def nested(depth: int) -> list:
    made: list = []
    for _ in range(depth):
        made = [made]
    return made


BROKEN = {
    "bad datetime": put(ONE, ("properties", "datetime"), "yesterday"),
    "datetime of a number": put(ONE, ("properties", "datetime"), 20200302),
    "year 222": put(ONE, ("properties", "datetime"), "0222-03-02T10:27:44Z"),
    "null geometry": put(ONE, ("geometry",), None),
    "empty geometry": put(ONE, ("geometry",), {"type": "Polygon", "coordinates": []}),
    "geometry of texts": put(ONE, ("geometry", "coordinates"), "here"),
    "bbox of texts": put(ONE, ("bbox",), ["7", "46", "9", "47"]),
    "bbox of five": put(ONE, ("bbox",), [7.0, 46.0, 0.0, 9.0, 47.0]),
    "bbox beside the geometry": put(ONE, ("bbox",), [100.0, 10.0, 101.0, 11.0]),
    "NaN in an unused property": put(ONE, ("properties", "eo:cloud_cover"), float("nan")),
    "Infinity in an asset": put(ONE, ("assets", "red", "gsd"), float("inf")),
    "assets of a list": put(ONE, ("assets",), []),
    "properties of null": put(ONE, ("properties",), None),
    "deep nesting": put(ONE, ("properties", "deep"), nested(100)),
    "outline of deep nesting": put(ONE, ("geometry", "coordinates"), nested(600)),
    "bbox of deep nesting": put(ONE, ("bbox",), nested(600)),
    "id of a number": put(ONE, ("id",), 7),
    "id with a surrogate": put(ONE, ("id",), "S2A_\ud800"),
    "id with a NUL": put(ONE, ("id",), "S2A_\0"),
    "id with an escape": put(ONE, ("id",), "S2A_\x1b[31m"),
    "id of a megabyte": put(ONE, ("id",), "S" * 1_000_000),
    "ten megabytes": put(ONE, ("properties", "much"), "x" * 10_000_000),
    "no object": 5,
    "null": None,
}


@pytest.fixture(params=["file", "service"])
def search(request, tmp_path):
    """Searches a file or a service that has these features."""

    def ask(features):
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        if request.param == "file":
            return open_catalog(Settings.load(catalog=str(path))).scenes(ALPS, *MARCH)
        path.write_text(json.dumps({"type": "FeatureCollection", "features": []}))

        def fault(asked):
            if asked.path != "/v1/search":
                return None
            return Fault(change=lambda page: page | {"features": features, "numberMatched": count})

        count = len(features)
        with StandIn(tmp_path, fault=fault) as api:
            return open_catalog(Settings.load(catalog=api.url), QUICK).scenes(ALPS, *MARCH)

    return ask


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_item_is_left_out_and_named_and_the_rest_is_there(search, broken):
    others = [f for f in FEATURES if f["id"] != ONE["id"]]
    days = search([others[0], broken, *others[1:]])
    assert {i.id for offer in days.values() for i in offer} == {f["id"] for f in others}
    (refusal,) = [r for offer in days.values() for r in offer.refused]
    assert refusal.item is None
    assert 0 < len(refusal.id) < 100
    assert 0 < len(refusal.reason) < 300
    assert (refusal.id + refusal.reason).isprintable()
    assert ONE["id"] in refusal.id or broken is None or broken == 5 or broken["id"] != ONE["id"]
    record = day_record("a", MARCH[0], select([], [refusal]), COUNTS[:0], 1, "refused")
    assert from_bytes(to_bytes(record))["hydro:refused"][0]["id"] == refusal.id


def test_a_broken_item_is_with_the_day_that_it_names(search):
    others = [f for f in FEATURES if f["id"] != ONE["id"]]
    for name in ("bad datetime", "null geometry"):
        days = search([*others, BROKEN[name]])
        assert [str(day) for day, offer in days.items() if offer.refused] == ["2020-03-02"]
    days = search([*others, None])
    assert [str(day) for day, offer in days.items() if offer.refused] == ["2020-03-01"]


def test_a_broken_item_of_a_file_that_lies_elsewhere_concerns_nobody(tmp_path):
    feature = put(ONE, ("properties", "eo:cloud_cover"), float("nan"))
    for changed in (
        put(put(feature, ("bbox",), [100.0, 10.0, 101.0, 11.0]), ("geometry",), None),
        put(feature, ("properties", "datetime"), "2021-03-02T10:27:44Z"),
        put(feature, ("collection",), "another"),
    ):
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [*FEATURES, changed]}))
        days = open_catalog(Settings.load(catalog=str(path))).scenes(ALPS, *MARCH)
        assert [offer.refused for offer in days.values()] == [()] * 5


def test_an_answer_of_which_nothing_can_be_used_is_no_answer(search):
    with pytest.raises(CatalogAnswerError, match=r"none of its 6 .*: its geometry is null"):
        search([put(f, ("geometry",), None) for f in FEATURES])


def test_two_items_of_one_id_that_differ_are_one_scene_and_one_refusal(search):
    other = put(ONE, ("properties", "s2:processing_baseline"), "05.09")
    for features in ([*FEATURES, other], [other, *FEATURES]):
        offer = search(features)[dt.date(2020, 3, 2)]
        assert [i.id for i in offer].count(ONE["id"]) == 1
        (refusal,) = offer.refused
        assert (refusal.id, refusal.reason) == (ONE["id"], "its id comes twice, with other content")
        used = next(i for i in offer if i.id == ONE["id"])
        assert used.properties["s2:processing_baseline"] == "05.00"


def test_the_same_item_twice_is_one_item(search):
    offer = search([*FEATURES, ONE])[dt.date(2020, 3, 2)]
    assert len(offer) == 2
    assert offer.refused == ()


FOREIGN = {
    "collection": ("collection", put(ONE, ("collection",), "sentinel-2-l1c")),
    "a year later": ("datetime", put(ONE, ("properties", "datetime"), "2021-03-02T10:27:44Z")),
    "two days early": ("datetime", put(ONE, ("properties", "datetime"), "2020-02-27T10:27:44Z")),
}
RING = [[4.0, 51.0], [5.0, 51.0], [5.0, 52.0], [4.0, 52.0], [4.0, 51.0]]
FAR = put(ONE, ("geometry",), {"type": "Polygon", "coordinates": [RING]})
FOREIGN["another country"] = ("bbox", put(FAR, ("bbox",), [4.0, 51.0, 5.0, 52.0]))
FOREIGN["another country, no bbox"] = ("bbox", put(FAR, ("bbox",), None))


@pytest.mark.parametrize(("term", "foreign"), FOREIGN.values(), ids=FOREIGN.keys())
def test_an_answer_to_another_question_is_refused(tmp_path, term, foreign):
    (tmp_path / "items.json").write_text(json.dumps({"features": FEATURES}))

    def fault(asked):
        extra = {"features": [*FEATURES, foreign], "numberMatched": 7}
        return Fault(change=lambda page: page | extra) if asked.path == "/v1/search" else None

    with StandIn(tmp_path, fault=fault) as api:
        catalog = open_catalog(Settings.load(catalog=api.url), QUICK)
        with pytest.raises(CatalogAnswerError) as caught:
            catalog.scenes(ALPS, *MARCH)
    assert not caught.value.retryable
    assert f"{api.url}: answered another question: asked for {term} " in str(caught.value)
    assert f"but {ONE['id']} has " in str(caught.value)


@pytest.mark.parametrize(
    ("hours", "degrees", "fits"),
    [(23, 0, True), (25, 0, False), (-23, 0, True), (-25, 0, False), (0, 0.09, True),
     (0, 0.11, False)],
)  # fmt: skip
def test_an_item_may_be_a_day_and_a_tenth_of_a_degree_off_its_question(hours, degrees, fits):
    first = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    seen = first + dt.timedelta(hours=hours)
    place = [5.0 + degrees, 50.0]
    feature = {
        "type": "Feature", "id": "S", "collection": "c", "assets": {}, "bbox": [*place, *place],
        "geometry": {"type": "Point", "coordinates": place},
        "properties": {"datetime": seen.isoformat()},
    }  # fmt: skip
    question = Question("c", (4.0, 49.0, 5.0, 51.0), (first, first))
    with contextlib.nullcontext() if fits else pytest.raises(CatalogAnswerError, match="question"):
        assert len(read([(feature, "")], "catalog", question)) == 1


@pytest.mark.parametrize(
    "legal",
    [
        put(ONE, ("properties", "datetime"), "2020-02-29T23:23:59Z"),
        put(ONE, ("properties", "datetime"), "2020-02-29T10:00:00Z"),
        put(ONE, ("properties", "datetime"), "2020-03-06T09:00:00Z"),
        put(put(ONE, ("bbox",), None), ("geometry",), FEATURES[2]["geometry"]),
        put(put(ONE, ("bbox",), [9.1, 46.0, 10.0, 48.0]), ("geometry",), FEATURES[2]["geometry"]),
        put(put(ONE, ("bbox",), [9.15, 46.0, 10.0, 48.0]), ("geometry",), FEATURES[2]["geometry"]),
        put(ONE, ("bbox",), [7.6, 46.8, 0.0, 9.2, 47.9, 9000.0]),
        put(ONE, ("properties", "datetime"), "2020-03-02T10:27:44.563+00:00"),
    ],
)
def test_what_lies_at_the_border_of_a_term_is_no_foreign_answer(legal):
    first, last = ALPS.solar_day_window(*MARCH)
    question = Question("sentinel-2-l2a", ALPS.bbox, (first, last))
    assert len(read([(legal, "http://x")], "x", question).items) == 1


def test_an_item_that_does_not_say_its_collection_is_no_answer_of_a_service(search):
    features = [*FEATURES[1:], put(FEATURES[0], ("collection",), None)]
    offers = search(features).values()
    found = {r.reason for offer in offers for r in offer.refused}
    assert found in ({"it does not say its collection"}, set())  # a file may leave it out
    assert sum(map(len, offers)) == (5 if found else 6)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(
    st.none() | st.floats() | st.text(max_size=3), max_size=5
) | st.dictionaries(st.text(max_size=3), st.none() | st.floats(), max_size=2) | st.just(
    "\ud800"
) | st.just(10**400) | st.builds(nested, st.sampled_from([40, 900])) | st.sampled_from(
    ["2020-03-02T10:27:44Z", "05.00", "sentinel-2-l2a", 1e308, -1e308, 10**39, "\0", []]
)  # fmt: skip
OTHERS = [f for f in FEATURES if f["id"] != ONE["id"]]
USED = {s.id for s in select(read([(f, "http://x") for f in OTHERS], "x").items).scenes}
REAL = next(iter((SHARED / "realcase").glob("items.json")), None)
LIKE_REAL = [ONE, *(json.loads(REAL.read_text())["features"][:1] if REAL else [])]
PLACES = [(feature, place) for feature in LIKE_REAL for place in spots(feature)[1:]]


@given(where=st.sampled_from(PLACES), value=JUNK, remove=st.booleans())
def test_an_item_with_any_value_anywhere_is_used_as_it_is_or_refused_by_name(where, value, remove):
    feature, place = where
    broken = put(feature, place, value)
    if remove:
        holder = broken
        for key in place[:-1]:
            holder = holder[key]
        del holder[place[-1]]
    page = safe_json(json.dumps({"features": [OTHERS[0], broken, *OTHERS[1:]]}))
    try:
        answer = read([(f, "http://x/") for f in page["features"]], "x")
    except HydroError:
        pytest.fail("the others can be used")
    mine = [i for i in answer.items if i.id not in {f["id"] for f in OTHERS}]
    names = [each.name for each in answer.broken]
    assert len(mine) + len(names) == 1 or broken["id"] in {f["id"] for f in OTHERS}
    assert all(name.isprintable() for name in names)
    assert place == ("id",) or names in ([], [feature["id"]])
    for item in mine:
        selection = select([item])
        assert len(selection.scenes) + len(selection.refused) == 1
        for scene in selection.scenes:
            told = broken["properties"]
            assert item.properties["datetime"] == told["datetime"]
            for band in PRODUCT.files:
                assert scene.files[band.name].endswith(broken["assets"][band.name]["href"])
                _source_grid(scene, band)
            assert scene.offset in (0.0, -0.1)
        to_bytes(day_record("a", MARCH[0], selection, COUNTS[: len(selection.scenes)], 1, "x"))
        question = Question("sentinel-2-l2a", ALPS.bbox)
        with contextlib.suppress(CatalogAnswerError):
            read([(broken, "http://x")], "x", question)
    rest = [i for i in answer.items if i not in mine]
    assert {s.id for s in select(rest).scenes} == USED


@pytest.mark.parametrize("name", ["realcase", "belgium", "slovenia", "season", "tiles"])
def test_real_items_are_all_used(name):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/{name} (real scenes, not part of this repository)")
    paths = [folder / "items.json", *folder.glob("pages/*.json")]
    for page in (safe_json(path.read_bytes()) for path in paths):
        answer = read([(f, "http://x/") for f in page["features"]], "x")
        assert answer.broken == ()
        assert len(answer.items) == len(page["features"])
        assert select(answer.items).refused == ()


def test_recorded_answers_are_answers_to_their_questions():
    folder = SHARED / "earth-search"
    if not folder.is_dir():
        pytest.skip("needs ../shared/earth-search (recorded answers, not part of this repository)")
    for number in (1, 2):
        asked = safe_json((folder / f"search_page{number}.request.json").read_bytes())["body"]
        page = safe_json((folder / f"search_page{number}.json").read_bytes())
        first, last = map(dt.datetime.fromisoformat, asked["datetime"].split("/"))
        question = Question(asked["collections"][0], tuple(asked["bbox"]), (first, last))
        answer = read([(f, "http://x/") for f in page["features"]], "x", question)
        assert len(answer.items) == page["context"]["returned"]
    for path in folder.glob("item*.json"):
        document = safe_json(path.read_bytes())
        features = document.get("features", [document])
        answer = read([(f, "http://x/") for f in features], "x")
        assert (len(answer.items), answer.broken) == (len(features), ())
