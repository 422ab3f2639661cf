"""Memory of the statistics of fields as large as an area of 100 x 100 km allows."""

import pytest

from benchmarks.case_bounded import statistics_of
from benchmarks.measure import measure


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shapes", ["whole", "star", "twenty"])
def test_statistics_fit_into_one_gib(shapes: str) -> None:
    made = measure(statistics_of, shapes)
    assert made.peak_mib < 1024
    _, found = made.value
    assert found["ndvi_median"] == pytest.approx(0.5, abs=1e-3)
    assert found["ndvi_min"] == 0
