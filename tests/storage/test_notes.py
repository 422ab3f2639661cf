"""Notes on what went wrong: one for each step of a day, kept until it is taken away."""

import datetime as dt

import pytest

from hydro_pipeline.errors import (
    CatalogUnavailableError,
    ConflictError,
    MissingDayError,
    SceneGoneError,
    SceneReadError,
    StoreUnavailableError,
)
from hydro_pipeline.storage.keys import note_key
from hydro_pipeline.storage.notes import Step, clear, note, noted_days, notes, noting
from hydro_pipeline.storage.store import Store

DAY, NEXT = dt.date(2024, 4, 2), dt.date(2024, 4, 3)


@pytest.fixture
def store(settings):
    return Store(settings)


def test_each_step_of_a_day_has_its_own_note(store):
    note(store, "farm", NEXT, Step.DAY, SceneReadError("B04 cut short"), "run-2")
    note(store, "farm", DAY, Step.CUBE, SceneReadError("lost"))
    note(store, "farm", DAY, Step.DAY, SceneGoneError("B08 is gone"))
    note(store, "barn", DAY, Step.DAY, SceneGoneError("another area"))
    assert [(n.day, n.step, n.error, n.run_id) for n in notes(store, "farm")] == [
        (DAY, Step.CUBE, "lost", ""),
        (DAY, Step.DAY, "B08 is gone", ""),
        (NEXT, Step.DAY, "B04 cut short", "run-2"),
    ]
    clear(store, "farm", DAY, Step.DAY)
    clear(store, "farm", DAY, Step.DAY)
    assert [(n.day, n.step) for n in notes(store, "farm")] == [
        (DAY, Step.CUBE),
        (NEXT, Step.DAY),
    ]


def test_the_same_cause_is_counted(store):
    counts = [
        note(store, "farm", DAY, Step.DAY, error).times
        for error in (
            SceneGoneError("one"),
            SceneGoneError("two"),
            CatalogUnavailableError("three"),
            SceneGoneError("four"),
        )
    ]
    assert counts == [1, 2, 1, 1]
    note(store, "farm", DAY, Step.DAY, SceneGoneError("five"))
    (left,) = notes(store, "farm")
    assert left.told == "2024-04-02 could not be made: five (2 times in a row)"


def test_a_note_of_0_1_0_is_read(store):
    store.put(
        "scenes/farm/2024-04-02.failed.json",
        b'{"area": "farm", "day": "2024-04-02", "error": "B04 cut short", "run_id": "r"}',
    )
    store.put("scenes/farm/2024-04-02.unknown.failed.json", b"{}")
    (left,) = notes(store, "farm")
    assert (left.day, left.step, left.error, left.run_id) == (DAY, Step.DAY, "B04 cut short", "r")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"error": 1, "times": []}'])
def test_a_broken_note_says_so_and_can_be_replaced(store, data):
    store.put(note_key("farm", DAY, Step.CUBE), data)
    (left,) = notes(store, "farm")
    assert "2024-04-02.cube.failed.json cannot be read" in left.error
    assert note(store, "farm", DAY, Step.CUBE, SceneReadError("new")).times == 1
    assert [n.error for n in notes(store, "farm")] == ["new"]


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (CatalogUnavailableError, [NEXT]),
        (StoreUnavailableError, [NEXT]),
        (ConflictError, []),
        (MissingDayError, []),
        (RuntimeError, []),
    ],
)
def test_errors_of_a_day_are_noted_and_raised_on(store, kind, left):
    with pytest.raises(kind, match="down"), noting(store, "farm", NEXT, Step.STATISTICS, "run-1"):
        raise kind("down")
    assert [n.day for n in notes(store, "farm")] == left
    assert all((n.cause, n.run_id) == (kind.__name__, "run-1") for n in notes(store, "farm"))
    assert noted_days(store, "farm", Step.STATISTICS) == set(left)
    assert noted_days(store, "farm", Step.DAY) == frozenset()


def test_a_note_that_cannot_be_written_hides_nothing(store, monkeypatch):
    def refuse(key, data):
        raise StoreUnavailableError("the store too")

    monkeypatch.setattr(store, "put", refuse)
    with pytest.raises(SceneGoneError, match="lost"), noting(store, "farm", DAY, Step.DAY):
        raise SceneGoneError("lost")
