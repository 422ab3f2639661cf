"""Searching for scenes: a STAC API, static catalogs, solar days."""

import datetime as dt
import json
from pathlib import Path

import pytest
from shapely import MultiPolygon, box
from shapely.geometry import mapping

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import AreaError, CatalogAnswerError, StoreAccessError
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import Fault, StandIn

DATA = Path(__file__).parents[1] / "data"
RECORDED = Path(__file__).parents[3] / "shared" / "earth-search"
ALPS = Area.from_bbox("alps", (9.05, 47.2, 9.1, 47.25))
MARCH = dt.date(2020, 3, 1), dt.date(2020, 3, 5)


def directory_of(tmp_path: Path, features: list[dict]) -> Path:
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    return tmp_path


def fixture(name: str) -> list[dict]:
    return json.loads((DATA / f"{name}.json").read_text())["features"]


def moved(feature: dict, **changes) -> dict:
    """A copy of an item elsewhere, at another time or under another name."""
    made = json.loads(json.dumps(feature))
    made["id"] = changes.get("id", made["id"])
    if "bbox" in changes:
        west, south, east, north = made["bbox"] = list(changes["bbox"])
        corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        made["geometry"] = {"type": "Polygon", "coordinates": [corners]}
    if "datetime" in changes:
        made["properties"]["datetime"] = changes["datetime"]
    return made


def found(catalog, area, first, last) -> dict[str, set[str]]:
    return {
        day.isoformat(): {item.id for item in items}
        for day, items in catalog.scenes(area, first, last).items()
        if items
    }


MARCH_FOUND = {
    "2020-03-02": {"S2A_32TMT_20200302_0_L2A", "S2A_32TMT_20200302_1_L2A"},
    "2020-03-05": {
        "S2A_32TMT_20200305_0_L2A", "S2A_32TMT_20200305_1_L2A",
        "S2A_32TNT_20200305_0_L2A", "S2A_32TNT_20200305_1_L2A",
    },
}  # fmt: skip


@pytest.mark.parametrize("page_limit", [1, 4, 100])
def test_one_search_for_a_range_of_days(tmp_path, page_limit):
    with StandIn(directory_of(tmp_path, fixture("reprocessed")), page_limit=page_limit) as api:
        catalog = open_catalog(Settings.load(catalog=api.url))
        assert catalog.requests == 0
        assert set(catalog.scenes(ALPS, *MARCH)) == {dt.date(2020, 3, day) for day in range(1, 6)}
        assert catalog.requests == api.counts["stac_requests"]
        searches = [r for r in api.requests if r.path == "/v1/search"]
        assert found(catalog, ALPS, *MARCH) == MARCH_FOUND
    first = searches[0].body
    assert first["limit"] == 100
    assert first["collections"] == ["sentinel-2-l2a"]
    assert first["bbox"] == list(ALPS.bbox)
    assert "sortby" not in first
    # Midnight of the solar day is 36 minutes before midnight UTC at 9 degrees east.
    assert first["datetime"].startswith("2020-02-29T23:23:")
    assert len(searches) == (7 if page_limit == 1 else 3 if page_limit == 4 else 2)


def get_alone(landing: dict) -> dict:
    landing["links"] = [
        link for link in landing["links"] if link.get("method") != "POST"
    ]  # fmt: skip
    return landing


def test_a_service_that_searches_by_get_alone(tmp_path):
    def fault(request):
        return Fault(change=get_alone) if request.path.rstrip("/") == "/v1" else None

    with StandIn(directory_of(tmp_path, fixture("reprocessed")), page_limit=4, fault=fault) as api:
        assert found(open_catalog(Settings.load(catalog=api.url)), ALPS, *MARCH) == MARCH_FOUND
        assert {r.method for r in api.requests} == {"GET"}


def test_items_are_whole_and_safe_to_read(tmp_path):
    with StandIn(directory_of(tmp_path, fixture("reprocessed"))) as api:
        item = open_catalog(Settings.load(catalog=api.url)).scenes(ALPS, *MARCH)[MARCH[1]][0]
    assert item.links == []
    original = next(f for f in fixture("reprocessed") if f["id"] == item.id)
    assert item.properties == original["properties"]
    assert item.assets["red"].href == original["assets"]["red"]["href"]


