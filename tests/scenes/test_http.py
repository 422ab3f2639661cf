"""A catalog that fails: success by trying again, or one clear error within a bounded time."""

import datetime as dt
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import CatalogAnswerError, CatalogUnavailableError
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.http import CatalogIO, Limits
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import Fault, Request, StandIn

DATA = Path(__file__).parents[1] / "data"
ALPS = Area.from_bbox("alps", (9.05, 47.2, 9.1, 47.25))
MARCH = dt.date(2020, 3, 1), dt.date(2020, 3, 5)
QUICK = Limits(connect=1, read=0.3, attempts=4, first_delay=0.01, request=3, search=5, pages=50)
PAGES = 3
"""Of the search, when a page has two of the six items."""


@pytest.fixture
def api(tmp_path):
    (tmp_path / "items.json").write_bytes((DATA / "reprocessed.json").read_bytes())
    with StandIn(tmp_path, page_limit=2) as stand_in:
        yield stand_in


def search(api, limits=QUICK):
    return open_catalog(Settings.load(catalog=api.url), limits).scenes(ALPS, *MARCH)


def on_search(fault: Fault, *attempts: int, page: int | None = None):
    """The fault on these attempts of a search (none given: on all), on one page or on all."""

    tokens: list[str | None] = []

    def hook(request: Request) -> Fault | None:
        if request.path != "/v1/search" or (attempts and request.attempt not in attempts):
            return None
        token = (request.body or {}).get("next")
        tokens.extend([] if token in tokens else [token])
        return fault if page in (None, tokens.index(token) + 1) else None

    return hook


PASSING = {
    "408": Fault(status=408),
    "425": Fault(status=425),
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, retry_after="0"),
    "500": Fault(status=500),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "504": Fault(status=504),
    "silence": Fault(delay_s=0.6),
    "reset in mid-body": Fault(reset_mid_body=True),
    "cut after 500 bytes": Fault(truncate=500),
    "cut before the first byte": Fault(truncate=0),
    "Content-Length too long": Fault(wrong_content_length=99),
    "Content-Length too short": Fault(wrong_content_length=-99),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_tried_again(api, fault):
    api.fault = on_search(fault, 1, 2)
    days = search(api)
    assert sum(map(len, days.values())) == 6
    assert sum(r.path == "/v1/search" for r in api.requests) >= 3 * PAGES


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_does_not_pass_is_one_error(api, fault):
    api.fault = on_search(fault)
    started = time.monotonic()
    with pytest.raises(CatalogUnavailableError, match=r"/v1/search: no usable answer after \d tr"):
        search(api)
    assert time.monotonic() - started < 6


def test_a_catalog_that_is_not_there():
    settings = Settings.load(catalog="http://127.0.0.1:9/v1")
    with pytest.raises(
        CatalogUnavailableError, match=r"after 4 tries \(ConnectionError.*try again"
    ):
        open_catalog(settings, QUICK).scenes(ALPS, *MARCH)


def test_a_catalog_that_is_away_for_half_a_minute_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    with pytest.raises(CatalogUnavailableError, match="after 7 tries"):
        open_catalog(Settings.load(catalog="http://127.0.0.1:9/v1")).scenes(ALPS, *MARCH)
    assert waits == [0.5, 1, 2, 4, 8, 16]


def test_a_service_that_asks_for_patience_beyond_the_limit(api):
    api.fault = on_search(Fault(status=503, retry_after="3600"))
    started = time.monotonic()
    with pytest.raises(CatalogUnavailableError, match=r"after 1 tries \(HTTP 503\)"):
        search(api)
    assert time.monotonic() - started < 2


def test_an_answer_that_trickles(api):
    api.bytes_per_s = 2000.0
    limits = Limits(read=5, attempts=2, first_delay=0.01, request=0.5)
    started = time.monotonic()
    with pytest.raises(CatalogUnavailableError):
        search(api, limits)
    assert time.monotonic() - started < 8


def test_a_search_that_takes_too_long(api):
    api.latency_s = 0.1
    with pytest.raises(CatalogUnavailableError, match=r"took more than 0\.05 s"):
        search(api, Limits(search=0.05))


def test_html_in_place_of_json(api):
    api.fault = on_search(Fault(html=True))
    with pytest.raises(CatalogAnswerError, match=r"something else than JSON: .*Sign in"):
        search(api)
    api.fault = lambda request: Fault(html=True)
    with pytest.raises(CatalogAnswerError, match="check HYDRO_CATALOG"):
        search(api)


