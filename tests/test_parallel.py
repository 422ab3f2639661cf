"""Trying again: how often, how long, and what is raised in the end."""

import time

import pytest

from hydro_pipeline.parallel import Tries, in_threads, retry


@pytest.fixture
def waits(monkeypatch):
    """Every wait, seconds; none is waited. Waits are not random."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    return waited


class BusyError(Exception):
    def __init__(self, after: float | None = None) -> None:
        super().__init__(f"after {after}")
        self.after = after


def busy(error: BaseException) -> bool:
    return isinstance(error, BusyError)


def failing(*errors: Exception):
    """Fails with each error in turn, then gives the number of the try."""
    left = list(errors)

    def work(number: int) -> int:
        if left:
            raise left.pop(0)
        return number

    return work


def test_results_come_in_order():
    assert in_threads(lambda n: n * n, range(20), threads=4) == [n * n for n in range(20)]


def test_what_passes_is_tried_again(waits):
    assert retry(failing(BusyError(), BusyError()), Tries(3), busy) == 3
    assert waits == [0, 0]


def test_waits_double(waits):
    assert retry(failing(*[BusyError()] * 5), Tries(6, 0.5), busy) == 6
    assert waits == [0.5, 1, 2, 4, 8]


def test_waits_are_random_within_half_of_themselves(monkeypatch):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    for _ in range(200):
        retry(failing(BusyError()), Tries(2, 1), busy)
    assert 0.5 <= min(waited) < 0.6
    assert 1.4 < max(waited) <= 1.5


def test_the_last_exception_is_raised_as_it_is(waits):
    last = BusyError()
    with pytest.raises(BusyError) as caught:
        retry(failing(BusyError(), last, BusyError()), Tries(2, 1), busy)
    assert caught.value is last
    assert waits == [1]


def test_what_does_not_pass_is_raised_at_once(waits):
    with pytest.raises(KeyError):
        retry(failing(BusyError(), KeyError("x"), BusyError()), Tries(9, 1), busy)
    assert waits == [1]


def test_the_other_side_may_ask_for_more_patience_but_not_for_less(waits):
    errors = BusyError(0.2), BusyError(30), BusyError()
    assert retry(failing(*errors), Tries(4, 1), busy, lambda e: e.after) == 4
    assert waits == [1, 30, 4]


def test_no_wait_begins_that_would_end_after_the_limit(waits):
    with pytest.raises(BusyError, match="after 11"):
        retry(failing(BusyError(9), BusyError(11)), Tries(9, 1, limit=10), busy, lambda e: e.after)
    assert waits == [9]
