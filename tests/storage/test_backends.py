"""One contract for every kind of place that the root can be, and what is said where it fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import icechunk
import obstore
import pytest
import zarr
from obstore.exceptions import NotFoundError, PreconditionError

from hydro_pipeline.errors import StoreAccessError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.backends import S3, Directory, backend_of


@pytest.fixture(params=["directory", "s3"])
def backend(request, settings):
    if request.param == "directory":
        return backend_of(settings)
    return backend_of(request.getfixturevalue("s3").settings())


def put(backend, key: str, data: bytes) -> str:
    """Write an object; its ETag."""
    return obstore.put(backend.objects, key, data)["e_tag"]


def content(backend, key: str) -> bytes:
    return bytes(obstore.get(backend.objects, key).bytes())


def test_the_root_says_which(s3, settings):
    assert type(backend_of(settings)) is Directory
    assert type(backend_of(s3.settings())) is S3


def test_an_object_is_replaced_only_as_it_was_seen(backend):
    seen = put(backend, "a/b", b"one")
    backend.replace("a/b", b"two!", seen)
    assert content(backend, "a/b") == b"two!"
    with pytest.raises(PreconditionError):
        backend.replace("a/b", b"three", seen)
    assert content(backend, "a/b") == b"two!"
    obstore.delete(backend.objects, "a/b")
    with pytest.raises((PreconditionError, NotFoundError, FileNotFoundError)):
        backend.replace("a/b", b"three", seen)


def test_of_many_that_replace_the_same_one_wins(backend):
    seen = put(backend, "k", b"")

    def replace(number: int) -> bool:
        try:
            backend.replace("k", b"x" * number, seen)
        except PreconditionError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(replace, range(1, 17)))
    assert sum(won) == 1
    assert len(content(backend, "k")) == won.index(True) + 1


def test_objects_and_icechunk_are_under_one_root(backend):
    repository = icechunk.Repository.create(backend.icechunk("cubes/mol"))
    session = repository.writable_session("main")
    zarr.create_group(session.store)
    session.commit("made")
    keys = [o["path"] for page in obstore.list(backend.objects, "cubes/mol") for o in page]
    assert "cubes/mol/repo" in keys
    assert icechunk.Repository.exists(backend.icechunk("cubes/mol"))
    assert not icechunk.Repository.exists(backend.icechunk("cubes"))


def test_a_lock_may_be_taken_again_once_it_is_free(backend):
    for _ in range(2):
        with backend.lock("cubes/mol"):
            put(backend, "k", b"")


def test_a_lock_of_a_directory_keeps_others_out(settings):
    one, other = backend_of(settings), backend_of(settings)
    held = []

    def wait() -> None:
        with other.lock("k"):
            held.append("other")

    with ThreadPoolExecutor(1) as pool, one.lock("k"), other.lock("another key"):
        waiting = pool.submit(wait)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        held.append("one")
    assert held == ["one", "other"]


def test_where_a_directory_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = backend_of(Settings.load(root="./data"))
    assert backend.url("a/b") == "./data/a/b"
    assert backend.absolute_root == str(tmp_path / "data")
    assert Path(backend.absolute_root).is_dir()
    assert backend.service == "./data"


def test_where_a_bucket_is(s3):
    backend = backend_of(s3.settings(root="s3://bucket-name/some/prefix/"))
    assert (backend.bucket, backend.prefix) == ("bucket-name", "some/prefix")
    assert backend.url("k") == "s3://bucket-name/some/prefix/k"
    assert backend.absolute_root == "s3://bucket-name/some/prefix"
    assert backend.service == s3.endpoint
    aws = backend_of(s3.settings(root="s3://bucket-name", s3_endpoint_url=None))
    assert (aws.prefix, aws.service) == ("", "us-east-1")
    assert "bucket-name" in str(aws.icechunk("cubes/mol"))


def test_only_a_bucket_that_is_not_there_is_missing(backend, s3):
    assert backend.missing(FileNotFoundError("no such key")) is None
    gone = backend_of(s3.settings(root="s3://not-there"))
    with pytest.raises(FileNotFoundError) as caught:
        content(gone, "k")
    assert "hydro init" in gone.missing(caught.value)


def test_without_keys_the_default_chain_finds_them(s3, monkeypatch):
    """By objects, by Icechunk and by what makes the bucket; each with its own client."""
    chain = {"s3_access_key_id": None, "s3_secret_access_key": None}
    with pytest.raises(StoreAccessError, match="no credentials: set HYDRO_S3_ACCESS_KEY_ID and"):
        backend_of(s3.settings(**chain))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    backend = backend_of(s3.settings(**chain))
    assert next(backend.prepare(lambda: "")) == f"bucket {s3.name}: found"
    put(backend, "k", b"1")
    icechunk.Repository.create(backend.icechunk("cubes/mol"))
    assert {"data/k", "data/cubes/mol/repo"} <= set(s3.keys())