@pytest.mark.parametrize("page", [2, 3])
def test_html_on_a_later_page(api, page):
    api.fault = on_search(Fault(html=True), page=page)
    with pytest.raises(CatalogAnswerError, match="something else than JSON"):
        search(api)


def test_a_next_link_to_itself(api):
    api.fault = on_search(Fault(next_to_itself=True))
    with pytest.raises(CatalogAnswerError, match="paging does not end"):
        search(api)
    assert sum(r.path == "/v1/search" for r in api.requests) == 1


def test_pages_without_end(api):
    """Each page has a fresh `next`, but they go round in a circle."""
    first = json.loads((DATA / "reprocessed.json").read_text())["features"][:2]

    def circle(page):
        page["features"] = first
        page["links"] = [
            {
                "rel": "next", "method": "POST", "href": f"{api.url}/search",
                "body": {"next": str(len(api.requests))},
            }
        ]  # fmt: skip
        return page

    api.fault = on_search(Fault(change=circle))
    with pytest.raises(CatalogAnswerError, match="paging does not end"):
        search(api)
    assert sum(r.path == "/v1/search" for r in api.requests) == 2


def to_next(api, token, **page):
    """An answer with a `next` link of its own."""
    link = {"rel": "next", "method": "POST", "href": f"{api.url}/search", "body": {"next": token}}
    return {"type": "FeatureCollection", "features": [], "links": [link], **page}


@pytest.mark.parametrize("counted", [True, False])
def test_an_empty_page_in_mid_search_is_followed(api, counted):
    """As from services that filter a page after it was cut."""
    every = json.loads((DATA / "reprocessed.json").read_text())["features"]
    pages = [every[:2], [], [], every[2:], []]

    def play(_):
        number = sum(r.path == "/v1/search" for r in api.requests) - 1
        count = {"numberMatched": len(every)} if counted else {}
        page = to_next(api, str(number), features=pages[number], **count)
        return page if number < len(pages) - 1 else page | {"links": []}

    api.fault = on_search(Fault(change=play))
    assert sum(map(len, search(api).values())) == 6
    assert sum(r.path == "/v1/search" for r in api.requests) == 5


def test_a_next_link_on_the_last_page_is_not_followed_when_all_came(api):
    every = json.loads((DATA / "reprocessed.json").read_text())["features"]

    def play(_):
        number = sum(r.path == "/v1/search" for r in api.requests)
        features = every if number == 1 else []
        return to_next(api, str(number), features=features, context={"matched": len(every)})

    api.fault = on_search(Fault(change=play))
    assert sum(map(len, search(api).values())) == 6
    assert sum(r.path == "/v1/search" for r in api.requests) == 2


def test_empty_pages_without_end(api):
    api.fault = on_search(Fault(change=lambda _: to_next(api, str(len(api.requests)))))
    with pytest.raises(CatalogAnswerError, match="paging does not end"):
        search(api)
    assert sum(r.path == "/v1/search" for r in api.requests) == 10


def test_a_search_ends_after_so_many_pages(api):
    """Each with an item that was not there before."""
    every = json.loads((DATA / "reprocessed.json").read_text())["features"]

    def more(_):
        number = len(api.requests)
        return to_next(api, str(number), features=[every[0] | {"id": f"S{number}"}])

    api.fault = on_search(Fault(change=more))
    with pytest.raises(CatalogAnswerError, match="paging does not end: page 5"):
        search(api, replace(QUICK, pages=4))
    assert sum(r.path == "/v1/search" for r in api.requests) == 4


def test_an_answer_of_more_than_256_mib_is_not_held():
    part = bytes(64 << 20)
    reader = CatalogIO(Settings.load(catalog="https://stac.example/v1"))
    assert len(reader._read(SimpleNamespace(iter_content=lambda _: [part[: 30 << 20]]))) == 30 << 20
    with pytest.raises(CatalogAnswerError, match="an answer of more than 256 MiB"):
        reader._read(SimpleNamespace(iter_content=lambda _: [*[part] * 4, b"x"]))


def test_an_empty_page_whose_next_is_itself(api):
    api.fault = on_search(Fault(change=lambda _: to_next(api, "same")))
    with pytest.raises(CatalogAnswerError, match="paging does not end"):
        search(api)
    assert sum(r.path == "/v1/search" for r in api.requests) == 2


