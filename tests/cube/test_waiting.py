"""A bucket that is silent, drips, or is not to be trusted: one error, in time."""

import subprocess
import sys
import time
from threading import Thread

import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import StoreAccessError, StoreUnavailableError
from hydro_pipeline.outside import deadlines
from hydro_pipeline.outside.deadlines import Deadline
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage import backends
from hydro_pipeline.storage.root import prepare_root
from hydro_pipeline.storage.store import Store
from tests.support.certificates import Authority
from tests.support.loopback import dripping, http, serve, silent

WHOLE = http(b"x" * 100_000, media_type="binary/octet-stream", ETag='"a"')
BODY = WHOLE.index(b"\r\n\r\n") + 50
SLOW = {"silent": silent, "head": dripping(WHOLE, 9), "body": dripping(WHOLE, BODY)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    short = Deadline(connect=0.3, read=0.3, total=0.6)
    monkeypatch.setattr(deadlines, "ICECHUNK", short)
    monkeypatch.setattr(deadlines, "ICECHUNK_STEP_S", 1.0)
    monkeypatch.setattr(backends, "BUCKET", Deadline(connect=0.3, read=5, total=0.6))
    second = backends.dt.timedelta(seconds=0.3)
    monkeypatch.setattr(backends, "CLIENT", {"connect_timeout": second, "timeout": second})
    monkeypatch.setattr(backends, "RETRY", backends.RETRY | {"retry_timeout": second})


def at(url: str, **more) -> Settings:
    keys = {"s3_access_key_id": "a", "s3_secret_access_key": "b"}
    return Settings.load(root="s3://bucket/data", s3_endpoint_url=url, **keys, **more)


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_a_slow_bucket_that_boto3_lists_is_one_error_in_time(answer):
    started = time.monotonic()
    with (
        serve(answer) as server,
        pytest.raises(OSError, match=r"no end after|[Tt]imeout|timed out"),
    ):
        list(backends.backend_of(at(server.url)).listing("k"))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize(
    "work",
    [
        lambda settings: Cube.open(Store(settings), "farm"),
        lambda settings: Store(settings).get("k"),
        lambda settings: Store(settings).listing("k"),
        lambda settings: list(prepare_root(settings)),
    ],
    ids=["cube", "get", "list", "init"],
)
def test_a_slow_bucket_is_one_error_in_time(answer, work):
    started = time.monotonic()
    with serve(answer) as server, pytest.raises(StoreUnavailableError):
        work(at(server.url))
    assert time.monotonic() - started < 3


def test_a_certificate_that_is_not_trusted_is_final(tmp_path, monkeypatch):
    enough = backends.dt.timedelta(seconds=10)
    monkeypatch.setattr(backends, "CLIENT", {"connect_timeout": enough, "timeout": enough})
    monkeypatch.setattr(backends, "BUCKET", Deadline(connect=5, read=5, total=10))
    authority = Authority.make(tmp_path)
    with serve(silent, authority.context()) as server:
        for work in (lambda s: Store(s).get("k"), lambda s: list(prepare_root(s))):
            with pytest.raises(StoreAccessError, match=r"not trusted.*HYDRO_CA_FILE"):
                work(at(server.url))
    assert server.heads == []


TRUSTING = """
import icechunk
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.root import prepare_root
from hydro_pipeline.storage.store import Store
settings = Settings.load()
print(*prepare_root(settings), sep="\\n")
store = Store(settings)
store.put("k", b"1")
icechunk.Repository.create(store.icechunk_storage("cubes/farm"))
print(store.get("k"), len(store.listing("cubes/farm")) > 0)
"""


@pytest.mark.slow
def test_a_private_authority_is_trusted_by_a_setting(tmp_path):
    """In a process of its own: Icechunk reads once whom to trust."""
    authority = Authority.make(tmp_path)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server(
        "127.0.0.1", 0, app, threaded=True, ssl_context=authority.context(),
        request_handler=MotoRequestHandler,
    )  # fmt: skip
    thread = Thread(target=server.serve_forever)
    thread.start()
    environment = {
        "HYDRO_ROOT": "s3://private/data", "HYDRO_S3_ENDPOINT_URL": f"https://127.0.0.1:{server.port}",
        "HYDRO_S3_ACCESS_KEY_ID": "a", "HYDRO_S3_SECRET_ACCESS_KEY": "b",
        "HYDRO_CA_FILE": str(authority.file),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", TRUSTING], env=environment, capture_output=True, text=True,
        check=False, timeout=100,
    )  # fmt: skip
    server.shutdown()
    thread.join()
    server.server_close()
    assert done.returncode == 0, done.stderr
    assert "bucket private: made" in done.stdout
    assert done.stdout.endswith("b'1' True\n")
