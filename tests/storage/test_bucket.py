"""`hydro init` on S3."""

import re

import pytest
from botocore.exceptions import ClientError, SSLError

from hydro_pipeline.errors import StoreAccessError, StoreUnavailableError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage import bucket
from hydro_pipeline.storage.root import prepare_root
from tests.support import odd_s3


def test_a_bucket_is_made_once_and_then_found(s3):
    settings = s3.settings(root="s3://new-bucket/some/prefix")
    first, second = list(prepare_root(settings)), list(prepare_root(settings))
    assert first.pop(1).startswith("server: Werkzeug/")
    assert second.pop(1).startswith("server: ")
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


@pytest.mark.parametrize(
    ("habit", "says"),
    [
        (odd_s3.ignores_everything, "ignores If-None-Match: * for an object that is there"),
        (odd_s3.ignores_if_match, "ignores If-Match with a wrong ETag"),
        (odd_s3.refuses_if_match, "refuses If-Match with the right ETag"),
        (odd_s3.refuses_if_none_match, "refuses If-None-Match: * for a new object"),
    ],
)
def test_a_server_without_conditional_writes_is_refused_before_anything_is_changed(
    monkeypatch, habit, says
):
    with odd_s3.OddS3(habit) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for root in (f"s3://{odd_s3.BUCKET}/data", "s3://refused-bucket/data"):
            with pytest.raises(StoreAccessError, match=re.escape(says)) as caught:
                list(prepare_root(Settings.load(root=root)))
            assert f"HYDRO_ROOT={root}" in str(caught.value)
            assert not caught.value.retryable
        client = server.client()
        assert "refused-bucket" not in [b["Name"] for b in client.list_buckets()["Buckets"]]
        assert "Status" not in client.get_bucket_versioning(Bucket=odd_s3.BUCKET)
        assert client.list_objects_v2(Bucket=odd_s3.BUCKET)["KeyCount"] == 0


def test_versioning_that_breaks_conditional_writes_is_suspended_again(monkeypatch):
    with odd_s3.OddS3(odd_s3.ignores_if_none_match_where_versioned) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        lines = list(prepare_root(Settings.load()))
        (told,) = (line for line in lines if line.startswith("versioning: suspended again"))
        assert "ignores If-None-Match: * for an object that is there" in told
        assert lines[-2].endswith("readable, writable, conditional writes honoured")
        status = server.client().get_bucket_versioning(Bucket=odd_s3.BUCKET)["Status"]
        assert status == "Suspended"


class Answers:
    """A client of S3 that gives what it is told for each request, or raises it; and their names."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def __getattr__(self, name):
        def ask(**_):
            self.asked.append(name)
            answer = self.answers.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


def refusal(code):
    return ClientError({"Error": {"Code": code}}, "request")


def prepared(client):
    return list(bucket.prepare(client, "s3://b", "b", "", "us-east-1", lambda: "usable"))


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"head_bucket": refusal("403")}, "403"),
        (
            {"head_bucket": refusal("404"), "create_bucket": refusal("BucketAlreadyExists")},
            "BucketAlreadyExists",
        ),
    ],
)
def test_a_bucket_of_others_is_not_made(answers, code):
    client = Answers(**answers)
    with pytest.raises(StoreAccessError, match=f"'b' cannot be made or seen: {code}; check the"):
        prepared(client)
    assert client.asked == list(answers)


def test_a_bucket_that_another_process_made_meanwhile_is_found():
    seen = {"ResponseMetadata": {"HTTPHeaders": {}}}
    client = Answers(
        head_bucket=refusal("NoSuchBucket"), get_bucket_lifecycle_configuration={"Rules": []}
    )

    def made_by_another(**_):
        client.answers["head_bucket"] = seen
        raise refusal("BucketAlreadyOwnedByYou")

    client.create_bucket = made_by_another
    assert prepared(client)[0] == "bucket b: found"


def test_rules_that_cannot_be_read_are_left_as_they_are():
    seen = {"ResponseMetadata": {"HTTPHeaders": {}}}
    client = Answers(head_bucket=seen, get_bucket_lifecycle_configuration=refusal("AccessDenied"))
    assert "lifecycle: left as it is; the server says AccessDenied" in prepared(client)
    assert "put_bucket_lifecycle_configuration" not in client.asked


def test_a_certificate_that_is_not_trusted_is_final():
    error = SSLError(endpoint_url="https://b", error="certificate verify failed")
    with pytest.raises(StoreAccessError, match=r"not trusted.*HYDRO_CA_FILE"):
        prepared(Answers(head_bucket=error))


def test_an_endpoint_that_is_down(s3):
    settings = s3.settings(s3_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9"):
        list(prepare_root(settings))
