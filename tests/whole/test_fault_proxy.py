"""What a client sees of each kind of fault."""

import http.client
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hydro_pipeline.simulation.server import StandIn
from tests.support import fault_proxy
from tests.support.fault_proxy import HTML, Fault, FaultProxy, Kind

BODY = b'{"features": []}' * 4


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("behind")
    (folder / "items.json").write_text('{"features": []}')
    (folder / "file").write_bytes(BODY)
    with StandIn(folder) as stand_in:
        yield stand_in


def ask(proxy: FaultProxy, timeout: float = 0.3) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of a GET of the file."""
    with closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=timeout)) as one:
        one.request("GET", "/cogs/file")
        answer = one.getresponse()
        return answer.status, answer.read(), dict(answer.headers)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (Kind.REFUSED, 403, b"AccessDenied"),
        (Kind.TOO_MANY, 429, b"TooManyRequests"),
        (Kind.ERROR, 500, b"InternalError"),
        (Kind.BUSY, 503, b"SlowDown"),
        (Kind.LOST, 503, b"SlowDown"),
        (Kind.SKEW, 403, b"RequestTimeTooSkewed"),
        (Kind.HTML, 200, HTML),
        (Kind.SHORT, 200, BODY[: len(BODY) // 2]),
        (Kind.ETAG, 200, BODY),
    ],
)
def test_answers(behind, kind, status, body):
    with FaultProxy(behind.origin, s3=True) as proxy:
        sound = ask(proxy)
        proxy.fault = Fault(kind, times=1)
        behind.reset_counts()
        got = ask(proxy)
        assert got[0] == status
        assert body in got[1]
        assert (got[2].get("Retry-After") == "1") == (kind is Kind.TOO_MANY)
        assert (got[2].get("ETag") not in (None, sound[2].get("ETag"))) == (kind is Kind.ETAG)
        reached = kind in {Kind.LOST, Kind.SHORT, Kind.ETAG}
        assert behind.counts["cog_requests"] == reached
        assert proxy.hits == [("GET", "/cogs/file")]
        assert ask(proxy)[:2] == sound[:2] == (200, BODY)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.RESET, ConnectionResetError),
        (Kind.RESET_IN_BODY, ConnectionResetError),
        (Kind.CUT, http.client.IncompleteRead),
        (Kind.SILENT, TimeoutError),
        (Kind.DRIP_HEAD, TimeoutError),
        (Kind.DRIP_BODY, TimeoutError),
    ],
)
def test_no_whole_answer(behind, kind, error, monkeypatch):
    monkeypatch.setattr(fault_proxy, "DRIP_S", 0.5)
    with FaultProxy(behind.origin) as proxy:
        proxy.fault = Fault(kind, lambda method, path: path == "/cogs/file")
        with pytest.raises(error):
            ask(proxy)
        proxy.fault = None
        assert ask(proxy)[:2] == (200, BODY)


def test_a_clock_ahead_and_a_fault_elsewhere(behind):
    with FaultProxy(behind.origin) as proxy:
        sound = ask(proxy)[2]["Date"]
        proxy.fault = Fault(Kind.SKEW)
        status, body, headers = ask(proxy)
        assert (status, body) == (200, BODY)
        assert headers["Date"] != sound
        proxy.fault = Fault(Kind.RESET, lambda method, path: method == "PUT")
        assert ask(proxy)[:2] == (200, BODY)
        assert proxy.hits == []
