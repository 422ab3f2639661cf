"""What a day is made from: laws over any offers, records and decisions."""

import copy
import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydro_pipeline.scenes.item import parse_item
from hydro_pipeline.scenes.scene import Decision, Verdict
from tests.support.product import choose, select, skip

DATA = Path(__file__).parents[1] / "data"
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
FEATURES = [
    feature
    for name in ("reprocessed", "halves", "offsets")
    for feature in json.loads((DATA / f"{name}.json").read_text())["features"]
]


def parse(feature):
    return parse_item(feature, "a catalog", "https://example.com/v1/search")


def changed(item, href=None, **properties):
    """A copy with other properties (None takes one away, `__` stands for `:`), or elsewhere."""
    feature = copy.deepcopy(item.to_dict(include_self_link=False, transform_hrefs=False))
    for name, value in properties.items():
        feature["properties"][name.replace("__", ":")] = value
    if href:
        for asset in feature["assets"].values():
            asset["href"] = f"{href}/{asset['href'].rsplit('/', 1)[-1]}"
    return parse(feature)


ITEMS = [parse(feature) for feature in FEATURES]
items = st.lists(st.sampled_from(ITEMS), unique_by=lambda item: item.id, max_size=6)


def made(selection):
    """All that pixels depend on."""
    return [(s.id, s.hrefs, s.offset, s.datetime, s.item.to_dict()) for s in selection.scenes]


def of(selection):
    """The items that a record of it keeps."""
    return [s.item for s in selection.scenes] + [left.item for left in selection.left_out]


@settings(max_examples=40)
@given(items)
def test_nothing_recorded_and_nothing_decided_is_the_selection_of_what_is_offered(offered):
    assert choose(offered) == select(offered)


@settings(max_examples=40)
@given(items, st.data())
def test_an_empty_or_smaller_answer_never_changes_a_day(offered, data):
    before = choose(offered)
    fewer = [item for item in offered if data.draw(st.booleans())]
    after = choose(fewer, of(before))
    assert made(after) == made(before)
    left = {item.id for item in fewer}
    assert after.missing == tuple(s.id for s in before.scenes if s.id not in left)


@settings(max_examples=40)
@given(items, st.data())
def test_answers_that_come_piece_by_piece_end_in_the_same_day(offered, data):
    pieces = [data.draw(st.integers(0, 2)) for _ in offered]
    recorded = []
    for n in range(3):
        part = [item for item, piece in zip(offered, pieces, strict=True) if piece == n]
        recorded = of(choose(part, recorded))
    assert made(choose(offered, recorded)) == made(choose(offered))


@settings(max_examples=40)
@given(items, st.data())
def test_an_older_version_or_one_that_cannot_be_used_replaces_nothing(offered, data):
    before = choose(offered)
    worse = data.draw(
        st.sampled_from(
            [
                {"updated": "2000-01-01T00:00:00Z"},
                {"updated": None, "created": None},
                {"s2__processing_baseline": "00.01"},
                {"s2__processing_baseline": 7, "updated": "2099-01-01T00:00:00Z"},
                {"earthsearch__boa_offset_applied": "no", "updated": "2099-01-01T00:00:00Z"},
            ]
        )
    )
    answer = [changed(scene.item, **worse) for scene in before.scenes]
    assert made(choose(answer, of(before))) == made(before)


@settings(max_examples=40)
@given(items, st.data())
def test_a_newer_version_always_replaces(offered, data):
    before = choose(offered)
    if not before.scenes:
        return
    old = data.draw(st.sampled_from(before.scenes))
    newer = changed(old.item, "https://new.example.com", updated="2099-01-01T00:00:00Z")
    after = choose([newer], of(before))
    (used,) = [scene for scene in after.scenes if scene.id == old.id]
    assert used.hrefs[0].startswith("https://new.example.com/")
    assert {s.id for s in after.scenes} <= {s.id for s in before.scenes}


def test_another_processing_replaces_the_recorded_one_which_is_not_missing_then():
    features = json.loads((DATA / "reprocessed.json").read_text())["features"]
    both = sorted((parse(f) for f in features if "32TMT_20200302" in f["id"]), key=lambda i: i.id)
    old, new = both
    before = choose([old])
    after = choose([new], of(before))
    assert ([s.id for s in after.scenes], after.missing) == ([new.id], ())
    assert [s.id for s in choose([old], of(after)).scenes] == [new.id]
    assert choose([old], of(after)).missing == (new.id,)


@settings(max_examples=40)
@given(items, st.data())
def test_a_drop_that_is_undone_leaves_the_same_day(offered, data):
    before = choose(offered)
    if not before.scenes:
        return
    scene = data.draw(st.sampled_from(before.scenes))
    drop = Decision(scene.id, Verdict.DROP, "me", "now")
    dropped = choose(offered, of(before), {scene.id: drop})
    assert scene.id not in {s.id for s in dropped.scenes}
    assert [left.item.id for left in dropped.left_out] == [scene.id]
    without = choose([i for i in offered if i.id != scene.id], [])
    assert {s.id for s in dropped.scenes} == {s.id for s in without.scenes}
    for answer in (offered, []):
        assert made(choose(answer, of(dropped))) == made(before)


@settings(max_examples=40)
@given(items, st.data())
def test_a_skip_holds_until_the_scene_is_another(offered, data):
    before = choose(offered)
    if not before.scenes:
        return
    scene = data.draw(st.sampled_from(before.scenes))
    skips = {scene.id: skip(scene.item, "me", NOW, "404", opened=False)}
    skipped = choose(offered, of(before), skips)
    assert scene.id not in {s.id for s in skipped.scenes}
    signed = changed(scene.item)
    for asset in signed.assets.values():
        asset.href += "?signature=1"
    assert scene.id not in {s.id for s in choose([signed], of(skipped), skips).scenes}
    for other in ({"href": "https://moved.example.com"}, {"updated": "2099-01-01T00:00:00Z"}):
        again = choose([changed(scene.item, **other)], of(skipped), skips)
        assert scene.id in {s.id for s in again.scenes}


def test_a_skipped_version_leaves_the_one_before_it_in_use():
    old = ITEMS[0]
    new = changed(old, updated="2099-01-01T00:00:00Z")
    skips = {old.id: skip(new, "me", NOW, "404", opened=False)}
    selection = choose([new], [old], skips)
    assert [s.updated for s in selection.scenes] == [old.properties["updated"]]


@pytest.mark.parametrize("verdict", [Verdict.DROP, Verdict.SKIP])
def test_a_refused_scene_can_be_left_out_too(verdict):
    refused = changed(ITEMS[0], s2__processing_baseline=7)
    assert len(choose([refused]).refused) == 1
    decision = {
        Verdict.DROP: Decision(refused.id, Verdict.DROP, "me", "now"),
        Verdict.SKIP: skip(refused, "me", NOW, "no baseline", opened=True),
    }[verdict]
    selection = choose([refused], [], {refused.id: decision})
    assert (selection.scenes, selection.refused) == ((), ())
    assert [left.item.id for left in selection.left_out] == [refused.id]
