"""A change that the tests of a small package miss is found, and those they notice are not."""

import tomllib
from pathlib import Path

import pytest

from tests.mutants import EXCUSED, excuse, find, found, survivors, useless

pytestmark = pytest.mark.enable_socket  # to the process that forks the runs of tests

SOURCE = """LIMIT = 10
SLACK = -0.5
FLAGS = (True, 1 << 11)

class Limits:
    tries: int = 7

def check(value, most=2_024):
    if value > LIMIT:
        raise ValueError(value)
    return 20 <= value
"""
TESTS = """import pytest
from hydro_pipeline.room.toy import check

def test_check():
    assert not check(10)
    with pytest.raises(ValueError):
        check(11)
"""


def test_each_number_and_each_condition_that_raises_is_changed():
    assert [str(mutant).partition("toy.py:")[2] for mutant in find("toy.py", SOURCE)] == [
        "1: LIMIT: 10 -> 100",
        "1: LIMIT: 10 -> 1",
        "2: SLACK: -0.5 -> -5.0",
        "2: SLACK: -0.5 -> -0.05",
        "3: FLAGS: True -> False",
        "3: FLAGS: 1 << 11 -> 20480",
        "3: FLAGS: 1 << 11 -> 204",
        "6: Limits.tries: 7 -> 70",
        "6: Limits.tries: 7 -> 1",
        "8: check(): 2_024 -> 2023",
        "8: check(): 2_024 -> 2025",
        "9: check: value > LIMIT: value > LIMIT -> False",
        "11: check: 20 <= value: 20 -> 200",
        "11: check: 20 <= value: 20 -> 2",
    ]


def test_only_the_content_changes_that_is_named():
    first, *_ = find("toy.py", SOURCE)
    assert first.content.decode() == SOURCE.replace("LIMIT = 10", "LIMIT = 100")


def test_a_name_a_single_change_or_all_numbers_are_excused_but_no_refusal_with_them():
    mutants = list(find("hydro_pipeline/room/toy.py", SOURCE))

    def left(place, name):
        excuses = {place: {name: "why"}, "hydro_pipeline/hall": {"*": "of other files"}}
        assert useless(excuses, mutants) == {("hydro_pipeline/hall", "*")}
        return [m for m in mutants if excuse(m, excuses) is None]

    assert {m.line for m in left("hydro_pipeline/room/toy.py", "SLACK")} == {1, 3, 6, 8, 9, 11}
    assert len(left("hydro_pipeline/room/toy.py", "LIMIT: 10 -> 1")) == len(mutants) - 1
    assert [m.line for m in left("hydro_pipeline/room", "*")] == [9]


def test_each_excuse_is_for_a_name_that_there_is():
    assert not useless(tomllib.loads(EXCUSED.read_text()), found())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one module, whose test misses the last threshold."""
    root = tmp_path / "repository"
    for name, text in (("hydro_pipeline/room/toy.py", SOURCE), ("tests/room/test_toy.py", TESTS)):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / "hydro_pipeline/__init__.py").touch()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return root


def test_what_no_test_notices_survives(repository):
    mutants = [m for m in find("hydro_pipeline/room/toy.py", SOURCE) if m.line in (1, 11)]
    left = survivors(repository, mutants, preloaded=["pytest"])
    assert [(mutant.line, mutant.new) for mutant in left] == [(11, "200")]
    assert (repository / "hydro_pipeline/room/toy.py").read_text() == SOURCE


def test_tests_that_fail_anyway_show_nothing(repository):
    (repository / "tests/room/test_toy.py").write_text("def test_it(): assert False")
    mutants = list(find("hydro_pipeline/room/toy.py", SOURCE))
    with pytest.raises(RuntimeError, match=r"test_toy.*fails without a mutation"):
        survivors(repository, mutants[:1])
