"""Duplicates, parts, order and offsets: on own fixtures, and on recorded answers where present."""

import copy
import datetime as dt
import json
import runpy
from pathlib import Path

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydro_pipeline.errors import CatalogAnswerError, SceneError
from hydro_pipeline.scenes.item import parse_item
from hydro_pipeline.scenes.scene import Refusal
from hydro_pipeline.scenes.selection import check_usable, contradiction
from hydro_pipeline.scenes.sentinel2 import offset_finding
from tests.support.product import select

DATA = Path(__file__).parents[1] / "data"
RECORDED = Path(__file__).parents[3] / "shared" / "earth-search"


DAY = dt.date(2026, 5, 1)


def parse(feature: dict) -> pystac.Item:
    return parse_item(feature, "a catalog", "https://example.com/v1/search")


def features(name: str) -> list[dict]:
    return json.loads((DATA / f"{name}.json").read_text())["features"]


def items(name: str) -> list[pystac.Item]:
    return [parse(feature) for feature in features(name)]


def ids(found) -> list[str]:
    return [entry.id for entry in found]


def changed(feature: dict, **properties) -> dict:
    """A copy with other properties; None takes one away. `__` in a name stands for `:`."""
    made = copy.deepcopy(feature)
    for name, value in properties.items():
        name = name.replace("__", ":")
        if value is None:
            made["properties"].pop(name, None)
        else:
            made["properties"][name] = value
    return made


def test_fixtures_are_what_their_script_writes():
    documents = runpy.run_path(str(DATA / "make.py"))["documents"]()
    assert {p.name for p in DATA.glob("*.json")} == set(documents)
    for name, document in documents.items():
        assert json.loads((DATA / name).read_text()) == document


def test_of_a_scene_processed_twice_the_newest_baseline_stays():
    selection = select(items("reprocessed"))
    assert ids(selection.scenes) == [
        "S2A_32TMT_20200302_1_L2A",
        "S2A_32TNT_20200305_1_L2A",
        "S2A_32TMT_20200305_1_L2A",
    ]
    assert {s.baseline for s in selection.scenes} == {"05.00"}
    assert selection.refused == ()
    assert len(selection.replaced) == 3
    assert selection.replaced[0].reason == (
        "baseline 02.14 was processed again as S2A_32TMT_20200302_1_L2A (baseline 05.00)"
    )


def test_parts_of_one_datatake_all_stay():
    selection = select(items("halves"))
    assert selection.refused == ()
    assert ids(selection.scenes) == [  # in order of time: the north was seen first
        "S2A_31TCJ_20220808_0_L2A",
        "S2A_31TCJ_20220808_1_L2A",
        "S2A_31TCJ_20220828_1_L2A",
        "S2A_31TCJ_20220828_0_L2A",
    ]


def test_parts_that_were_both_processed_again():
    old = [f for f in features("halves") if "20220808" in f["id"]]
    new = [changed(f, s2__processing_baseline="05.10", updated="2026-01-01T00:00:00Z") for f in old]
    for feature in new:
        feature["id"] = feature["id"].replace("_0_", "_2_").replace("_1_", "_3_")
        feature["properties"]["s2:datatake_id"] = "GS2A_20220808T104631_037228_N05.10"
    selection = select(map(parse, old + new))
    assert ids(selection.scenes) == ["S2A_31TCJ_20220808_2_L2A", "S2A_31TCJ_20220808_3_L2A"]
    assert ids(selection.replaced) == ids(map(parse, old))


def test_a_whole_scene_replaces_both_parts_but_one_part_replaces_no_whole():
    parts = [f for f in features("halves") if "20220808" in f["id"]]
    whole = copy.deepcopy(parts[0])
    whole["id"] = "S2A_31TCJ_20220808_9_L2A"
    tile = [[0.496, 44.226], [0.537, 43.238], [1.889, 43.259], [1.87, 44.248], [0.496, 44.226]]
    whole["geometry"] = {"type": "Polygon", "coordinates": [tile]}
    newer = changed(whole, s2__processing_baseline="05.10")
    assert ids(select(map(parse, [*parts, newer])).scenes) == [newer["id"]]
    older = changed(whole, s2__processing_baseline="02.14")
    assert set(ids(select(map(parse, [parts[0], older])).scenes)) == {older["id"], parts[0]["id"]}
    assert ids(select(map(parse, [*parts, older])).replaced) == [older["id"]]


