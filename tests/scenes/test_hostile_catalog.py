"""A catalog that is slow, leads elsewhere, or is not who it should be: one error, in time."""

import base64
import contextlib
import datetime as dt
import json
import time

import pytest
from shapely.geometry import box, mapping

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import CatalogAnswerError, CatalogUnavailableError
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.http import Limits
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.answers import Api
from tests.support.certificates import Authority
from tests.support.loopback import Loopback, dripping, http, saying, serve, silent

ALPS = Area.from_bbox("alps", (9.05, 47.2, 9.1, 47.25))
MARCH = dt.date(2020, 3, 1), dt.date(2020, 3, 5)
QUICK = Limits(connect=1, read=5, attempts=3, first_delay=0.01, request=0.6, search=5)
FEATURE = {
    "type": "Feature", "id": "a", "collection": "sentinel-2-l2a", "links": [], "assets": {},
    "geometry": mapping(box(9, 47, 10, 48)), "bbox": [9, 47, 10, 48],
    "properties": {"datetime": "2020-03-02T10:00:00Z"},
}  # fmt: skip
PAGE = {"type": "FeatureCollection", "features": [FEATURE], "links": []}
ANSWER = http(json.dumps(PAGE).encode())


def search(url: str, limits=QUICK, **settings):
    return open_catalog(Settings.load(catalog=url, **settings), limits).scenes(ALPS, *MARCH)


@contextlib.contextmanager
def api(on_search, root=lambda document: document, context=None):
    """A STAC API whose search is answered by `on_search`, or with the bytes that it is."""
    server: list[Loopback] = []

    def answer(connection, head):
        path = head.split()[1].decode()
        if path == "/v1":
            landing = json.loads(
                Api(f"{server[0].url}/v1", "", [], 10).answer("GET", "/v1", None).body
            )
            connection.sendall(http(json.dumps(root(landing)).encode()))
        elif callable(on_search):
            on_search(connection, head)
        else:
            connection.sendall(on_search)

    with serve(answer, context) as running:
        server.append(running)
        yield running


SLOW = {
    "silent": silent,
    "one byte at a time in the status line": dripping(ANSWER, 0),
    "in a header": dripping(ANSWER, 30),
    "a header without end": dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, 20),
    "in the body": dripping(ANSWER, len(ANSWER) - 50),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("at_once", ["root", "search"])
def test_whatever_is_slow_ends_in_time(answer, at_once):
    started = time.monotonic()
    serving = serve(answer) if at_once == "root" else api(answer)
    with serving as server, pytest.raises(CatalogUnavailableError, match="no usable answer after"):
        search(f"{server.url}/v1")
    assert time.monotonic() - started < 2


NONSENSE = (
    *("²", "-1", "nan", "inf", "1e9", "999999999", "", " ", "٣", "0x10", "9" * 400),
    *("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 99 Oct 2099"),
)


@pytest.mark.parametrize("value", NONSENSE)
def test_a_retry_after_of_any_kind_waits_within_the_budget(value):
    body = http(b"", status="503 Busy")
    head, _, rest = body.partition(b"\r\n\r\n")
    answer = head + b"\r\nRetry-After: " + value.encode() + b"\r\n\r\n" + rest
    started = time.monotonic()
    with api(answer) as server, pytest.raises(CatalogUnavailableError, match="HTTP 503"):
        search(f"{server.url}/v1")
    assert time.monotonic() - started < 1.5


