"""Where the root can be: a directory or an S3 bucket; whatever differs between them is here.

Another kind is one more class, and a line in `backend_of`.
"""

import contextlib
import datetime as dt
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import boto3
import icechunk
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from filelock import FileLock
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import LocalStore, S3Store

from hydro_pipeline.errors import StoreAccessError, StoreUnavailableError
from hydro_pipeline.outside.deadlines import BUCKET, ICECHUNK, OBJECTS, within
from hydro_pipeline.outside.trust import bundle
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage import bucket
from hydro_pipeline.storage.keys import INPUTS, WRITING, lock_key, writing_key

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

RETRY: "RetryConfig" = {
    "max_retries": 6,
    "retry_timeout": dt.timedelta(seconds=OBJECTS.total - OBJECTS.read),
}
CLIENT: "ClientConfig" = {
    "connect_timeout": dt.timedelta(seconds=OBJECTS.connect),
    "timeout": dt.timedelta(seconds=OBJECTS.read),
}
UNFINISHED = re.compile(r"#\d+$")
"""How obstore and Icechunk name a file that they are writing into a directory."""


class Backend(Protocol):
    """What a store needs of the place of its root. Keys are relative to the root."""

    kinds: ClassVar[frozenset[str]]
    """As Dagster draws it, if at all."""
    advice: ClassVar[str]
    """What to check where access is refused."""

    @property
    def absolute_root(self) -> str:
        """The root for any process of this machine, whatever its current directory."""

    @property
    def service(self) -> str:
        """Who answers, for messages about a failure."""

    @property
    def objects(self) -> "ObjectStore":
        """Access to the objects under the root."""

    def url(self, key: str) -> str:
        """Where a key is, for people."""

    def listing(self, folder: str) -> "Iterator[ObjectMeta]":
        """All objects of a folder, as obstore lists them, whatever their keys are. It need not be
        quick: it is asked where obstore cannot name a key. Raises `OSError`.
        """

    def icechunk(self, key: str) -> icechunk.Storage:
        """Icechunk's own access to the folder `key`."""

    def put(self, key: str, data: bytes, new: bool = False) -> None:
        """Write an object whole.

        With `new`, raise obstore's `AlreadyExistsError` if it is there.
        """

    def tidy(self, before: dt.datetime) -> int:
        """Remove what writers that were killed `before` left; how many objects that were."""

    def replace(self, key: str, data: bytes, etag: str) -> None:
        """Write an object if its ETag is still `etag`.

        Else raise obstore's `PreconditionError`, or `NotFoundError` or `FileNotFoundError` where
        it is gone.
        """

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Exclusive right to a key, where conditional writes alone do not decide."""

    def missing(self, error: BaseException) -> str | None:
        """A sentence if the error says that the place itself is not there, else None."""

    def prepare(self, probe: Callable[[], str]) -> Iterator[str]:
        """Make the place, if need be; yields what was found, in lines.

        `probe` tells whether it can be used, in a sentence, or raises; it is asked before anything
        there is changed, and after. Raises `StoreAccessError` or `StoreUnavailableError`.
        """


def backend_of(settings: Settings) -> Backend:
    """The backend that `HYDRO_ROOT` asks for. No request; a directory is made.

    Raises `StoreAccessError` where a directory cannot be used, or there are no credentials.
    """
    return S3(settings) if settings.root.startswith("s3://") else Directory(settings)


class Directory:
    """A directory of this machine; processes take turns by lock files in it."""

    kinds: ClassVar = frozenset[str]()
    advice: ClassVar = "check who owns the directory and may write there"

    def __init__(self, settings: Settings) -> None:
        self._given = settings.root
        self._path = Path(settings.root)
        self._was_there = self._path.is_dir()
        try:
            self.objects = LocalStore(self._path, mkdir=True, automatic_cleanup=False)
        except (BaseError, OSError) as error:
            raise StoreAccessError(
                f"HYDRO_ROOT={self._given}: cannot use this directory: {error}"
            ) from None

    @property
    def absolute_root(self) -> str:
        """The absolute path."""
        return str(self._path.resolve())

    @property
    def service(self) -> str:
        """The directory as given."""
        return self._given

    def url(self, key: str) -> str:
        """A path."""
        return f"{self._given}/{key}"

    def listing(self, folder: str) -> "Iterator[ObjectMeta]":
        """Walk the folder; what is gone meanwhile is left out."""
        for path, _, names in (self._path / folder).walk():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    stat = (path / name).stat()
                    yield {
                        "path": (path / name).relative_to(self._path).as_posix(),
                        "size": stat.st_size,
                        "e_tag": f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}",
                        "last_modified": dt.datetime.fromtimestamp(stat.st_mtime, dt.UTC),
                        "version": None,
                    }

    def icechunk(self, key: str) -> icechunk.Storage:
        """Icechunk in a folder."""
        return icechunk.local_filesystem_storage(str(self._path / key))

    def put(self, key: str, data: bytes, new: bool = False) -> None:
        """Write elsewhere, then move: who reads a folder of Parquet files meets no half one."""
        written = writing_key(uuid.uuid4().hex)
        obstore.put(self.objects, written, data, use_multipart=False)
        try:
            obstore.rename(self.objects, written, key, overwrite=not new)
        except BaseException:
            obstore.delete(self.objects, written)
            raise

    def tidy(self, before: dt.datetime) -> int:
        """Files that were being written, by this package or by a library; none of people's."""
        removed = 0
        for folder in self._path.iterdir():
            if folder.name == INPUTS or not folder.is_dir():
                continue
            for path in folder.rglob("*"):
                unfinished = folder.name == WRITING or UNFINISHED.search(path.name)
                with contextlib.suppress(FileNotFoundError):
                    if unfinished and path.is_file() and path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        removed += 1
        return removed

    def replace(self, key: str, data: bytes, etag: str) -> None:
        """Look and write under the key's lock."""
        with self.lock(key):
            if obstore.head(self.objects, key)["e_tag"] != etag:
                raise PreconditionError(key)
            self.put(key, data)

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Exclusive among the processes of this machine."""
        path = self._path / lock_key(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def missing(self, _error: BaseException) -> None:
        """Never: the directory was made."""

    def prepare(self, probe: Callable[[], str]) -> Iterator[str]:
        """Nothing is left to do but to look."""
        yield f"directory {self._given}: {'found' if self._was_there else 'made'}"
        yield probe()


class S3:
    """A bucket of AWS or of an S3-compatible server; its conditional writes decide who was first.

    The keys are the two of the settings, or what the default AWS credential chain finds.
    """

    kinds: ClassVar = frozenset({"s3"})
    advice: ClassVar = (
        "check HYDRO_S3_ACCESS_KEY_ID, HYDRO_S3_SECRET_ACCESS_KEY and the bucket's policy"
    )

    def __init__(self, settings: Settings) -> None:
        self.absolute_root = settings.root
        self.bucket, _, prefix = self.absolute_root.removeprefix("s3://").partition("/")
        self.prefix = prefix.strip("/")
        """Within the bucket, without slashes at its ends; empty if none."""
        self._settings = settings
        self._region, self._endpoint = settings.s3_region, settings.s3_endpoint_url
        self.service = self._endpoint or self._region
        options = self._keys() or {"credential_provider": self._chain()}
        if self._endpoint:
            options["endpoint"] = self._endpoint
        self.objects = S3Store(
            self.bucket,
            prefix=self.prefix or None,
            region=self._region,
            virtual_hosted_style_request=self._endpoint is None,
            client_options={**CLIENT, "allow_http": True, **self._authorities()},
            retry_config=RETRY,
            **options,
        )

    def url(self, key: str) -> str:
        """`s3://bucket/prefix/key`."""
        return f"{self.absolute_root}/{key}"

    def icechunk(self, key: str) -> icechunk.Storage:
        """Icechunk in a prefix."""
        if self._settings.ca_file:
            # Its client has no setting for it, and reads this once, before its first request.
            os.environ["SSL_CERT_FILE"] = bundle(self._settings.ca_file)
        return icechunk.s3_storage(
            bucket=self.bucket,
            prefix="/".join(filter(None, (self.prefix, key))),
            region=self._region,
            endpoint_url=self._endpoint,
            allow_http=True,
            force_path_style=self._endpoint is not None,
            network_stream_timeout_seconds=math.ceil(ICECHUNK.read),
            **(self._keys() or {"from_env": True}),
        )

    def put(self, key: str, data: bytes, new: bool = False) -> None:
        """One request, or several for a large object."""
        if new:
            obstore.put(self.objects, key, data, mode="create", use_multipart=False)
        else:
            obstore.put(self.objects, key, data)

    def tidy(self, before: dt.datetime) -> int:
        """None: an object is there whole or not at all; uploads end by the bucket's lifecycle."""
        return 0

    def replace(self, key: str, data: bytes, etag: str) -> None:
        """One conditional request."""
        obstore.put(self.objects, key, data, mode={"e_tag": etag}, use_multipart=False)

    def lock(self, _key: str) -> AbstractContextManager[None]:
        """No lock."""
        return contextlib.nullcontext()

    def missing(self, error: BaseException) -> str | None:
        """The bucket is not there."""
        if "NoSuchBucket" not in str(error):
            return None
        return (
            f"HYDRO_ROOT={self.absolute_root}: the bucket {self.bucket!r} does not exist; "
            "make it with `hydro init`"
        )

    def prepare(self, probe: Callable[[], str]) -> Iterator[str]:
        """Bucket, versioning and lifecycle."""
        client, root = self._client(), self.absolute_root

        def done() -> list[str]:
            return list(bucket.prepare(client, root, self.bucket, self.prefix, self._region, probe))

        try:
            yield from within(BUCKET.total, done)
        except TimeoutError as error:
            raise StoreUnavailableError(f"HYDRO_ROOT={root}: {self.service}: {error}") from None

    def listing(self, folder: str) -> "Iterator[ObjectMeta]":
        """List by boto3."""
        root = f"{self.prefix}/" if self.prefix else ""
        pages = self._client().get_paginator("list_objects_v2")
        asked = pages.paginate(Bucket=self.bucket, Prefix=f"{root}{folder}/")
        try:
            listed = within(BUCKET.total, lambda: list(asked))
        except (BotoCoreError, ClientError) as error:
            raise OSError(str(error)) from None
        for found in (found for page in listed for found in page.get("Contents", [])):
            yield {
                "path": found["Key"].removeprefix(root),
                "size": found["Size"],
                "e_tag": found["ETag"],
                "last_modified": found["LastModified"],
                "version": None,
            }

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            region_name=self._region,
            endpoint_url=self._endpoint,
            config=Config(
                connect_timeout=BUCKET.connect,
                read_timeout=BUCKET.read,
                retries={"total_max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": "path" if self._endpoint else "auto"},
            ),
            verify=bundle(self._settings.ca_file) if self._settings.ca_file else None,
            **self._keys("aws_"),
        )

    def _keys(self, before: str = "") -> dict[str, Any]:
        """Both keys under the names that clients have for them, or nothing: the default chain."""
        name, secret = self._settings.s3_access_key_id, self._settings.s3_secret_access_key
        if not (name and secret):
            return {}
        return {
            f"{before}access_key_id": name.get_secret_value(),
            f"{before}secret_access_key": secret.get_secret_value(),
        }

    def _authorities(self) -> "ClientConfig":
        """What is trusted besides the public authorities."""
        path = self._settings.ca_file
        return {"root_certificate": Path(path).read_bytes()} if path else {}

    def _chain(self) -> Boto3CredentialProvider:
        try:
            return Boto3CredentialProvider()
        except ValueError as error:
            raise StoreAccessError(
                f"HYDRO_ROOT={self.absolute_root}: no credentials: set HYDRO_S3_ACCESS_KEY_ID and "
                f"HYDRO_S3_SECRET_ACCESS_KEY, or give AWS credentials ({error})"
            ) from None