def test_the_same_baseline_published_again_keeps_the_latest_update():
    first = features("offsets")[1]
    again = changed(first, updated="2023-05-01T00:00:00Z")
    again["id"] = "S2B_33TWN_20220130_1_L2A"
    selection = select(map(parse, [again, first]))
    assert ids(selection.scenes) == [again["id"]]
    assert "updated later as S2B_33TWN_20220130_1_L2A" in selection.replaced[0].reason


@pytest.mark.parametrize(
    ("older", "newer"), [("02.14", "02.9"), ("02.14", "05.00"), ("05.09", "05.10"), ("9.1", "10.0")]
)
def test_baselines_are_numbers(older, newer):
    if (older, newer) == ("02.14", "02.9"):
        older, newer = newer, older
    one, other = features("reprocessed")[:2]
    one = changed(one, s2__processing_baseline=older, updated="2030-01-01T00:00:00Z")
    other = changed(other, s2__processing_baseline=newer)
    assert [s.baseline for s in select(map(parse, [one, other])).scenes] == [newer]


def test_the_next_orbit_and_another_satellite_are_no_duplicates():
    scene = changed(features("offsets")[1], s2__datatake_id=None)
    orbit_later = changed(scene, datetime="2022-01-30T11:47:28Z")
    other_satellite = changed(scene, platform="sentinel-2c")
    orbit_later["id"], other_satellite["id"] = "orbit_later", "other_satellite"
    assert len(select(map(parse, [scene, orbit_later, other_satellite])).scenes) == 3
    seconds_later = changed(scene, datetime="2022-01-30T10:07:34Z")
    seconds_later["id"] = "seconds_later"
    assert len(select(map(parse, [scene, seconds_later])).scenes) == 1
    unnamed = changed(seconds_later, platform=None)
    unnamed["id"] = "S2B_33TWN_20220130_1_L2A"
    assert len(select(map(parse, [scene, unnamed])).scenes) == 1


@pytest.mark.parametrize(("later", "scenes"), [("10:17:28.005Z", 1), ("10:17:28.006Z", 2)])
def test_what_is_seen_ten_minutes_later_is_another_pass(later, scenes):
    scene = changed(features("offsets")[1], s2__datatake_id=None)  # of 10:07:28.006
    again = changed(scene, datetime=f"2022-01-30T{later}")
    again["id"] = "again"
    assert len(select(map(parse, [scene, again])).scenes) == scenes


@pytest.mark.parametrize("baseline", ["04.00", "05.10"])
@pytest.mark.parametrize(("share", "scenes"), [(0.91, 1), (0.89, 2)])
def test_a_scene_is_replaced_by_one_that_shows_nine_tenths_of_it(baseline, share, scenes):
    """The newer one shows the western part of a square of one degree."""
    old = features("offsets")[1]
    new = changed(old, s2__processing_baseline=baseline, updated="2026-01-01T00:00:00Z")
    new["id"] = "new"
    for feature, east in ((old, 1), (new, share)):
        ring = [[0, 0], [east, 0], [east, 1], [0, 1], [0, 0]]
        feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
        del feature["bbox"]
    kept = ids(select(map(parse, [old, new])).scenes)
    assert len(kept) == scenes
    assert "new" in kept


