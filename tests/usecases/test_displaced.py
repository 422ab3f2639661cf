"""What is told of rows that go when fields are edited, and the seasons of a field's plantings."""

import datetime as dt
import json

import pytest

from hydro_pipeline.errors import CubeMeaningError, FieldsError
from hydro_pipeline.fields.fields import check_file, put_fields
from hydro_pipeline.outputs.exports import Export, Format
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.report.page import write_report
from hydro_pipeline.stats.stale import Displaced
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.displaced import by_file, remember, remembered
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of, run, set_up, table

MAY = dt.date(2024, 5, 1)


@pytest.fixture
def farm(season, tmp_path):
    """The season's first six days with one field of it, in its own file."""
    pipeline, days = set_up(season, tmp_path), days_of(season)[:6]
    pipeline.store.delete("inputs/farm/fields/fields.geojson")
    put(pipeline, season, "sea_a.geojson", days[0])
    run(pipeline, days)
    return pipeline, days


def file_of(season, *plantings, field="F1"):
    """One field of the season, planted on some days."""
    document = json.loads(season.fields_geojson)
    outline = document["features"][0]["geometry"]
    features = [
        {
            "type": "Feature",
            "geometry": outline,
            "properties": {"field_id": field, "planting_date": str(day)},
        }
        for day in plantings
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def put(pipeline, season, name, *plantings, **how):
    return put_fields(
        pipeline.store, pipeline.area("farm"), name, file_of(season, *plantings), **how
    )


def told(pipeline, season, name, *plantings):
    area = pipeline.area("farm")
    checked = check_file(pipeline.store, area, name, file_of(season, *plantings), force=True)
    return by_file(pipeline.open("farm"), checked)


def seasons(pipeline):
    return [(str(row["date"]), str(row["planting_date"])) for row in table(pipeline)]


def test_an_edit_is_told_before_it_is_stored_and_after_it_was(farm, season):
    pipeline, days = farm
    sentence = f"F1 replaces F1 of sea_a.geojson: planting date {days[0]} -> {days[4]}; "
    assert told(pipeline, season, "sea_a.geojson", days[4]) == [
        sentence + "4 rows will be dropped, 2 rows will be made anew"
    ]
    assert told(pipeline, season, "sea_a.geojson", MAY) == [
        f"F1 replaces F1 of sea_a.geojson: planting date {days[0]} -> {MAY}; 6 rows will be dropped"
    ]
    assert told(pipeline, season, "sea_a.geojson", days[0]) == []

    put(pipeline, season, "sea_a.geojson", days[4])
    found = status(pipeline.open("farm"), days[5])
    assert found.displaced == (sentence + "4 rows will be dropped, 2 rows will be made anew",)
    assert (found.stale_days, found.stale_pairs) == (tuple(days), 6)
    list(pipeline.update_field_stats("farm", days))
    today = dt.datetime.now(dt.UTC).date()
    after = status(pipeline.open("farm"), today).displaced
    assert after == (
        f"{today}: F1 replaces F1: planting date {days[0]} -> {days[4]}; "
        "4 rows were dropped, 2 rows were made anew",
    )
    assert len(remembered(pipeline.store, "farm", today + dt.timedelta(30))) == 1
    assert remembered(pipeline.store, "farm", today + dt.timedelta(31)) == []
    assert seasons(pipeline) == [(str(day), str(days[4])) for day in days[4:]]


def test_the_last_50_sentences_are_kept(settings):
    store, now = Store(settings), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    for hundred in (100, 200):
        rows = [Displaced(f"F{hundred + n}", MAY, None, True) for n in range(30)]
        remember(store, "farm", rows, now)
    kept = remembered(store, "farm", now.date())
    assert [line.split()[1] for line in kept] == [
        f"F{n}," for n in (*range(110, 130), *range(200, 230))
    ]


def test_another_file_with_another_date_is_another_season(farm, season):
    pipeline, days = farm
    before = table(pipeline)
    assert told(pipeline, season, "sea_b.geojson", days[3]) == [
        f"F1: the season of {days[0]} ends before another planting; 3 rows will be made anew"
    ]
    put(pipeline, season, "sea_b.geojson", days[3])
    reports = list(pipeline.update_field_stats("farm", days))
    assert [report.computed for report in reports] == [()] * 3 + [("F1",)] * 3
    assert [report.dropped for report in reports] == [0] * 6
    assert table(pipeline)[:3] == before[:3]
    both = [(str(d), str(days[0] if d < days[3] else days[3])) for d in days]
    assert seasons(pipeline) == both
    assert [row["days_after_planting"] for row in table(pipeline)] == [0, 1, 2, 0, 1, 2]
    assert pipeline.open("farm").stale_days() == []

    put(pipeline, season, "sea_a.geojson", days[0], days[3])
    pipeline.store.delete("inputs/farm/fields/sea_b.geojson")
    assert pipeline.open("farm").stale_days() == []


def test_another_outline_is_told(farm, season):
    pipeline, days = farm
    document = json.loads(file_of(season, days[0]))
    ring = document["features"][0]["geometry"]["coordinates"][0]
    ring[1] = [(a + b) / 2 for a, b in zip(ring[0], ring[2], strict=True)]
    area, state = pipeline.area("farm"), pipeline.open("farm")
    for name in ("sea_a.geojson", "other.geojson"):
        checked = check_file(pipeline.store, area, name, json.dumps(document).encode(), False)
        assert by_file(state, checked) == [
            "F1 replaces F1 of sea_a.geojson: another outline; 6 rows will be made anew"
        ]


def test_an_empty_file_in_place_of_a_full_one_needs_force(farm, season):
    pipeline, days = farm
    assert told(pipeline, season, "sea_a.geojson") == [
        f"F1 of sea_a.geojson, planted {days[0]}, is taken away; 6 rows will be dropped"
    ]
    with pytest.raises(FieldsError, match=r"would replace a file with 1 field; .* --force"):
        put(pipeline, season, "sea_a.geojson")
    away = json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"field_id": "F", "planting_date": "2024-01-01"},
         "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}}
    ]}).encode()  # fmt: skip
    with pytest.raises(FieldsError, match="--force"):
        put_fields(pipeline.store, pipeline.area("farm"), "sea_a.geojson", away)
    assert len(pipeline.open("farm").fields.fields) == 1
    assert put(pipeline, season, "sea_a.geojson", force=True).fields == ()
    assert put(pipeline, season, "new.geojson").fields == ()
    assert status(pipeline.open("farm"), days[5]).displaced == (
        f"F1, planted {days[0]}, is taken away; 6 rows will be dropped",
    )


