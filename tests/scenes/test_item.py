"""Up to where an item is believed."""

import datetime as dt
from typing import Any

import pytest

from hydro_pipeline.scenes.item import UnusableError, name_of, read_item, shown

OUTLINE = {"type": "Point", "coordinates": [5.0, 50.0]}


def feature(seen: str = "2024-05-01T10:00:00Z", **changes: Any) -> dict[str, Any]:
    made = {"type": "Feature", "id": "S", "geometry": OUTLINE, "bbox": [5.0, 50.0, 5.0, 50.0]}
    return made | {"properties": {"datetime": seen}, "assets": {}} | changes


@pytest.mark.parametrize(
    "believed",
    [
        feature(id="S" * 200),
        feature("1970-01-01T00:00:00Z"),
        feature("2199-12-31T00:00:00Z"),
        feature(bbox=[5.09, 50.0, 6.0, 51.0]),
        feature(bbox=[5.0, 50.0, 0.0, 6.0, 51.0, 100.0]),
        feature(bbox=[-360.0, -360, 360, 360.0]),
    ],
)
def test_what_is_believed(believed):
    item = read_item(believed, "https://stac.example/")
    assert (item.id, item.bbox) == (believed["id"], believed["bbox"])
    assert item.datetime == dt.datetime.fromisoformat(believed["properties"]["datetime"])


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (feature(id="S" * 201), "its id is longer than 200 characters"),
        (feature("1969-12-31T23:59:59Z"), "its datetime is"),
        (feature("2200-01-01T00:00:00Z"), "its datetime is"),
        (feature(bbox=[5.11, 50.0, 6.0, 51.0]), "lies beside its geometry"),
        (feature(bbox=[5.0, 50.0, 5.0, True]), "its bbox has True"),
        (feature(bbox=[5.0, 50.0, 5.0, "50"]), "its bbox has '50'"),
        (feature(bbox=[5.0, 50.0, 5.0]), r"its bbox is \[5.0, 50.0, 5.0\]"),
        (feature(bbox=[-361.0, 50.0, 5.0, 50.0]), "its bounds are"),
        (feature(bbox=[5.0, 50.0, 361.0, 50.0]), "its bounds are"),
        (feature(geometry=OUTLINE | {"coordinates": [361.0, 50.0]}), "its geometry has the bounds"),
        (feature(geometry={"type": "Polygon", "coordinates": []}), "its geometry has the bounds"),
        (feature(assets=[]), "its assets is no object"),
        (feature(id=""), "its id is no text"),
        (["S"], "it is no object"),
    ],
)
def test_what_is_not(broken, why):
    with pytest.raises(UnusableError, match=why):
        read_item(broken, "https://stac.example/")


@pytest.mark.parametrize(("length", "told"), [(100, 100), (1000, 200)])
def test_a_long_reason_is_cut_after_200_characters(length, told):
    with pytest.raises(UnusableError) as caught:
        read_item(feature("x" * length), "")
    reason = str(caught.value).removeprefix("it is no STAC item: ")
    whole = f"Invalid isoformat string: '{'x' * length}'"
    assert reason == (whole if length == 100 else f"{whole[:told]}...")


def test_what_has_no_name_is_shown_in_60_characters():
    assert name_of({"id": "S" * 200}) == "S" * 200
    assert len(name_of({"id": "S" * 201})) == 60
    assert len(shown(Exception("x" * 99))) == 60
