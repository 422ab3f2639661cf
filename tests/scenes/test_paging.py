"""What a search was told is held against what came, where a search engine still counts."""

import pytest

from hydro_pipeline.errors import CatalogUnavailableError
from hydro_pipeline.scenes.paging import Answered


def answered(matched: int, came: int) -> Answered:
    names = set(map(str, range(came)))
    return Answered([matched], names, names)


@pytest.mark.parametrize(
    ("matched", "came"), [(9_999, 9_999), (10_000, 10_000), (10_000, 10_001), (20_000, 20_000)]
)
def test_more_may_come_than_an_engine_counts_to(matched, came):
    answered(matched, came).check("https://stac")


@pytest.mark.parametrize(("matched", "came"), [(9_999, 10_000), (10_000, 9_999)])
def test_what_is_counted_must_come_and_no_more(matched, came):
    with pytest.raises(CatalogUnavailableError, match=f"{matched} items match but {came} differ"):
        answered(matched, came).check("https://stac")
