"""What the pods' user may do on its bucket: what a full run asks for, and nothing more."""

import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.defs.launch import materialize
from hydro_pipeline.report.page import write_report
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.storage.root import prepare_root
from tests.support.areas import put_late_fields, set_up
from tests.support.counting_s3 import BUCKET, CountingS3
from tests.support.deployment import K8S

WITH_QUERY = {
    ("GET", "location"): "s3:GetBucketLocation",
    ("GET", "versioning"): "s3:GetBucketVersioning",
    ("PUT", "versioning"): "s3:PutBucketVersioning",
    ("GET", "lifecycle"): "s3:GetLifecycleConfiguration",
    ("PUT", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("POST", "delete"): "s3:DeleteObject",
    ("POST", "uploads"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("GET", "versions"): "s3:ListBucketVersions",
    ("GET", "versionId"): "s3:GetObjectVersion",
    ("DELETE", "versionId"): "s3:DeleteObjectVersion",
}
ON_BUCKET = {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket", "PUT": "s3:CreateBucket"}
ON_OBJECT = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}


def action(method: str, path: str, query: str) -> str:
    """The action of IAM that a request to a bucket needs."""
    for word in parse_qs(query, keep_blank_values=True):
        if (method, word) in WITH_QUERY:
            return WITH_QUERY[method, word]
    return (ON_OBJECT if path.strip("/").partition("/")[2] else ON_BUCKET)[method]


def allowed(of: str) -> list[dict[str, Any]]:
    """The statements of a ConfigMap's policy."""
    data = yaml.safe_load((K8S / "minio/configmap.yaml").read_text())["data"]
    return json.loads(data[of])["Statement"]  # type: ignore[no-any-return]


def test_the_policy_names_one_bucket_and_single_actions() -> None:
    bucket, objects = allowed("policy.json")
    assert (bucket["Resource"], objects["Resource"]) == (
        ["arn:aws:s3:::hydro"],
        ["arn:aws:s3:::hydro/*"],
    )
    assert not any("*" in name for s in (bucket, objects) for name in s["Action"])
    assert all(name.startswith("s3:") for s in (bucket, objects) for name in s["Action"])


def test_only_minio_and_the_job_that_makes_the_user_see_the_root_keys() -> None:
    texts = {p.relative_to(K8S).as_posix(): p.read_text() for p in K8S.rglob("*.yaml")}
    assert {name for name, text in texts.items() if "name: hydro-minio" in text} == {
        "minio/statefulset.yaml",
        "minio/user.yaml",
    }


@pytest.mark.slow
def test_a_full_run_asks_for_nothing_that_the_policy_does_not_allow(
    season: Season, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = json.loads(
        yaml.safe_load((K8S / "minio/configmap.yaml").read_text())["data"]["lifecycle.json"]
    )
    with CountingS3() as s3:
        client = s3.client()
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules)
        environment = s3.environment | {
            "HYDRO_ROOT": f"s3://{BUCKET}",
            "HYDRO_CATALOG": str(season.directory / "items.json"),
            "DAGSTER_HOME": str(tmp_path),
        }
        (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        s3.queries.clear()
        pipeline = set_up(season)
        told = list(prepare_root(pipeline.settings))
        assert f"bucket {BUCKET}: found" in told
        first = season.first_day
        materialize("farm", first, first + dt.timedelta(2), "all")
        put_late_fields(pipeline, season)
        materialize("farm", first, first + dt.timedelta(2), "field_stats")
        write_report(pipeline.open("farm"))
        maintain(pipeline.store, "farm", dt.datetime.now(dt.UTC) + dt.timedelta(400), 90)
        asked = {action(*query) for query in s3.queries}
    may = {name for statement in allowed("policy.json") for name in statement["Action"]}
    assert asked <= may
    assert may - asked <= {"s3:GetBucketLocation", "s3:AbortMultipartUpload"}
