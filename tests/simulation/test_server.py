"""The stand-in answers as Earth Search was recorded to, counts, and fails when told to."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pystac_client
import pytest
import rasterio
import requests

from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.simulation.server import Fault, Request, StandIn

RECORDED = Path(__file__).parents[3] / "shared" / "earth-search"


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    directory = tmp_path_factory.mktemp("season")
    return simulate(directory, first_day=dt.date(2024, 5, 1), days=8, size_km=2, n_fields=4)


@pytest.fixture
def api(season: Season) -> Iterator[StandIn]:
    with StandIn(season.directory) as stand_in:
        yield stand_in


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def recorded(name: str) -> Any:
    path = RECORDED / name
    if not path.is_file():
        pytest.skip("needs ../shared/earth-search (recorded answers, not part of this repository)")
    return json.loads(path.read_text())


def red(api: StandIn, season: Season) -> tuple[str, Path]:
    """URL and path of one file."""
    href = season.items[-1]["assets"]["red"]["href"]
    return f"{api.origin}/cogs/{href}", season.directory / href


def test_pages_are_those_that_were_recorded(tmp_path: Path, http: requests.Session) -> None:
    pages = [recorded(f"search_page{n}.json") for n in (1, 2, 3)]
    bodies = [recorded(f"search_page{n}.request.json")["body"] for n in (1, 2, 3)]
    features = [f for page in pages for f in page["features"]]
    (tmp_path / "items.json").write_text(json.dumps({"features": features[::-1]}))
    with StandIn(tmp_path) as api:
        query = bodies[0]
        for page, body in zip(pages, bodies, strict=True):
            assert query == body
            answer = http.post(f"{api.url}/search", json=query)
            ours = answer.json()
            assert answer.headers["Content-Type"] == "application/geo+json; charset=utf-8"
            assert [f["id"] for f in ours["features"]] == [f["id"] for f in page["features"]]
            for key in ("type", "context", "numberMatched", "numberReturned", "stac_version"):
                assert ours[key] == page[key]
            assert ours.keys() == page.keys()
            theirs = json.loads(
                json.dumps(page["links"]).replace(
                    "https://earth-search.aws.element84.com/v1", api.url
                )
            )
            assert ours["links"] == theirs
            query = ours["links"][0].get("body")


def test_landing_collections_and_errors_are_as_recorded(
    api: StandIn, http: requests.Session
) -> None:
    landing, theirs = http.get(api.url).json(), recorded("landing.json")
    assert landing.keys() == theirs.keys()
    assert set(landing["conformsTo"]) < set(theirs["conformsTo"])
    assert {link["rel"] for link in landing["links"]} < {link["rel"] for link in theirs["links"]}
    collection = http.get(f"{api.url}/collections/sentinel-2-l2a").json()
    assert collection.keys() < recorded("collection_sentinel-2-l2a.json").keys()
    assert http.get(f"{api.url}/collections").json()["collections"] == [collection]
    for path in ("collections/none", "nothing", "collections/sentinel-2-l2a/items/none"):
        missing = http.get(f"{api.url}/{path}")
        assert (missing.status_code, missing.json()) == (404, recorded("error_404.json"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_finds_every_item(api: StandIn, season: Season, method: str) -> None:
    api.page_limit = 2
    search = pystac_client.Client.open(api.url).search(
        method=method, bbox=season.bbox, collections=["sentinel-2-l2a"], datetime="2024-05", limit=9
    )
    items = list(search.items())
    assert [i.id for i in items] == [i["id"] for i in season.items]
    assert search.matched() == len(items) == 6
    searches = [r for r in api.requests if "/search" in r.path]
    assert {r.method for r in searches} == {method}
    assert items[0].assets["red"].href.startswith(f"{api.origin}/cogs/")
    assert requests.get(items[0].get_self_href() or "", timeout=5).json()["id"] == items[0].id


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, [8, 6, 6, 3, 1, 1]),
        ({"datetime": "2024-05-03T00:00:00Z/2024-05-06T23:59:59Z"}, [6, 6, 3]),
        ({"datetime": "../2024-05-03T00:00:00Z"}, [1, 1]),
        ({"datetime": "2024-05-06T00:00:00Z/.."}, [8, 6, 6]),
        ({"collections": ["sentinel-2-c1-l2a"]}, []),
        ({"collections": ["sentinel-2-l2a"]}, [8, 6, 6, 3, 1, 1]),
        ({"ids": ["S2A_31UES_20240503_0_L2A"]}, [3]),
        ({"bbox": [0, 0, 1, 1]}, []),
    ],
)
def test_filters(api: StandIn, http: requests.Session, query: Any, days: list[int]) -> None:
    answer = http.post(f"{api.url}/search", json=query).json()
    assert [int(f["id"][16:18]) for f in answer["features"]] == days


def test_space_is_the_footprint_not_its_box(
    api: StandIn, season: Season, http: requests.Session
) -> None:
    cut = next(i for i in season.items if i["properties"]["s2:nodata_pixel_percentage"] > 0)
    east, south = cut["bbox"][2], cut["bbox"][1]
    corner = [east - 1e-4, south, east, south + 1e-4]
    point = {"type": "Point", "coordinates": [east - 1e-4, south + 1e-4]}
    for query in ({"bbox": corner}, {"intersects": point}):
        found = http.post(f"{api.url}/search", json=query).json()["features"]
        assert found
        assert cut["id"] not in [f["id"] for f in found]


@pytest.mark.parametrize(
    "query", [{"bbox": [1, 2, 3]}, {"datetime": "yesterday"}, {"sortby": []}, {"limit": "x"}, []]
)
def test_what_is_not_understood_is_refused(
    api: StandIn, http: requests.Session, query: Any
) -> None:
    answer = http.post(f"{api.url}/search", json=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-100", slice(100, 101)),
        ("bytes=200-", slice(200, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=0-99999999", slice(0, None)),
    ],
)
def test_ranges(
    api: StandIn, season: Season, http: requests.Session, asked: str, expected: slice
) -> None:
    url, path = red(api, season)
    content = path.read_bytes()
    answer = http.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[expected]
    first, stop, _ = expected.indices(len(content))
    assert answer.headers["Content-Range"] == f"bytes {first}-{stop - 1}/{len(content)}"
    assert api.counts == {"stac_requests": 0, "cog_requests": 1, "cog_bytes": stop - first}
    assert api.cog_bytes_by_path == {str(path.relative_to(season.directory)): stop - first}


def test_whole_files_heads_and_refusals(
    api: StandIn, season: Season, http: requests.Session
) -> None:
    url, path = red(api, season)
    size = path.stat().st_size
    head, whole = http.head(url), http.get(url)
    assert whole.content == path.read_bytes()
    for name, value in {"Content-Length": str(size), "Accept-Ranges": "bytes"}.items():
        assert head.headers[name] == whole.headers[name] == value
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert api.counts["cog_bytes"] == size
    beyond = http.get(url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    outside = requests.Request("GET", url).prepare()
    for escape in (
        "/cogs/../../../etc/hostname",
        "/cogs/..%2f..%2f..%2fetc/hostname",
        "/cogs//etc",
    ):
        outside.url = f"{api.origin}/cogs{escape}"
        assert http.send(outside).status_code == 404


def test_gdal_reads_over_http_without_authorization(api: StandIn, season: Season) -> None:
    url, path = red(api, season)
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        rasterio.open(url) as far,
        rasterio.open(path) as near,
    ):
        np.testing.assert_array_equal(far.read(1), near.read(1))
    assert 0 < api.counts["cog_bytes"] <= 2 * path.stat().st_size
    assert {r.kind for r in api.requests} == {"cog"}
    assert not any("authorization" in r.headers for r in api.requests)


def test_scenes_are_published_and_withdrawn(
    api: StandIn, season: Season, http: requests.Session
) -> None:
    def ids() -> list[str]:
        return [f["id"] for f in http.post(f"{api.url}/search", json={}).json()["features"]]

    late = season.items[2]
    api.items = [i for i in season.items if i is not late]
    assert late["id"] not in ids()
    api.items = season.items
    assert late["id"] in ids()


def test_attempts_are_counted_per_request(api: StandIn, http: requests.Session) -> None:
    api.fault = lambda r: Fault(status=503, retry_after="7") if r.attempt < 3 else None
    answers = [http.post(f"{api.url}/search", json={"limit": n}) for n in (1, 1, 2, 1)]
    assert [a.status_code for a in answers] == [503, 503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert [r.attempt for r in api.requests] == [1, 2, 1, 3]
    assert api.requests[0].body == {"limit": 1}
    api.reset_counts()
    assert (api.requests, api.counts["stac_requests"]) == ([], 0)


@pytest.mark.parametrize(
    "fault",
    [Fault(reset_mid_body=True), Fault(truncate=5), Fault(wrong_content_length=9)],
    ids=["reset", "truncated", "wrong length"],
)
def test_broken_bodies(api: StandIn, season: Season, fault: Fault) -> None:
    api.fault = lambda r: fault if r.attempt == 1 else None
    for url in (api.url, red(api, season)[0]):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(url, timeout=5)
        assert requests.get(url, timeout=5).ok


def test_wrong_contents(api: StandIn, http: requests.Session) -> None:
    def fail(fault: Fault) -> requests.Response:
        api.fault = lambda _: fault
        return http.post(f"{api.url}/search", json={"limit": 1})

    page = fail(Fault(html=True))
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
    for _ in range(3):
        assert fail(Fault(next_to_itself=True)).json()["links"][0]["body"] == {"limit": 1}
    cut = fail(Fault(change=lambda p: {**p, "features": []})).json()
    assert (cut["features"], cut["numberReturned"]) == ([], 1)


def test_delays_and_bandwidth(api: StandIn, season: Season, http: requests.Session) -> None:
    url, path = red(api, season)

    def seconds() -> float:
        start = time.monotonic()
        assert http.get(url).ok
        return time.monotonic() - start

    api.latency_s = 0.1
    api.fault = lambda _: Fault(delay_s=0.1)
    assert 0.2 <= seconds() < 2
    api.latency_s, api.fault = 0.0, None
    api.bytes_per_s = path.stat().st_size / 0.2
    assert 0.2 <= seconds() < 2


def test_kept_connections_end_with_the_stand_in(season: Season, http: requests.Session) -> None:
    seen: list[Request] = []
    with StandIn(season.directory, fault=seen.append) as api:
        url = api.url
        assert http.get(url).ok
    assert [r.path for r in seen] == ["/v1"]
    with pytest.raises(requests.exceptions.ConnectionError):
        http.get(url)
