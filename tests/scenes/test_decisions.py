"""Decisions on scenes and what is missing, as they are stored."""

import datetime as dt

import pytest

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.scenes.decisions import decide, history, read_decisions
from hydro_pipeline.scenes.missing import Missing, note_missing, read_missing
from hydro_pipeline.scenes.scene import Decision, Verdict
from hydro_pipeline.storage.store import Store

DROP = Decision("A", Verdict.DROP, "ada", "2026-05-01T00:00:00+00:00", "haze")
SKIP = Decision("B", Verdict.SKIP, "bob", "2026-05-02T00:00:00+00:00", "404", "2026", ("x", "y"))
DAY = dt.date(2026, 5, 1)


@pytest.fixture
def store(settings):
    return Store(settings)


def test_every_decision_stays_and_the_last_one_holds(store):
    assert read_decisions(store, "farm") == {}
    use = Decision("A", Verdict.USE, "ada", "2026-05-03T00:00:00+00:00")
    for each in (DROP, SKIP, use):
        decide(store, "farm", [each])
    assert history(store, "farm") == [DROP, SKIP, use]
    assert read_decisions(store, "farm") == {"B": SKIP}
    assert DROP.told == "dropped by ada at 2026-05-01T00:00:00+00:00: haze"


def test_nobodys_decision_is_lost(store):
    many = [Decision(f"S{n}", Verdict.DROP, "ada", "now") for n in range(16)]
    in_threads(lambda each: decide(store, "farm", [each]), many)
    assert set(read_decisions(store, "farm")) == {each.scene for each in many}


BROKEN = [
    b"{", b"{}{", b"[1]", b'[{"scene": "A"}]', b'"x"', b"[" * 5000,
    b'[{"scene":"A","verdict":"burn","by":"","at":""}]',
    b'[{"scene":"A","verdict":"drop","by":"","at":"","hrefs":"https://a"}]',
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_object_is_named_and_stays_as_it_is(store, broken):
    store.put("decisions/farm.json", broken)
    with pytest.raises(StoredObjectError, match=r"decisions/farm\.json is not a list of decisions"):
        read_decisions(store, "farm")
    with pytest.raises(StoredObjectError):
        decide(store, "farm", [DROP])
    assert store.get("decisions/farm.json") == broken


def test_what_is_missing_is_kept_by_day_until_it_is_offered_again(store):
    other = DAY + dt.timedelta(1)
    assert note_missing(store, "farm", {DAY: ["A", "B"], other: ["C"]})
    assert not note_missing(store, "farm", {DAY: ["A", "B"]})
    assert read_missing(store, "farm") == (
        Missing(DAY, "A"), Missing(DAY, "B"), Missing(other, "C"),
    )  # fmt: skip
    note_missing(store, "farm", {DAY: []})
    assert read_missing(store, "farm") == (Missing(other, "C"),)
    store.put("missing/farm.json", b"[")
    with pytest.raises(StoredObjectError, match=r"missing/farm\.json"):
        read_missing(store, "farm")
    note_missing(store, "farm", {DAY: ["A"]})
    assert read_missing(store, "farm") == (Missing(DAY, "A"),)