def test_a_date_to_try_again_at_is_waited_for():
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    stamp = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    answers = iter([http(b"", status="503 Busy", Retry_After=stamp), ANSWER])
    started = time.monotonic()
    limits = Limits(connect=1, read=5, attempts=3, first_delay=0.01, request=5)
    with api(lambda connection, _: connection.sendall(next(answers))) as server:
        search(f"{server.url}/v1", limits)
    assert 0.9 < time.monotonic() - started < 3


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_drop_the_question_is_refused(status):
    answer = http(b"", status=f"{status} Moved", Location="/v2/search")
    with api(answer) as server, pytest.raises(CatalogAnswerError, match=f"HTTP {status} to /v2"):
        search(f"{server.url}/v1")
    assert server.paths == ["GET /v1", "POST /v1/search"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_question_is_followed(status):
    def answer(connection, head):
        moved = http(b"", status=f"{status} Moved", Location="/v2/search")
        connection.sendall(moved if b"/v1/search" in head else ANSWER)

    with api(answer) as server:
        search(f"{server.url}/v1")
    assert server.paths == ["GET /v1", "POST /v1/search", "POST /v2/search"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_redirect_to_another_host_is_refused_and_not_followed(method):
    def only_get(document):
        links = [k for k in document["links"] if k.get("method") != "POST" or method == "POST"]
        return document | {"links": links}

    with serve(silent) as other:
        place = other.url.replace("127.0.0.1", "localhost")
        answer = http(b"", status="307 Moved", Location=f"{place}/latest/meta-data")
        with api(answer, only_get) as server:
            with pytest.raises(CatalogAnswerError, match=r"localhost.*not of its host"):
                search(f"{server.url}/v1", catalog_login="me:secret")
            assert server.paths[1].startswith(method)
    assert other.heads == []


def test_five_redirects_are_followed():
    answers = iter([http(b"", status="307 Moved", Location="/v1/search")] * 5 + [ANSWER])
    with api(lambda connection, _: connection.sendall(next(answers))) as server:
        search(f"{server.url}/v1")
    assert server.paths == ["GET /v1", *["POST /v1/search"] * 6]


def test_redirects_without_end():
    with (
        api(http(b"", status="307 Moved", Location="/v1/search")) as server,
        pytest.raises(CatalogAnswerError, match="more than 5 redirects"),
    ):
        search(f"{server.url}/v1")


ELSEWHERE = (
    *(
        "http://169.254.169.254/latest",
        "http://localhost:1/",
        "http://[::1]/",
        "file:///etc/passwd",
    ),
    *("http://2130706433/", "http://127.0.0.1@localhost/", "https://example.com/"),
)


@pytest.mark.parametrize("href", ELSEWHERE)
def test_a_next_or_search_link_that_leads_elsewhere_is_refused(href):
    page = PAGE | {"links": [{"rel": "next", "href": href}]}
    refused = pytest.raises(CatalogAnswerError, match="not of its host")
    with api(http(json.dumps(page).encode())) as server, refused:
        search(f"{server.url}/v1")

    def led(document):
        link = {"rel": "search", "href": href, "method": "POST", "type": "application/geo+json"}
        return document | {"links": [link]}

    refused = pytest.raises(CatalogAnswerError, match="not of its host")
    with api(ANSWER, led) as server, refused:
        search(f"{server.url}/v1")


@pytest.fixture
def authority(tmp_path):
    return Authority.make(tmp_path)


@pytest.mark.parametrize(
    ("host", "days", "word"),
    [
        ("127.0.0.1", 1, "unable to get local issuer"),
        ("127.0.0.2", 1, "mismatch"),
        ("127.0.0.1", -1, "expired"),
    ],
)
def test_a_certificate_that_is_wrong_is_final(authority, host, days, word):
    known = {"ca_file": None if word.startswith("unable") else str(authority.file)}
    refused = pytest.raises(CatalogAnswerError, match=rf"not trusted.*HYDRO_CA_FILE.*{word}")
    with serve(silent, authority.context(host, days)) as server, refused as error:
        search(f"{server.url}/v1", **known)
    assert not error.value.retryable
    assert server.heads == []


def test_a_private_authority_is_trusted_by_a_setting(authority):
    with api(ANSWER, context=authority.context()) as server:
        search(f"{server.url}/v1", ca_file=str(authority.file))
    assert len(server.heads) == 2


def test_tls_is_not_spoken_to_who_does_not_speak_it():
    with serve(saying(http(b"")), wait=False) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(CatalogAnswerError, match="does not speak TLS"):
            search(f"{url}/v1")


def test_the_login_is_sent_to_the_catalog_and_never_shown():
    answer = http(b"", status="503 Busy")
    with api(answer) as server:
        url = server.url.replace("://", "://me:p%40ss%3Aword@") + "/v1"
        settings = Settings.load(catalog=url)
        with pytest.raises(CatalogUnavailableError) as error:
            open_catalog(settings, QUICK).scenes(ALPS, *MARCH)
    wanted = b"Authorization: Basic " + base64.b64encode(b"me:p@ss:word")
    assert all(wanted in head for head in server.heads)
    for text in (str(error.value), repr(settings), str(settings.model_dump())):
        assert "p@ss" not in text
        assert "p%40ss" not in text
