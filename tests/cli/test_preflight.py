import pytest

from hydro_pipeline.errors import StoreAccessError, StoreUnavailableError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.bucket import check_store, prepare_root
from hydro_pipeline.storage.store import Store


def test_a_bucket_is_made_once_and_then_found(s3):
    settings = s3.settings(root="s3://new-bucket/some/prefix")
    first, second = list(prepare_root(settings)), list(prepare_root(settings))
    assert first == [
        "bucket new-bucket: made",
        "versioning: switched on",
        "lifecycle: set: old versions kept 30 days, unfinished uploads 7 days",
        "s3://new-bucket/some/prefix: readable, writable, conditional writes honoured",
        "areas: none yet; set one with `hydro area set`",
    ]
    assert second[:3] == [
        "bucket new-bucket: found",
        "versioning: on",
        "lifecycle: old versions kept 30 days, unfinished uploads 7 days",
    ]
    rules = s3.client.get_bucket_lifecycle_configuration(Bucket="new-bucket")["Rules"]
    assert [r["Filter"]["Prefix"] for r in rules] == ["some/prefix/"]
    assert s3.client.list_objects_v2(Bucket="new-bucket")["KeyCount"] == 0


def test_lifecycle_rules_of_others_are_kept(s3):
    theirs = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 1},
    }
    s3.client.put_bucket_lifecycle_configuration(
        Bucket=s3.name, LifecycleConfiguration={"Rules": [theirs]}
    )
    list(prepare_root(s3.settings()))
    rules = s3.client.get_bucket_lifecycle_configuration(Bucket=s3.name)["Rules"]
    assert [r["ID"] for r in rules] == ["theirs", "hydro-pipeline data"]


def test_a_server_without_lifecycle_is_tolerated(s3, monkeypatch):
    from botocore.exceptions import ClientError

    from hydro_pipeline.cli import preflight

    def refuse(*_):
        raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutBucketLifecycle")

    monkeypatch.setattr(preflight, "_ensure_lifecycle", refuse)
    lines = list(prepare_root(s3.settings()))
    assert "lifecycle: left as it is; the server says NotImplemented" in lines


def test_a_directory_is_made(tmp_path):
    root = str(tmp_path / "new")
    settings = Settings.load(root=root)
    assert next(prepare_root(settings)) == f"directory {root}: made"
    assert next(prepare_root(settings)) == f"directory {root}: found"


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreAccessError, match="HYDRO_ROOT="):
        list(prepare_root(Settings.load(root=str(tmp_path / "file"))))


def test_an_endpoint_that_is_down(s3):
    settings = s3.settings(s3_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9"):
        list(prepare_root(settings))


def test_a_server_that_ignores_conditions_is_refused(settings, monkeypatch):
    store = Store(settings)
    monkeypatch.setattr(store, "put_if", lambda key, data, etag: store.put(key, data))
    with pytest.raises(StoreAccessError, match="ignores conditional writes"):
        check_store(store)
    assert store.listing(".probe") == []
