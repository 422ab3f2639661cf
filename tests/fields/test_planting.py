"""Which day a planting date means, by hand."""

import datetime as dt

import pytest

from hydro_pipeline.fields.fields import parse_fields
from hydro_pipeline.fields.planting import planting
from tests.support.field_files import feature, geojson

TODAY = dt.date(2024, 6, 1)


@pytest.mark.parametrize(
    ("value", "longitude", "day"),
    [
        ("2023-03-31T22:00:00Z", 5.0, dt.date(2023, 4, 1)),  # midnight in Brussels, in summer
        ("2023-03-31T23:00:00Z", 5.0, dt.date(2023, 4, 1)),
        ("2023-03-31T16:00:00Z", 76.0, dt.date(2023, 4, 1)),  # midnight in Kashgar
        ("2023-04-01T06:00:00Z", -100.0, dt.date(2023, 4, 1)),  # midnight in Dallas
        ("2023-04-01T10:30:00Z", 5.0, dt.date(2023, 4, 1)),
        ("2023-03-31T20:00:00Z", 5.0, dt.date(2023, 3, 31)),
        ("2023-04-01T23:00:00", 5.0, dt.date(2023, 4, 1)),  # whose zone is not told
        ("2023-04-01T23:00:00+02:00", 5.0, dt.date(2023, 4, 1)),
    ],
)
def test_a_time_is_a_day_and_a_note(value, longitude, day):
    found = planting(value, longitude, TODAY)
    assert found.day == day
    (note,) = found.notes
    assert f"a time, '{value}': {day} was taken" in note


@pytest.mark.parametrize("longitude", [-170.0, 5.0, 170.0])
@pytest.mark.parametrize("value", ["2023-04-01", "2023-04-01T00:00:00Z", "2023-04-01T00:00+09:00"])
def test_a_midnight_is_its_date_everywhere(value, longitude):
    found = planting(value, longitude, TODAY)
    assert (found.day, found.notes) == (dt.date(2023, 4, 1), ())


@pytest.mark.parametrize("value", ["0222-04-01", "1899-12-31", "2222-04-01", "2034-06-03"])
def test_a_year_that_cannot_be_meant_leaves_the_field_out(value):
    with pytest.raises(ValueError, match=f"{value}', too (early|late) to be meant; check its year"):
        planting(value, 5.0, TODAY)
    reading = parse_fields("a", geojson(feature("F1", value), feature("F2")), TODAY)
    assert [f.field_id for f in reading.fields] == ["F2"]
    assert f"(field_id 'F1') has a planting_date '{value}', too" in reading.problems[0].message


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("2015-06-30", "before the first imagery"),
        ("1900-01-01", "before the first imagery"),
        ("2025-06-03", "more than a year from now"),
    ],
)
def test_a_year_that_may_be_meant_is_told(value, note):
    reading = parse_fields("a", geojson(feature("F1", value)), TODAY)
    assert len(reading.fields) == 1
    assert f"a: field F1 {'is' if 'now' in note else 'was'} planted on {value}, {note}" in (
        reading.problems[0].message
    )
    assert reading.complete


@pytest.mark.parametrize("value", ["2015-07-01", "2025-06-02"])
def test_the_first_and_the_last_day_without_a_note(value):
    assert planting(value, 5.0, TODAY).notes == ()