def test_recorded_answers_are_found_through_their_three_pages(tmp_path):
    if not RECORDED.is_dir():
        pytest.skip("needs ../shared/earth-search (recorded answers, not part of this repository)")
    pages = [json.loads((RECORDED / f"search_page{n}.json").read_text()) for n in (1, 2, 3)]
    landing = json.loads((RECORDED / "landing.json").read_text())

    def play(request):
        if request.path.rstrip("/") == "/v1":
            text = json.dumps(landing).replace("https://earth-search.aws.element84.com", origin)
            return Fault(change=lambda _: json.loads(text))
        page = pages[sum(r.path == "/v1/search" for r in api.requests) - 1]
        text = json.dumps(page).replace("https://earth-search.aws.element84.com", origin)
        return Fault(change=lambda _: json.loads(text))

    with StandIn(directory_of(tmp_path, []), fault=play) as api:
        origin = api.origin
        area = Area.from_bbox("area", (9.0, 47.0, 10.0, 48.0))
        days = open_catalog(Settings.load(catalog=api.url)).scenes(area, *MARCH)
        bodies = [r.body for r in api.requests if r.path == "/v1/search"]
    assert {d.day: len(items) for d, items in days.items() if items} == {2: 8, 5: 8}
    # `merge` is false: the next body is the one of the link, and nothing else.
    assert bodies[1] == pages[0]["links"][0]["body"]
    assert bodies[2] == pages[1]["links"][0]["body"]


def test_an_item_that_comes_twice_is_there_once_as_last_updated(tmp_path):
    features = fixture("reprocessed")
    newer = json.loads(json.dumps(features[0]))
    newer["properties"]["updated"] = "2026-01-01T00:00:00Z"
    path = directory_of(tmp_path, [*features, newer, features[1]]) / "items.json"
    items = open_catalog(Settings.load(catalog=str(path))).scenes(ALPS, *MARCH)[MARCH[1]]
    assert len(items) == 4
    assert {i.id: i.properties["updated"] for i in items}[newer["id"]] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("bbox", "moment", "day"),
    [
        ((9.05, 47.2, 9.1, 47.25), "2020-03-05T10:37:41Z", "2020-03-05"),
        ((176.1, -39.2, 176.2, -39.1), "2020-03-04T22:16:00Z", "2020-03-05"),
        ((176.1, -39.2, 176.2, -39.1), "2020-03-05T22:16:00Z", "2020-03-06"),
        ((179.8, -16.9, 179.9, -16.8), "2020-03-04T22:16:00Z", "2020-03-05"),
        ((-179.9, -16.9, -179.8, -16.8), "2020-03-05T22:16:00Z", "2020-03-05"),
        ((-156.4, 20.7, -156.3, 20.8), "2020-03-05T21:05:00Z", "2020-03-05"),
        ((-156.4, 20.7, -156.3, 20.8), "2020-03-06T01:05:00Z", "2020-03-05"),
        ((16.0, 79.8, 16.2, 79.9), "2020-03-05T12:40:00Z", "2020-03-05"),
        ((-60.1, -79.4, -60.0, -79.3), "2020-03-05T13:30:00Z", "2020-03-05"),
    ],
)
def test_days_are_solar_days_everywhere(tmp_path, bbox, moment, day):
    area = Area.from_bbox("area", bbox)
    scene = moved(fixture("reprocessed")[0], bbox=bbox, datetime=moment)
    first, last = dt.date(2020, 3, 4), dt.date(2020, 3, 6)
    with StandIn(directory_of(tmp_path, [scene])) as api:
        catalog = open_catalog(Settings.load(catalog=api.url))
        assert found(catalog, area, first, last) == {day: {scene["id"]}}
        only = dt.date.fromisoformat(day)
        assert found(catalog, area, only, only) == {day: {scene["id"]}}
        assert found(catalog, area, only + dt.timedelta(1), only + dt.timedelta(1)) == {}


