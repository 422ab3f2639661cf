"""What the UI shows of long lists and of many fields and days."""

import datetime as dt
from types import SimpleNamespace

import pyarrow as pa
import pytest

from hydro_pipeline.defs import metadata
from hydro_pipeline.stats.update import StatsReport
from hydro_pipeline.storage.store import Store
from tests.support.product import PRODUCT

FIRST = dt.date(2024, 4, 1)


@pytest.fixture
def store(settings):
    return Store(settings)


def report(number: int = 0, *fields: str) -> StatsReport:
    day = FIRST + dt.timedelta(number)
    return StatsReport("farm", day, PRODUCT, fields, 0, (), len(fields), 0, 0, 0.0)


def names(count: int) -> list[str]:
    return [f"F{n:02}" for n in range(count)]


@pytest.mark.parametrize(("count", "last"), [(50, "- F49"), (51, "- and 1 more")])
def test_a_list_shows_50_lines_and_how_many_more_there_are(store, count, last):
    lines = metadata.of_stats(report(0, *names(count)), store)["fields computed"].value.split("\n")
    assert lines[:50] == [f"- {name}" for name in names(50)]
    assert lines[-1] == last


@pytest.fixture
def stored(monkeypatch):
    """Every day has rows of 25 fields, whose NDVI grows with their names; the series as drawn."""
    shown = ("ndvi_mean", "valid_fraction", "age_mean_days", "days_after_planting")
    columns = dict.fromkeys(shown, [0.0] * 25)
    means = [n / 100 for n in range(25)]
    rows = pa.table(columns | {"field_id": names(25), "ndvi_mean": means})
    monkeypatch.setattr(metadata, "read_day", lambda *_: SimpleNamespace(rows=rows))
    drawn = {}
    monkeypatch.setattr(metadata, "series_png", lambda series, _: drawn.update(series) or b"")
    return drawn


def test_a_run_shows_its_ten_best_and_its_ten_worst_fields(store, stored):
    told = metadata.of_stats_run([report(0, *names(25))], store)
    best, worst = (
        [record.data["field_id"] for record in told[f"{which} fields"].records]
        for which in ("best", "worst")
    )
    assert best == names(25)[:-11:-1]
    assert worst == names(10)


def test_a_run_draws_six_fields_over_its_last_120_days(store, stored):
    metadata.of_stats_run([report(n, *names(25)) for n in range(130)], store)
    assert list(stored) == names(6)
    days, values = stored["F05"]
    assert (days[0], len(days)) == (FIRST + dt.timedelta(10), 120)
    assert set(values) == {0.05}