def test_no_row_goes_while_a_feature_cannot_be_read(farm, season):
    pipeline, days = farm
    broken = json.loads(file_of(season, days[0]))
    broken["features"][0]["properties"]["planting_date"] = None
    pipeline.store.put("inputs/farm/fields/sea_a.geojson", json.dumps(broken).encode())
    put(pipeline, season, "sea_b.geojson", MAY)
    rows = table(pipeline)
    found = status(pipeline.open("farm"), days[5])
    assert (found.stale_days, found.displaced) == ((), ())
    assert "has no planting_date" in found.remarks[0]
    list(pipeline.update_field_stats("farm", days))
    assert table(pipeline) == rows


def test_an_area_that_was_replaced_is_refused_everywhere(farm, season, tmp_path):
    pipeline, days = farm
    west, south, east, north = season.area("farm").bbox
    moved = type(season.area("farm")).from_bbox("farm", (west + 0.01, south, east + 0.01, north))
    pipeline.store.put("inputs/farm/area.geojson", moved.to_geojson())
    state = pipeline.open("farm")
    attempts = [
        lambda: list(pipeline.ingest_days("farm", days[-1:])),
        lambda: list(pipeline.update_field_stats("farm", days)),
        lambda: pipeline.put_area(moved),
        lambda: write_report(state),
        lambda: list(Publication(state).publish(None, None)),
        *(lambda f=f: Export(state).write(f, tmp_path / f"x.{f}") for f in Format),
    ]
    sentences = set()
    for attempt in attempts:
        with pytest.raises(CubeMeaningError) as caught:
            attempt()
        sentences.add(str(caught.value))
    (sentence,) = sentences
    assert sentence.startswith("the area farm was replaced: its area.geojson gives the grid")
    assert status(state, days[5]).mismatch == sentence
