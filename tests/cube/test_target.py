"""Where a day may be written: at the end of the cube, or over a day that is there."""

import datetime as dt

import pytest

from hydro_pipeline.cube.target import position
from hydro_pipeline.errors import MissingDayError

FIRST = dt.date(2024, 3, 1)


def day(n):
    return FIRST + dt.timedelta(n)


@pytest.mark.parametrize("start_date", [None, FIRST, day(-7)])
@pytest.mark.parametrize("n", [0, 2, 3])
def test_in_a_cube_of_three_days(n, start_date):
    assert position("farm", day(n), FIRST, 3, start_date) == n


def test_in_an_empty_cube():
    assert position("farm", day(9), None, 0, None) == 0
    assert position("farm", FIRST, None, 0, FIRST) == 0


@pytest.mark.parametrize(
    ("n", "first", "length", "start_date", "told"),
    [
        (4, FIRST, 3, None, "ends on 2024-03-03.*--from 2024-03-04 --to 2024-03-05"),
        (-1, FIRST, 3, None, "2024-02-29 is before 2024-03-01.*cannot grow backwards"),
        (2, None, 0, FIRST, "HYDRO_START_DATE=2024-03-01.*--from 2024-03-01 --to 2024-03-03"),
        (-1, None, 0, FIRST, "HYDRO_START_DATE=2024-03-01"),
    ],
)
def test_elsewhere_it_says_what_to_run(n, first, length, start_date, told):
    with pytest.raises(MissingDayError, match=f"^farm: .*{told}"):
        position("farm", day(n), first, length, start_date)
