"""What is shown of many sentences, of numbers, and to another program."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from hydro_pipeline.cli.terminal import limited, table


@pytest.mark.parametrize(("count", "more"), [(20, []), (21, ["and 1 more like these"])])
def test_20_of_many_sentences_are_shown(count, more):
    sentences = list(map(str, range(count)))
    assert limited(sentences) == sentences[:20] + more


def test_numbers_from_100_on_have_one_decimal():
    printed = io.StringIO()
    Console(file=printed).print(table(["x"], [[-0.25], [99.5], [100.0], [-1234.56], [None]]))
    assert printed.getvalue().split() == ["x", "-0.250", "99.500", "100.0", "-1234.6"]


def test_another_program_gets_120_columns_and_no_colours_of_its_own():
    code = (
        "from hydro_pipeline.cli.terminal import err, out\n"
        "for console in (out, err):\n"
        "    console.print('5 days')\n"
        "print(out.width)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("5 days\n120\n", "5 days\n")