def test_an_outline_that_is_not_on_earth_is_refused():
    feature = features("offsets")[1]
    for west in (359, 360):
        ring = [[west, 0], [west + 1, 0], [west + 1, 1], [west, 1], [west, 0]]
        feature |= {"bbox": None, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        if west == 359:
            assert len(select([parse(feature)]).scenes) == 1
        else:
            with pytest.raises(CatalogAnswerError, match=r"bounds are \[360.0, 0.0, 361.0"):
                parse(feature)


def test_order_is_by_time_then_id():
    made = [changed(f, datetime="2023-07-01T17:32:25Z") for f in features("two_zones")]
    expected = ["S2A_14TQL_20230701_0_L2A", "S2A_15TTF_20230701_0_L2A"]
    assert ids(select(map(parse, made)).scenes) == expected
    assert ids(select(map(parse, made[::-1])).scenes) == expected
    assert ids(select(items("two_zones")).scenes) == expected[::-1]


def test_offsets():
    decided = {s.id: (s.offset, s.decision) for s in select(items("offsets")).scenes}
    assert decided == {
        "S2A_33TWN_20161202_0_L2A": (0.0, "baseline 00.01 is before 04.00: no offset exists"),
        "S2B_33TWN_20220130_0_L2A": (0.0, "boa_offset_applied is true: the DN are corrected"),
        "S2B_33TWN_20220226_0_L2A": (-0.1, "boa_offset_applied is false: the DN carry +1000"),
        "S2C_33TWN_20250310_0_L2A": (
            -0.1,
            "boa_offset_applied is missing: DN taken as ESA delivers them, with +1000",
        ),
    }
    collection_1 = select(items("collection_1")).scenes
    assert [s.offset for s in collection_1] == [-0.1, -0.1]
    assert [s.boa_offset_applied for s in collection_1] == [None, None]


def test_the_baseline_may_have_to_be_found_elsewhere_or_not_at_all():
    corrected, uncorrected = features("offsets")[1:3]

    def decide(feature, **properties):
        made = changed(feature, s2__processing_baseline=None, **properties)
        return select([parse(made)])

    product = "S2A_MSIL2A_20161202T100402_N0204_R122_T33TWN_20161202T201323.SAFE"
    assert decide(uncorrected, s2__product_uri=product).scenes[0].baseline == "02.04"
    assert decide(uncorrected, s2__product_uri=product).scenes[0].offset == 0.0
    assert decide(corrected).scenes[0].offset == 0.0
    assert decide(uncorrected).scenes[0].offset == -0.1  # all that is this new has 04.00 or later
    refused = decide(uncorrected, datetime="2021-02-26T09:57:32Z").refused
    assert "whether its DN carry +1000 cannot be known" in refused[0].reason


def without(feature: dict, asset: str) -> pystac.Item:
    """The item without an asset."""
    feature = copy.deepcopy(feature)
    del feature["assets"][asset]
    return parse(feature)


def test_a_day_is_an_error_where_every_scene_is_refused():
    one, other = features("offsets")[:2]
    lacking = [without(one, "nir"), without(other, "nir")]
    with pytest.raises(SceneError) as caught:
        check_usable(select(lacking), "mol", DAY)
    assert str(caught.value) == (
        "mol 2026-05-01: all of 2 scenes are refused (S2A_33TWN_20161202_0_L2A, "
        "S2B_33TWN_20220130_0_L2A: it has no asset 'nir' or 'B08' or 'B08_10m'; "
        "its assets: red, scl); check HYDRO_COLLECTION and HYDRO_CATALOG, or do without a scene: "
        "hydro scenes skip mol SCENE"
    )
    wrong = changed(other, earthsearch__boa_offset_applied="yes")
    with pytest.raises(SceneError, match=r"all of 2 scenes .*'nir'.*; S2B.*'yes', not true"):
        check_usable(select([without(one, "nir"), parse(wrong)]), "mol", DAY)


def test_a_day_with_one_scene_that_can_be_used_is_made_and_so_is_one_without():
    one, other = features("offsets")[:2]
    for found in ([], [without(one, "nir"), parse(other)]):
        check_usable(select(found), "mol", DAY)


def test_what_is_no_item_is_refused_and_stops_no_day():
    broken = Refusal("'x'", "it is no STAC item")
    selection = select([], [broken])
    assert (selection.scenes, selection.refused) == ((), (broken,))
    check_usable(selection, "mol", DAY)


def named(feature: dict, keys: dict[str, str]) -> pystac.Item:
    """The item with its assets under other keys, beside those that every service has."""
    made = copy.deepcopy(feature)
    made["assets"] = {keys[name]: asset for name, asset in made["assets"].items() if name in keys}
    made["assets"]["visual"] = {"href": "https://example.com/visual.tif"}
    return parse(made)


SERVICES = {
    "Earth Search": {"red": "red", "nir": "nir", "scl": "scl"},
    "Planetary Computer": {"red": "B04", "nir": "B08", "scl": "SCL"},
    "CDSE": {"red": "B04_10m", "nir": "B08_10m", "scl": "SCL_20m"},
}


@pytest.mark.parametrize("keys", SERVICES.values(), ids=SERVICES.keys())
def test_the_keys_of_the_services_are_understood(keys):
    feature = features("offsets")[1]
    (scene,) = select([named(feature, keys)]).scenes
    assert scene.hrefs == tuple(feature["assets"][n]["href"] for n in ("red", "nir", "scl"))
    for name in keys:
        lacking = {n: key for n, key in keys.items() if n != name}
        assert "it has no asset" in select([named(feature, lacking)]).refused[0].reason


ESA = "S2B_MSIL2A_20220130T100209_N{}_R122_T33TWN_20220130T122913"


@pytest.mark.parametrize(
    ("name", "properties", "baseline", "offset"),
    [
        # Planetary Computer: the baseline, and no flag.
        (ESA.format("9999"), {"s2:processing_baseline": "04.00"}, "04.00", -0.1),
        (ESA.format("9999"), {"s2:processing_baseline": "02.12"}, "02.12", 0.0),
        # CDSE: the baseline under another name.
        ("name", {"processing:version": "05.11"}, "05.11", -0.1),
        (ESA.format("0510"), {"processing:version": "1.2.3"}, "05.10", -0.1),
        (ESA.format("0301"), {}, "03.01", 0.0),
        # Digital Earth Africa: baseline, flag and product under names of their own.
        (
            "5ee0a4a0-ca8f-55d8-8b9c-b3b9e4c3a8e5",
            {"sentinel:processing_baseline": "05.09", "sentinel:boa_offset_applied": True},
            "05.09", 0.0,
        ),
        ("a", {"sentinel:product_id": ESA.format("0400"), "sentinel:boa_offset_applied": False},
         "04.00", -0.1),
    ],
)  # fmt: skip
def test_the_offset_of_the_services(name, properties, baseline, offset):
    feature = changed(
        features("offsets")[1],
        s2__processing_baseline=None,
        s2__product_uri=None,
        earthsearch__boa_offset_applied=None,
    )
    feature["id"] = name
    feature["properties"] |= properties
    (scene,) = select([parse(feature)]).scenes
    assert (scene.baseline, scene.offset) == (baseline, offset)


@pytest.mark.parametrize(
    "names",
    [
        {"grid:code": "MGRS-33TWN", "s2:datatake_id": "GS2B_20220130T100209_025590_N{}"},
        {"grid:code": "MGRS-33TWN", "eopf:datatake_id": "GS2B_20220130T100209_025590_N{}"},
        {"odc:region_code": "33TWN"},
    ],
)
def test_a_scene_that_a_service_has_twice_is_used_once(names):
    made = []
    for baseline in ("04.00", "05.10"):
        told = {k.replace(":", "__"): v.format(baseline) for k, v in names.items()}
        blank = {"grid__code": None, "s2__datatake_id": None}
        made.append(
            changed(features("offsets")[1], s2__processing_baseline=baseline, **blank | told)
        )
        made[-1]["id"] = f"5ee0a4a0-{baseline}"
    selection = select(map(parse, made))
    assert ids(selection.scenes) == ["5ee0a4a0-05.10"]
    assert ids(selection.replaced) == ["5ee0a4a0-04.00"]


def test_what_an_item_lacks_is_said():
    feature = features("offsets")[1]
    del feature["assets"]["nir"]
    assert select([parse(feature)]).refused[0].reason == (
        "it has no asset 'nir' or 'B08' or 'B08_10m'; its assets: red, scl"
    )
    feature = changed(features("offsets")[1], earthsearch__boa_offset_applied="yes")
    assert "is 'yes', not true or false" in select([parse(feature)]).refused[0].reason
    feature = changed(features("offsets")[1], s2__processing_baseline=4.0)
    assert "s2:processing_baseline is 4.0, not like" in select([parse(feature)]).refused[0].reason


@pytest.mark.parametrize(
    ("clear", "dark", "dim", "finding"),
    [
        (10_000, 9_000, 500, "corrected"),
        (10_000, 1_000, 0, "corrected"),  # a tenth is many
        (10_000, 999, 0, "unknown"),
        (10_000, 0, 9_000, "uncorrected"),
        (10_000, 10, 1_000, "uncorrected"),  # a thousandth is hardly any
        (10_000, 11, 1_000, "unknown"),
        (10_000, 0, 999, "unknown"),
        (10_000, 0, 0, "unknown"),  # a desert, or snow
        (10_000, 400, 4_000, "unknown"),  # haze
        (500, 500, 0, "corrected"),
        (499, 499, 0, "unknown"),  # too few to say
        (0, 0, 0, "unknown"),
    ],
)
def test_what_the_pixels_say(clear, dark, dim, finding):
    assert offset_finding(clear, dark, dim) == finding


def test_a_flag_that_the_pixels_contradict():
    old, corrected, uncorrected, _ = select(items("offsets")).scenes
    assert contradiction(corrected, "corrected") is None
    assert contradiction(uncorrected, "uncorrected") is None
    assert contradiction(corrected, "unknown") is None
    assert contradiction(old, "uncorrected")
    assert contradiction(corrected, "uncorrected") == (
        "scene S2B_33TWN_20220130_0_L2A has many red pixels just above 1000 DN and none below, so "
        "its DN look uncorrected, but the offset is 0 (boa_offset_applied is true: the DN are "
        "corrected)"
    )
    assert "many red pixels below 1000 DN" in contradiction(uncorrected, "corrected")


def recorded(*names: str) -> list[pystac.Item]:
    if not RECORDED.is_dir():
        pytest.skip("needs ../shared/earth-search (recorded answers, not part of this repository)")
    found = []
    for name in names:
        document = json.loads((RECORDED / name).read_text())
        for feature in document.get("features", [document]):
            # Some were recorded with a few bands only.
            assets = feature["assets"]
            feature["assets"] = {n: assets.get(n, assets["red"]) for n in ("red", "nir", "scl")}
            found.append(parse(feature))
    return found


def test_recorded_search():
    selection = select(recorded("search_page1.json", "search_page2.json"))
    assert [i[-5] for i in ids(selection.scenes)] == ["1"] * 8
    assert [i[-5] for i in ids(selection.replaced)] == ["0"] * 8
    times = [s.datetime for s in selection.scenes]
    assert times == sorted(times)


def test_recorded_special_cases():
    parts = select(recorded("items_partial_granules_31TCJ.json"))
    assert len(parts.scenes) == 8
    assert [s.id for s in parts.scenes if s.offset] == ["S2B_31TCJ_20220823_0_L2A"]
    assert len(select(recorded("items_two_utm_zones.json")).scenes) == 3
    c1 = select(recorded("items_c1_10.json"))
    assert {(s.offset, s.boa_offset_applied) for s in c1.scenes} == {(-0.1, None)}
    assert len(c1.scenes) == 10
    flags = recorded(
        "item_before_04.00.json", "item_04.00_flag_true.json", "item_04.00_flag_false.json"
    )
    assert [s.offset for s in select(flags).scenes] == [0.0, 0.0, -0.1]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def spots(document, path=()) -> list[tuple]:
    """Every place in a JSON document."""
    inner = (
        document.items() if isinstance(document, dict)
        else enumerate(document) if isinstance(document, list) else ()
    )  # fmt: skip
    return [path, *(spot for key, value in inner for spot in spots(value, (*path, key)))]


GOOD = features("offsets")[2]


@given(place=st.sampled_from(spots(GOOD)[1:]), value=junk, remove=st.booleans())
def test_any_broken_item_is_used_rightly_or_refused_in_words(place, value, remove):
    feature = copy.deepcopy(GOOD)
    holder = feature
    for key in place[:-1]:
        holder = holder[key]
    if remove:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    try:
        item = parse(feature)
    except CatalogAnswerError:
        return
    selection = select([item, parse(features("offsets")[1])])
    assert len(selection.scenes) + len(selection.refused) == 2
    for scene in selection.scenes:
        assert scene.offset in (0.0, -0.1)
        assert all(isinstance(href, str) for href in scene.hrefs)
        untouched = place[0] not in ("properties", "collection")
        assert not untouched or scene.id != GOOD["id"] or scene.offset == -0.1
