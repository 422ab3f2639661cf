"""Making and checking the place of the root: a directory or a bucket."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hydro_pipeline.errors import (
    ConflictError,
    StoreAccessError,
    StoreUnavailableError,
)
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import INPUTS, probe_key
from hydro_pipeline.storage.store import Store

KEEP_OLD_VERSIONS_DAYS = 30


ABORT_UPLOADS_AFTER_DAYS = 7


def prepare_root(settings: Settings) -> Iterator[str]:
    """Make the bucket or directory of `HYDRO_ROOT` and check it; yields what was found, in lines.

    Doing it again changes nothing. On S3: versioning, and one lifecycle rule for noncurrent
    versions and unfinished uploads under the root's prefix; rules of others are kept. Raises
    `StoreAccessError` or `StoreUnavailableError` if the root cannot be used.
    """
    there = Path(settings.root).is_dir()
    store = Store(settings)
    if store.is_s3:
        yield from _prepare_bucket(store)
    else:
        yield f"directory {store.root}: {'found' if there else 'made'}"
    yield check_store(store)
    names = store.folders(INPUTS)
    yield f"areas: {', '.join(names) if names else 'none yet; set one with `hydro area set`'}"


def check_store(store: Store) -> str:
    """Write, read and delete a probe, and check that conditional writes are honoured.

    Returns a sentence. Raises `StoreAccessError` or `StoreUnavailableError`.
    """
    key, data = probe_key(uuid.uuid4().hex), b"hydro"
    store.put(key, data)
    try:
        if store.get(key) != data:
            raise StoreAccessError(f"{store.url(key)}: what was written is not what is read back")
        for stale in (None, '"0"'):
            with contextlib.suppress(ConflictError):
                store.put_if(key, data, stale)
                raise StoreAccessError(
                    f"{store.root}: the server ignores conditional writes "
                    "(If-Match, If-None-Match); two writers would lose each other's rows"
                )
    finally:
        store.delete(key)
    return f"{store.root}: readable, writable, conditional writes honoured"


def _prepare_bucket(store: Store) -> Iterator[str]:
    settings, bucket = store.settings, store.bucket
    client = _client(settings)
    try:
        yield f"bucket {bucket}: {_make_bucket(client, bucket, settings.s3_region)}"
    except ClientError as error:
        raise StoreAccessError(
            f"HYDRO_ROOT={settings.root}: bucket {bucket!r} cannot be made or seen: "
            f"{_code(error)}; check the keys and the bucket's owner"
        ) from None
    except BotoCoreError as error:
        raise StoreUnavailableError(
            f"HYDRO_ROOT={settings.root}: {' '.join(str(error).split())}"
        ) from None
    for name, ensure in (("versioning", _ensure_versioning), ("lifecycle", _ensure_lifecycle)):
        try:
            yield f"{name}: {ensure(client, bucket, store.prefix)}"
        except ClientError as error:
            yield f"{name}: left as it is; the server says {_code(error)}"


def _client(settings: Settings) -> Any:
    keys = {}
    if settings.s3_access_key_id and settings.s3_secret_access_key:
        keys = {
            "aws_access_key_id": settings.s3_access_key_id.get_secret_value(),
            "aws_secret_access_key": settings.s3_secret_access_key.get_secret_value(),
        }
    return boto3.client(
        "s3",
        region_name=settings.s3_region,
        endpoint_url=settings.s3_endpoint_url,
        config=Config(
            connect_timeout=5,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
        ),
        **keys,
    )


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