def test_a_scene_over_the_antimeridian_is_found_from_both_sides(tmp_path):
    scene = moved(fixture("reprocessed")[0], datetime="2020-03-04T22:16:00Z")
    scene["bbox"] = [179.1, -17.2, -179.8, -16.2]
    parts = [(179.1, 180.0), (-180.0, -179.8)]
    scene["geometry"] = mapping(MultiPolygon([box(w, -17.2, e, -16.2) for w, e in parts]))
    path = directory_of(tmp_path, [scene]) / "items.json"
    catalog = open_catalog(Settings.load(catalog=str(path)))
    first, last = dt.date(2020, 3, 3), dt.date(2020, 3, 6)
    for west in (179.8, -179.95):
        area = Area.from_bbox("area", (west, -16.9, west + 0.05, -16.8))
        assert sum(map(len, catalog.scenes(area, first, last).values())) == 1
    elsewhere = Area.from_bbox("area", (0.0, -16.9, 0.1, -16.8))
    assert found(catalog, elsewhere, first, last) == {}


def test_an_area_beside_every_scene_is_told_apart_from_days_without_scenes(tmp_path):
    directory = directory_of(tmp_path, fixture("reprocessed"))
    far = Area.from_bbox("far", (100.0, 10.0, 100.1, 10.1))
    with StandIn(directory) as api:
        for source in (api.url, str(directory / "items.json")):
            catalog = open_catalog(Settings.load(catalog=source))
            catalog.check_covers(ALPS)
            assert found(catalog, ALPS, dt.date(2021, 1, 1), dt.date(2021, 1, 31)) == {}
            with pytest.raises(AreaError, match=r"area far: no scene of sentinel-2-l2a .* covers"):
                catalog.check_covers(far)


def test_a_collection_that_the_catalog_does_not_have_is_no_day_without_scenes(tmp_path):
    nothing = dt.date(2021, 1, 1), dt.date(2021, 1, 2)
    with StandIn(directory_of(tmp_path, fixture("reprocessed"))) as api:
        wrong = open_catalog(Settings.load(catalog=api.url, collection="s2_l2a"))
        for days in (MARCH, nothing):
            with pytest.raises(CatalogAnswerError) as caught:
                wrong.scenes(ALPS, *days)
            assert str(caught.value) == (
                f"catalog {api.url}: has no collection s2_l2a, but sentinel-2-l2a; "
                "check HYDRO_COLLECTION"
            )
        api.reset_counts()
        right = open_catalog(Settings.load(catalog=api.url))
        assert found(right, ALPS, *nothing) == found(right, ALPS, *nothing) == {}
        asked = [r.path for r in api.requests if "/collections" in r.path]
        assert asked == ["/v1/collections/sentinel-2-l2a"]  # once


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=400),
        Fault(html=True),
        Fault(change=lambda _: {"collections": None}),
        Fault(change=lambda _: {"collections": [None, {"id": 3}]}),
    ],
)
def test_a_catalog_that_does_not_tell_its_collections_is_believed(tmp_path, fault):
    def hide(request):
        if request.path == "/v1/collections/sentinel-2-l2a":
            return Fault(status=404)
        return fault if request.path.startswith("/v1/collections") else None

    with StandIn(directory_of(tmp_path, fixture("reprocessed")), fault=hide) as api:
        catalog = open_catalog(Settings.load(catalog=api.url))
        assert found(catalog, ALPS, dt.date(2021, 1, 1), dt.date(2021, 1, 2)) == {}


def with_relative_hrefs(tmp_path: Path) -> Path:
    features = fixture("reprocessed")
    for feature in features:
        for name, asset in feature["assets"].items():
            asset["href"] = f"{feature['id']}/{name}.tif"
    return directory_of(tmp_path, features)


def red_of(catalog) -> str:
    items = catalog.scenes(ALPS, *MARCH)[dt.date(2020, 3, 2)]
    return next(i.assets["red"].href for i in items if i.id == "S2A_32TMT_20200302_0_L2A")