@pytest.mark.parametrize(
    ("told", "complete"),
    [
        ({"numberMatched": 6}, True),
        ({"numberMatched": 7}, False),
        ({"numberMatched": None, "context": {"matched": 7}}, False),
        ({"context": {"matched": 7}}, False),
        ({"numberMatched": 5}, False),
        ({"numberMatched": True}, True),
        ({"numberMatched": -1}, True),
        ({"numberMatched": "7"}, True),
        ({"numberMatched": float("nan"), "context": None}, True),
        ({}, True),
        ({"numberReturned": 6}, True),
        ({"numberReturned": 7}, False),
        ({"numberReturned": 7, "numberMatched": 6}, False),
        ({"context": {"returned": 10}}, False),
        ({"numberReturned": 5}, True),
        ({"numberReturned": True}, True),
        ({"numberReturned": "7", "numberMatched": 6}, True),
    ],
)
def test_what_is_counted_is_held_against_what_came(api, told, complete):
    every = json.loads((DATA / "reprocessed.json").read_text())["features"]
    page = {"type": "FeatureCollection", "features": every, "links": [], **told}
    api.fault = on_search(Fault(change=lambda _: page))
    if complete:
        assert sum(map(len, search(api).values())) == 6
    else:
        with pytest.raises(CatalogUnavailableError, match="cut short or is inconsistent") as caught:
            search(api)
        assert caught.value.retryable


def test_a_broken_item_counts_among_those_that_came(api):
    every = json.loads((DATA / "reprocessed.json").read_text())["features"]
    features = [*every, None, 5, every[0] | {"geometry": None}]
    page = {"type": "FeatureCollection", "features": features, "links": [], "numberMatched": 9}
    api.fault = on_search(Fault(change=lambda _: page))
    offers = search(api).values()
    assert sum(map(len, offers)) == 6
    assert sum(len(offer.refused) for offer in offers) == 3


def without_features(page):
    return page | {"features": []}


def with_half(page):
    return page | {"features": page["features"][:1]}


def without_next(page):
    return page | {"links": [link for link in page["links"] if link["rel"] != "next"]}


def with_more(page):
    extra = [f | {"id": f"{f['id']}_{n}"} for f in page["features"] for n in range(9)]
    return page | {"features": page["features"] + extra}


@pytest.mark.parametrize("change", [without_features, with_half, without_next, with_more])
@pytest.mark.parametrize("page", [1, 2])
def test_an_answer_with_other_items_than_it_counts(api, change, page):
    api.fault = on_search(Fault(change=change), page=page)
    told = r"cut short or is inconsistent: (6 items match|a page says that it returns 2 items)"
    with pytest.raises(CatalogUnavailableError, match=told):
        search(api)


def test_an_empty_answer_that_counts_nothing_is_an_answer(api):
    api.items = []
    assert set(map(len, search(api).values())) == {0}


def test_an_item_published_between_two_pages(api):
    late = json.loads(json.dumps(api.items[0])) | {"id": "late"}
    late["properties"]["datetime"] = "2020-03-01T10:37:41Z"

    def publish(request):
        if request.path == "/v1/search" and (request.body or {}).get("next"):
            api.items = [*[i for i in api.items if i["id"] != "late"], late]

    api.fault = publish
    assert sum(map(len, search(api).values())) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page: [page], "JSON that is no object"),
        (lambda page: {"code": "x"}, "page 1 of the search is no FeatureCollection"),
        (lambda page: page | {"features": {}}, "page 1 of the search is no FeatureCollection"),
        (
            lambda page: {"features": [None, 1]},
            r"none of its 2 items can be used \(None, 1: it is",
        ),
        (
            lambda page: {"features": [{"id": 3}, {"id": 4}]},
            r"none of its 2 items .* \(3, 4: it is no STAC item",
        ),
    ],
)
def test_json_that_is_no_search_answer(api, change, message):
    api.fault = on_search(Fault(change=change))
    with pytest.raises(CatalogAnswerError, match=message):
        search(api)


def test_a_service_that_refuses(api):
    api.fault = on_search(Fault(status=400))
    with pytest.raises(CatalogAnswerError, match=r"refused the search .*HTTP 400.*told to fail"):
        search(api)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: {},
        lambda root: {"type": "FeatureCollection", "features": []},
        lambda root: root | {"links": []},
        lambda root: root | {"type": "Collection"},
    ],
)
def test_an_address_that_is_no_stac_api(api, change):
    api.fault = lambda request: Fault(change=change)
    with pytest.raises(CatalogAnswerError, match="not the root of a STAC API"):
        search(api)


def test_no_credentials_are_sent(api, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HYDRO_S3_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HYDRO_S3_SECRET_ACCESS_KEY", "secret")
    search(api)
    assert api.requests
    for request in api.requests:
        assert "authorization" not in request.headers
        assert "secret" not in json.dumps([dict(request.headers), request.path, request.body])
