"""Make an S3 bucket ready to be a root: there, versioned, with a lifecycle."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from hydro_pipeline.errors import HydroError, StoreAccessError, StoreUnavailableError
from hydro_pipeline.outside.trust import UNTRUSTED, untrusted

KEEP_OLD_VERSIONS_DAYS = 30
ABORT_UPLOADS_AFTER_DAYS = 7


def prepare(
    client: Any, root: str, bucket: str, prefix: str, region: str, probe: Callable[[], str]
) -> Iterator[str]:
    """Make the bucket; yields what was found, in lines. Doing it again changes nothing.

    Versioning, and one lifecycle rule for noncurrent versions and unfinished uploads under
    `prefix`; rules of others are kept. A server without these is left as it is. `probe` tells
    whether objects can be used, or raises: where it does so at first, nothing is changed, and a
    bucket that was just made is removed; where it does so once versioning is on, that is suspended
    again. `client` is boto3's of S3. Raises `StoreAccessError` or `StoreUnavailableError`, which
    name the `root`.
    """
    try:
        made = _make_bucket(client, bucket, region)
        headers = client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        raise StoreAccessError(
            f"HYDRO_ROOT={root}: bucket {bucket!r} cannot be made or seen: "
            f"{_code(error)}; check the keys and the bucket's owner"
        ) from None
    except BotoCoreError as error:
        if untrusted(str(error)):
            raise StoreAccessError(f"HYDRO_ROOT={root}: {UNTRUSTED} ({error})") from None
        raise StoreUnavailableError(f"HYDRO_ROOT={root}: {' '.join(str(error).split())}") from None
    yield f"bucket {bucket}: {'made' if made else 'found'}"
    yield f"server: {headers.get('server', 'it does not say its name')}"
    try:
        found = probe()
    except HydroError:
        if made:
            with contextlib.suppress(ClientError):
                client.delete_bucket(Bucket=bucket)
        raise
    try:
        switched = _ensure_versioning(client, bucket)
        yield f"versioning: {'switched on' if switched else 'on'}"
    except ClientError as error:
        switched = False
        yield f"versioning: left as it is; the server says {_code(error)}"
    if switched:
        try:
            found = probe()
        except HydroError as error:
            _set_versioning(client, bucket, "Suspended")
            yield f"versioning: suspended again: with it, {error}"
            found = probe()
    try:
        yield f"lifecycle: {_ensure_lifecycle(client, bucket, prefix)}"
    except ClientError as error:
        yield f"lifecycle: left as it is; the server says {_code(error)}"
    yield found


def _make_bucket(client: Any, bucket: str, region: str) -> bool:
    """Whether it was made just now."""
    try:
        client.head_bucket(Bucket=bucket)
        return False
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
        return False
    return True


def _ensure_versioning(client: Any, bucket: str) -> bool:
    """Whether it was switched on just now."""
    if client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        return False
    _set_versioning(client, bucket, "Enabled")
    return True


def _set_versioning(client: Any, bucket: str, status: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


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
