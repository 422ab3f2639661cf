"""The record of a day says what it was made from and why, the same each time."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.day_record import (
    contradictions_of,
    day_record,
    from_bytes,
    is_by,
    refused_of,
    repeated,
    to_bytes,
    warnings_of,
)
from hydro_pipeline.scenes.item import parse_item
from hydro_pipeline.settings import OffsetCheck, Settings
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.product import select

DATA = Path(__file__).parents[1] / "data"
DAY = dt.date(2020, 3, 5)


@pytest.fixture
def selection():
    features = json.loads((DATA / "reprocessed.json").read_text())["features"][:4]
    del features[2]["assets"]["nir"]
    return select([parse_item(f, "a catalog", "https://example.com") for f in features])


def record_of(selection, counts, **options):
    counts = np.array(counts, np.int64)
    return day_record("alps", DAY, selection, counts, 10_000, "observed", "run-1", **options)


COUNTS = [[9_000, 5_000, 4_000, 0, 4_900], [10_000, 5_000, 1_000, 4_000, 500]]


def test_what_it_says(selection):
    record = record_of(selection, COUNTS)
    assert record["hydro:area"] == "alps"
    assert record["hydro:date"] == "2020-03-05"
    assert (record["hydro:outcome"], record["hydro:version"]) == ("observed", 1)
    assert record["hydro:run_id"] == "run-1"
    old, new = record["hydro:used"]
    assert old["id"] == "S2A_32TNT_20200305_0_L2A"  # the newer one has no nir
    assert (old["baseline"], old["boa_offset_applied"], old["offset"]) == ("02.14", False, 0.0)
    assert (old["finding"], new["finding"]) == ("uncorrected", "corrected")
    assert (old["valid_share"], old["clear_share"], old["used_share"]) == (0.9, 0.5, 0.4)
    assert new["contradiction"] is None
    assert contradictions_of(record) == (old["contradiction"],)
    assert "look uncorrected" in old["contradiction"]
    (lacking,), (replaced,) = record["hydro:refused"], record["hydro:replaced"]
    refused = f"1 of 3 scenes refused: {lacking['id']}: {lacking['reason']}"
    assert warnings_of(record) == (refused, old["contradiction"])
    assert lacking["id"] == "S2A_32TNT_20200305_1_L2A"
    assert lacking["reason"] == "it has no asset 'nir' or 'B08' or 'B08_10m'; its assets: red, scl"
    assert (lacking["baseline"], lacking["boa_offset_applied"]) == ("05.00", True)
    assert lacking["updated"] == "2024-06-29T14:02:27.674Z"
    assert "was processed again as" in replaced["reason"]
    assert [f["id"] for f in record["features"]] == [u["id"] for u in record["hydro:used"]]


def test_the_same_input_gives_the_same_bytes(selection):
    data = to_bytes(record_of(selection, COUNTS))
    assert to_bytes(record_of(selection, COUNTS)) == data
    assert from_bytes(data) == json.loads(data)
    with pytest.raises(ValueError, match="not the record of a day"):
        from_bytes(b'{"type": "FeatureCollection", "features": []}')


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hydro:used": None}, "no list of hydro:used"),
        ({"hydro:used": [{"id": "a"}]}, "hydro:used do not say baseline, contradiction"),
        ({"features": ["a"]}, "features do not say id, properties"),
        ({"features": [{"id": "a", "properties": None}]}, "no properties"),
    ],
)
def test_a_record_that_was_changed_by_hand_is_none(selection, change, says):
    record = record_of(selection, COUNTS) | change
    with pytest.raises(ValueError, match=says):
        from_bytes(to_bytes(record))
    with pytest.raises(ValueError, match="nested too deep"):
        from_bytes(b"[" * 100_000)


def test_the_check_can_be_off(selection):
    record = record_of(selection, COUNTS, offset_check=OffsetCheck.OFF)
    assert {used["finding"] for used in record["hydro:used"]} == {"unknown"}
    assert contradictions_of(record) == ()


def test_a_record_of_0_1_0_does_not_tell_refused_scenes_from_replaced_ones(selection):
    record = record_of(selection, COUNTS)
    record["hydro:refused"] += record.pop("hydro:replaced")
    assert refused_of(record) == []
    assert warnings_of(record) == contradictions_of(record)


def test_a_repeated_day_keeps_the_run_that_made_it(selection):
    record = record_of(selection, COUNTS)
    assert repeated(record, None) == repeated(record, "run-1") == record
    kept = repeated(record, "run-0")
    assert (kept["hydro:run_id"], kept["hydro:repeated_by"]) == ("run-0", "run-1")
    assert record | kept == kept
    assert [is_by(record, run) for run in ("run-0", "run-1")] == [False, True]
    assert [is_by(kept, run) for run in ("run-0", "run-1", "run-2")] == [True, True, False]


def test_a_day_without_scenes():
    record = day_record("alps", DAY, select([]), np.zeros((0, 5), np.int64), 100, "no scene")
    assert record["hydro:used"] == record["hydro:refused"] == record["features"] == []
    assert record["hydro:replaced"] == []
    assert from_bytes(to_bytes(record))["hydro:outcome"] == "no scene"


def test_records_of_a_season_replay_it(made, season, tmp_path):
    """Each day's record is itself a static catalog of the day, and gives the same pixels."""
    outcomes = {}
    for number in range(season.days):
        day = season.first_day + dt.timedelta(number)
        data = made.store.get(scenes_key("demo", day))
        record = from_bytes(data)
        outcomes[number] = record["hydro:outcome"]
        shares = [used["used_share"] for used in record["hydro:used"]]
        observed = made.open("demo").cube.daily("observed_fraction")[number]
        assert sum(shares) == pytest.approx(observed, abs=2e-6)
        path = tmp_path / f"{day}.json"
        path.write_bytes(data)
        known = Settings.load(catalog=str(path), trusted=str(season.directory))
        items = open_catalog(known).scenes(season.area("demo"), day, day)[day]
        assert [s.id for s in select(items).scenes] == [u["id"] for u in record["hydro:used"]]
    assert outcomes[0] == "observed"
    assert outcomes[1] == "no scene"
    first = Pipeline(
        Settings.load(
            root=str(tmp_path / "root"),
            catalog=str(tmp_path / f"{season.first_day}.json"),
            trusted=str(season.directory),
        )
    )
    first.put_area(season.area("demo"))
    (report,) = first.ingest_days("demo", [season.first_day], run_id="a-run")
    assert report.outcome == "observed"
    for ours, theirs in zip(
        first.open("demo").cube.read(season.first_day),
        made.open("demo").cube.read(season.first_day),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    replayed = first.store.get(scenes_key("demo", season.first_day))
    assert replayed == made.store.get(scenes_key("demo", season.first_day))
