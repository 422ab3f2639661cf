"""What is measured was changed: pixels are never mixed, rows are read and computed anew."""

import datetime as dt
from dataclasses import replace

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import CubeMeaningError
from hydro_pipeline.product import Column
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.kernel import Summary
from hydro_pipeline.stats.schema import schema_of
from hydro_pipeline.stats.table import read_day, write_day
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.made_by_0_1_0 import DAYS, FIRST, lay_out, season_of
from tests.support.product import PRODUCT

MADE = [FIRST + dt.timedelta(n) for n in range(DAYS)]
NEXT = FIRST + dt.timedelta(DAYS)


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return season_of(tmp_path_factory.mktemp("season"))


@pytest.fixture(params=["today", "0.1.0"])
def pipeline(season, tmp_path, request):
    """Area farm of `DAYS` days, its cube made by today's code or by 0.1.0, rows all fresh."""
    lay_out(season, tmp_path / "root")
    settings = Settings.load(
        root=str(tmp_path / "root"), catalog=str(season.directory / "items.json")
    )
    found = Pipeline(settings)
    if request.param == "today":
        for key in (o.key for o in found.store.listing("cubes/farm")):
            found.store.delete(key)
        assert [report.day for report in found.ingest_days("farm", MADE)] == MADE
    assert found.open("farm").stale_days() == []
    return found


def masked(**changes):
    return replace(PRODUCT, mask=replace(PRODUCT.mask, **changes))


EDITS = {
    "spoiling_classes is [3, 8, 9, 10] there and [3, 8, 9, 10, 11] now": masked(
        spoiling=(3, 8, 9, 10, 11)
    ),
    "pixel_code is 1 there and 2 now": replace(PRODUCT, pixel_code=2),
    "variables is {'ndvi': {'top': {'nir': 1.0, 'red': -1.0}": replace(
        PRODUCT, variables=(replace(PRODUCT.main, top={"nir": 1.0, "red": -2.0}),)
    ),
}


@pytest.mark.parametrize("sentence", EDITS)
def test_other_pixels_are_not_put_beside_those_that_are_there(pipeline, monkeypatch, sentence):
    monkeypatch.setattr(Settings, "product", EDITS[sentence])
    for use in (
        lambda: list(pipeline.ingest_days("farm", [NEXT])),
        lambda: list(pipeline.update_field_stats("farm", MADE)),
        lambda: pipeline.put_area(pipeline.area("farm")),
    ):
        with pytest.raises(CubeMeaningError) as refused:
            use()
        assert sentence in str(refused.value)
    assert Cube.open(pipeline.store, "farm").days == MADE


def test_a_cube_whose_meaning_tells_more_is_refused(pipeline, monkeypatch):
    """It was made by a later version."""
    known = type(PRODUCT).meaning
    pipeline.put_area(replace(pipeline.area("farm"), name="later"))
    with monkeypatch.context() as later:
        later.setattr(type(PRODUCT), "meaning", lambda self: known(self) | {"haze": "removed"})
        list(pipeline.ingest_days("later", MADE[:1]))
    with pytest.raises(CubeMeaningError, match="haze is 'removed' there and None now"):
        list(pipeline.ingest_days("later", MADE[1:2]))


def add_statistic(monkeypatch):
    """As if `ndvi_range` stood in `product.py` and `stats/kernel.py`."""
    columns, computed = (*PRODUCT.columns, Column("ndvi_range")), Summary.on

    def on(summary, day):
        found = computed(summary, day)
        return {**found, "ndvi_range": found["ndvi_max"] - found["ndvi_min"]}

    monkeypatch.setattr(Summary, "on", on)
    monkeypatch.setattr(type(PRODUCT), "columns", property(lambda product: columns))


def test_a_new_statistic_makes_history_stale_and_recomputed(pipeline, monkeypatch):
    before = pipeline.open("farm").stats()
    assert pipeline.settled("farm")
    add_statistic(monkeypatch)
    assert not pipeline.settled("farm")
    pipeline = Pipeline(pipeline.settings)

    meanwhile = pipeline.open("farm").stats()
    assert meanwhile["ndvi_range"].null_count == before.num_rows > 0
    assert meanwhile.drop_columns(["ndvi_range"]).equals(before)

    assert pipeline.open("farm").stale_days() == MADE
    (report,) = pipeline.update_field_stats("farm", MADE[:1])
    assert len(report.computed) == report.fields == 2
    assert pipeline.open("farm").stale_days() == MADE[1:]
    list(pipeline.update_field_stats("farm", MADE))
    assert pipeline.open("farm").stale_days() == []
    after = pipeline.open("farm").stats()
    for row in after.to_pylist():
        assert row["ndvi_range"] == row["ndvi_max"] - row["ndvi_min"] > 0
    again = ["field_hash", "computed_at"]
    assert after.drop_columns(["ndvi_range", *again]).equals(before.drop_columns(again))
    assert not set(after["field_hash"].to_pylist()) & set(before["field_hash"].to_pylist())


def test_a_row_made_anew_leaves_the_others_of_its_file_stale(pipeline, monkeypatch):
    add_statistic(monkeypatch)
    file = read_day(pipeline.store, "farm", MADE[0], schema_of(PRODUCT))
    wanted = Pipeline(pipeline.settings).open("farm").wanted.hashes[0]
    place = file.rows.schema.get_field_index("field_hash")
    one = file.rows.slice(0, 1).set_column(place, file.rows.schema.field(place), [[wanted]])
    write_day(pipeline.store, "farm", MADE[0], file, one, [])
    (report,) = Pipeline(pipeline.settings).update_field_stats("farm", MADE[:1])
    assert report.computed == tuple(file.rows["field_id"].to_pylist()[1:])


def test_rows_of_a_later_version_are_read(pipeline, monkeypatch):
    before = pipeline.open("farm").stats()
    with monkeypatch.context() as later:
        add_statistic(later)
        list(Pipeline(pipeline.settings).update_field_stats("farm", MADE))
    pipeline = Pipeline(pipeline.settings)
    again = ["field_hash", "computed_at"]
    assert pipeline.open("farm").stats().drop_columns(again).equals(before.drop_columns(again))
    assert pipeline.open("farm").stale_days() == MADE
