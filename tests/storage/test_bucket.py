"""`hydro init` on S3."""

import pytest
from botocore.exceptions import ClientError

from hydro_pipeline.errors import StoreUnavailableError
from hydro_pipeline.storage import bucket
from hydro_pipeline.storage.root import prepare_root


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
    def refuse(*_):
        raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutBucketLifecycle")

    monkeypatch.setattr(bucket, "_ensure_lifecycle", refuse)
    lines = list(prepare_root(s3.settings()))
    assert "lifecycle: left as it is; the server says NotImplemented" in lines


def test_an_endpoint_that_is_down(s3):
    settings = s3.settings(s3_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9"):
        list(prepare_root(settings))