def test_hrefs_of_a_file_are_relative_to_it(tmp_path, monkeypatch):
    path = with_relative_hrefs(tmp_path) / "items.json"
    expected = str(tmp_path / "S2A_32TMT_20200302_0_L2A" / "red.tif")
    assert red_of(open_catalog(Settings.load(catalog=str(path)))) == expected
    monkeypatch.chdir(tmp_path.parent)
    relative = f"{tmp_path.name}/items.json"
    assert red_of(open_catalog(Settings.load(catalog=relative))) == expected


def test_hrefs_of_a_url_are_relative_to_it(tmp_path):
    with StandIn(with_relative_hrefs(tmp_path)) as server:
        catalog = open_catalog(Settings.load(catalog=f"{server.origin}/cogs/items.json"))
        expected = f"{server.origin}/cogs/S2A_32TMT_20200302_0_L2A/red.tif"
        assert red_of(catalog) == expected
        assert found(catalog, ALPS, *MARCH) == MARCH_FOUND
        assert catalog.requests == 1
        missing = open_catalog(Settings.load(catalog=f"{server.origin}/cogs/none.json"))
        with pytest.raises(CatalogAnswerError, match=r"none\.json: HTTP 404"):
            missing.scenes(ALPS, *MARCH)


def test_hrefs_in_a_bucket_are_relative_to_the_object(tmp_path, s3):
    path = with_relative_hrefs(tmp_path) / "items.json"
    s3.client.put_object(Bucket=s3.name, Key="a/items.json", Body=path.read_bytes())
    catalog = open_catalog(s3.settings(catalog=f"s3://{s3.name}/a/items.json"))
    assert red_of(catalog) == f"{s3.endpoint}/{s3.name}/a/S2A_32TMT_20200302_0_L2A/red.tif"
    assert found(catalog, ALPS, *MARCH) == MARCH_FOUND
    with pytest.raises(CatalogAnswerError, match="does not exist"):
        open_catalog(s3.settings(catalog=f"s3://{s3.name}/none.json")).scenes(ALPS, *MARCH)
    with pytest.raises(StoreAccessError, match="no-such-bucket"):
        open_catalog(s3.settings(catalog="s3://no-such-bucket/items.json")).scenes(ALPS, *MARCH)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"{", "not readable as JSON"),
        (b"<html>", "not readable as JSON"),
        (
            b'{"type": "FeatureCollection", "features": [{"id": "x", "b": NaN}]}',
            r"\(x: it holds NaN",
        ),
        (b'{"type": "FeatureCollection", "features": NaN}', "not an ItemCollection"),
        (b'{"type": "FeatureCollection", "type": 1, "features": []}', "not an ItemCollection"),
        ('{"type": "FeatureCollection"}'.encode("utf-16"), "not an ItemCollection"),
        (b'{"features": ' + b"[" * 200_000, "not readable as JSON"),
        (b'{"features": ' + b"9" * 5_000, "not readable as JSON"),
        (b"[]", "not an ItemCollection"),
        (b'{"type": "Feature"}', "not an ItemCollection"),
        (b'{"type": "FeatureCollection", "features": [1]}', r"can be used \(1: it is no object"),
        (
            b'{"type": "FeatureCollection", "features": [{"id": "x"}]}',
            r"none of its 1 items .*\(x: it is no STAC",
        ),
    ],
)
def test_a_file_that_is_no_catalog(tmp_path, content, message):
    path = tmp_path / "items.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogAnswerError, match=message):
        open_catalog(Settings.load(catalog=str(path))).scenes(ALPS, *MARCH)


def test_a_file_of_another_collection(tmp_path):
    path = directory_of(tmp_path, fixture("collection_1")) / "items.json"
    area = Area.from_bbox("area", (-105.0, 40.0, -104.95, 40.05))
    days = dt.date(2024, 4, 20), dt.date(2024, 4, 22)
    with pytest.raises(CatalogAnswerError, match="holds items of sentinel-2-c1-l2a only"):
        open_catalog(Settings.load(catalog=str(path))).scenes(area, *days)
    settings = Settings.load(catalog=str(path), collection="sentinel-2-c1-l2a")
    assert len(found(open_catalog(settings), area, *days)) == 2
