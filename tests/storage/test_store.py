"""One contract for a directory and for S3, and every way in which a store can refuse."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from hydro_pipeline.errors import ConflictError, StoreAccessError, StoreUnavailableError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.loopback import http, serve
from tests.support.refusing_s3 import REFUSALS, refusing_s3


@pytest.fixture(params=["directory", "s3"])
def store(request, settings):
    if request.param == "directory":
        return Store(settings)
    return Store(request.getfixturevalue("s3").settings())


def test_what_is_put_is_there(store):
    assert store.get("a/b") is None
    assert store.etag("a/b") is None
    store.put("a/b", b"one")
    assert store.get("a/b") == b"one"
    data, etag = store.get_versioned("a/b")
    assert (data, etag) == (b"one", store.etag("a/b"))
    store.put("a/b", b"two!")
    assert store.etag("a/b") != etag
    assert store.tail("a/b", 2) == b"o!"
    assert store.tail("a/b", 99) == b"two!"
    store.put("a/b", b"")
    assert store.get("a/b") == store.tail("a/b", 2) == b""
    store.delete("a/b")
    store.delete("a/b")
    assert store.get("a/b") is None


def test_listing_and_folders(store):
    for key in ("x/1", "x/y/2", "xy/3"):
        store.put(key, b"...")
    assert [o.key for o in store.listing("x")] == ["x/1", "x/y/2"]
    assert [o.size for o in store.listing("x")] == [3, 3]
    assert store.folders("x") == ["y"]
    assert store.listing("nothing") == []
    assert store.folders("nothing") == []


def test_a_conditional_write_sees_who_came_first(store):
    store.put_if("k", b"1", None)
    _, etag = store.get_versioned("k")
    with pytest.raises(ConflictError, match="/k was changed"):
        store.put_if("k", b"2", None)
    store.put_if("k", b"2", etag)
    with pytest.raises(ConflictError):
        store.put_if("k", b"3", etag)
    assert store.get("k") == b"2"
    store.delete("k")
    with pytest.raises(ConflictError):
        store.put_if("k", b"4", etag)
    assert store.get("k") is None


def test_no_update_is_lost(store):
    def add(_):
        store.update("count", lambda data: str(int(data or b"0") + 1).encode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert store.get("count") == b"40"
    assert store.update("count", lambda data: None) is False


def test_a_write_that_others_always_come_before_ends_after_100_tries(settings):
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise ConflictError("came second")

    with pytest.raises(ConflictError, match="/k is changed by others without end; try again"):
        Store(settings).against_others("k", attempt)
    assert len(tries) == 100


def calls(store):
    return [
        lambda: store.get("k"),
        lambda: store.put("k", b""),
        lambda: store.put_if("k", b"", None),
        lambda: store.listing("k"),
        lambda: store.folders("k"),
        lambda: store.tail("k", 5),
    ]


def test_a_missing_bucket_says_how_to_make_it(s3):
    for call in calls(Store(s3.settings(root="s3://not-there"))):
        with pytest.raises(StoreAccessError, match=r"'not-there' does not exist.*hydro init"):
            call()


def test_an_endpoint_that_is_down_is_named_within_seconds(s3):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    store = Store(s3.settings(s3_endpoint_url=url))
    with pytest.raises(StoreUnavailableError, match=url) as caught:
        store.get("k")
    assert caught.value.retryable


def test_a_bucket_that_fails_three_times_is_asked_again():
    failures = [http(b"", status="503 Slow Down")] * 3
    headers = {"ETag": '"a"', "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    found = http(b"data", "206 Partial Content", Content_Range="bytes 0-3/4", **headers)

    def answer(connection, head):
        connection.sendall(failures.pop() if failures else found)

    with serve(answer) as server:
        keys = {"s3_access_key_id": "a", "s3_secret_access_key": "b"}
        settings = Settings.load(root="s3://bucket", s3_endpoint_url=server.url, **keys)
        assert Store(settings).get("k") == b"data"
        assert server.paths == ["GET /bucket/k"] * 4


@pytest.mark.parametrize("code", REFUSALS)
def test_wrong_keys_are_named(s3, code):
    with refusing_s3(code) as url:
        for call in calls(Store(s3.settings(s3_endpoint_url=url))):
            with pytest.raises(StoreAccessError, match="check HYDRO_S3_ACCESS_KEY_ID") as caught:
                call()
            assert not caught.value.retryable


def test_a_certificate_that_is_not_trusted_is_final(settings):
    store, told = Store(settings), r"/k: .*HYDRO_CA_FILE.*UnknownIssuer"
    with pytest.raises(StoreAccessError, match=told), store._translated("k"):
        raise OSError("invalid peer certificate: UnknownIssuer")


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreAccessError, match="HYDRO_ROOT"):
        Store(Settings.load(root=str(tmp_path / "file" / "below")))


@pytest.mark.parametrize("kind", [Kind.SHORT, Kind.HTML])
@pytest.mark.parametrize("times", [1, 2])
def test_what_is_not_the_whole_answer_is_asked_for_again(kind, times, s3):
    with FaultProxy(s3.endpoint, s3=True) as proxy:
        store = Store(s3.settings(s3_endpoint_url=proxy.url))
        store.put("note", b"nothing is lost")
        for read, whole in ((store.get, b"nothing is lost"), (lambda k: store.tail(k, 4), b"lost")):
            proxy.fault = Fault(kind, times=times)
            assert read("note") == whole
            assert len(proxy.hits) == times


@pytest.mark.parametrize(
    ("kind", "why"), [(Kind.SHORT, "7 bytes came of 15"), (Kind.HTML, "not a store")]
)
def test_what_never_comes_whole_is_not_believed(kind, why, s3):
    with FaultProxy(s3.endpoint, s3=True) as proxy:
        store = Store(s3.settings(s3_endpoint_url=proxy.url))
        store.put("note", b"nothing is lost")
        proxy.fault = Fault(kind)
        for read in (store.get, lambda key: store.tail(key, 15)):
            with pytest.raises(StoreUnavailableError, match=f"/note: .*{why}"):
                read("note")
        with pytest.raises(StoreUnavailableError):
            store.update("note", lambda data: b"made anew")
        proxy.fault = None
        assert store.get("note") == b"nothing is lost"
