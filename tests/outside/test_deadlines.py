"""Every deadline is one that can be met, and is told."""

import re
import time
from pathlib import Path

import pytest

from hydro_pipeline.outside import deadlines
from hydro_pipeline.outside.deadlines import Deadline, markdown, within

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_tells_every_deadline():
    assert markdown() in README.read_text()
    told = sum(isinstance(value, Deadline) for value in vars(deadlines).values())
    told += sum(re.search(r"(?<!_PER)_S$", name) is not None for name in vars(deadlines))
    assert len(markdown().splitlines()) == told + 2


def test_a_deadline_has_time_for_what_is_in_it():
    for name, value in vars(deadlines).items():
        if isinstance(value, Deadline):
            assert 0 < value.connect <= value.read <= value.total, name


def test_what_takes_too_long_is_left():
    assert within(5, lambda: 3) == 3
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no end after 0\.1 s"):
        within(0.1, lambda: time.sleep(1))
    assert time.monotonic() - started < 0.5


def test_errors_come_through_as_they_are():
    def fail():
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        within(5, fail)
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
