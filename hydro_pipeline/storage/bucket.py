"""Make an S3 bucket ready to be a root: there, versioned, with a lifecycle."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from hydro_pipeline.errors import StoreAccessError, StoreUnavailableError

KEEP_OLD_VERSIONS_DAYS = 30
ABORT_UPLOADS_AFTER_DAYS = 7


def prepare(client: Any, root: str, bucket: str, prefix: str, region: str) -> Iterator[str]:
    """Make the bucket; yields what was found, in lines. Doing it again changes nothing.

    Versioning, and one lifecycle rule for noncurrent versions and unfinished uploads under
    `prefix`; rules of others are kept. A server without these is left as it is. `client` is
    boto3's of S3. Raises `StoreAccessError` or `StoreUnavailableError`, which name the `root`.
    """
    try:
        yield f"bucket {bucket}: {_make_bucket(client, bucket, region)}"
    except ClientError as error:
        raise StoreAccessError(
            f"HYDRO_ROOT={root}: bucket {bucket!r} cannot be made or seen: "
            f"{_code(error)}; check the keys and the bucket's owner"
        ) from None
    except BotoCoreError as error:
        raise StoreUnavailableError(f"HYDRO_ROOT={root}: {' '.join(str(error).split())}") from None
    for name, ensure in (("versioning", _ensure_versioning), ("lifecycle", _ensure_lifecycle)):
        try:
            yield f"{name}: {ensure(client, bucket, prefix)}"
        except ClientError as error:
            yield f"{name}: left as it is; the server says {_code(error)}"


def _make_bucket(client: Any, bucket: str, region: str) -> str:
    try:
        client.head_bucket(Bucket=bucket)
        return "found"
    except ClientError as error:
        if _code(error) not in {"404", "NoSuchBucket"}:
            raise
    where = {"LocationConstraint": region}
    try:
        client.create_bucket(
            Bucket=bucket,
            **({} if region == "us-east-1" else {"CreateBucketConfiguration": where}),
        )
    except ClientError as error:
        if _code(error) != "BucketAlreadyOwnedByYou":
            raise
    return "made"


def _ensure_versioning(client: Any, bucket: str, _prefix: str) -> str:
    if client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        return "on"
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return "switched on"


def _ensure_lifecycle(client: Any, bucket: str, prefix: str) -> str:
    meaning = (
        f"old versions kept {KEEP_OLD_VERSIONS_DAYS} days, "
        f"unfinished uploads {ABORT_UPLOADS_AFTER_DAYS} days"
    )
    rule = {
        "ID": f"hydro-pipeline {prefix}".strip(),
        "Status": "Enabled",
        "Filter": {"Prefix": f"{prefix}/" if prefix else ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": KEEP_OLD_VERSIONS_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_UPLOADS_AFTER_DAYS},
    }
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if _code(error) != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    if any(r.get("ID") == rule["ID"] for r in rules):
        return meaning
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [*rules, rule]}
    )
    return f"set: {meaning}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error without a code"))
