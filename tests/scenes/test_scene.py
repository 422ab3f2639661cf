"""How refused scenes are told in one line."""

import pytest

from hydro_pipeline.scenes.scene import told


@pytest.mark.parametrize(
    ("refused", "line"),
    [
        ([("A", "x"), ("B", "y"), ("C", "x")], "A, C: x; B: y"),
        ([("A", "x"), ("B", "x"), ("C", "x"), ("D", "x")], "A, B, C, 1 more: x"),
        (
            [("A", "x"), ("B", "y"), ("C", "z"), ("D", "v"), ("E", "w")],
            "A: x; B: y; C: z; 2 more reasons",
        ),
    ],
)
def test_each_reason_is_told_once_with_three_names(refused, line):
    assert told(refused) == line
