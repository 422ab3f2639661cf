"""The object store under `HYDRO_ROOT`: a local directory or an S3 bucket, through one code path."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import icechunk
import obstore
from filelock import FileLock
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from hydro_pipeline.errors import ConflictError, HydroError, StoreAccessError, StoreUnavailableError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import lock_key

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

RETRY: "RetryConfig" = {
    "max_retries": 6,
    "retry_timeout": dt.timedelta(seconds=20),
    "backoff": {
        "init_backoff": dt.timedelta(milliseconds=100),
        "max_backoff": dt.timedelta(seconds=4),
        "base": 2,
    },
}
CLIENT: "ClientConfig" = {
    "connect_timeout": dt.timedelta(seconds=5),
    "timeout": dt.timedelta(seconds=60),
}
REFUSALS = (PermissionDeniedError, UnauthenticatedError, PermissionError)


@dataclass(frozen=True)
class StoredObject:
    """What a listing says of one object."""

    key: str
    """Path under the root."""
    size: int
    """Bytes."""
    etag: str
    """Changes whenever the content is written anew."""
    modified: dt.datetime
    """Aware, UTC."""


class Store:
    """Objects by key under one root. Keys are `/`-separated and relative to the root.

    Every method raises `StoreAccessError` where the store refuses (keys, bucket, permission) and
    `StoreUnavailableError` where it cannot be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.root
        self.is_s3 = self.root.startswith("s3://")
        self._objects = self._s3() if self.is_s3 else self._local()

    @property
    def bucket(self) -> str:
        """Name of the S3 bucket; empty on a local directory."""
        return self.root.removeprefix("s3://").split("/", 1)[0] if self.is_s3 else ""

    @property
    def prefix(self) -> str:
        """Key prefix within the bucket, without slashes at its ends; empty if none."""
        _, _, prefix = self.root.removeprefix("s3://").partition("/")
        return prefix.strip("/") if self.is_s3 else ""

    def url(self, key: str) -> str:
        """Where a key is, for people: `s3://bucket/prefix/key` or a path."""
        return f"{self.root}/{key}"

    def get(self, key: str) -> bytes | None:
        """Content of an object, or None if it does not exist."""
        return self.get_versioned(key)[0]

    def get_versioned(self, key: str) -> tuple[bytes | None, str | None]:
        """Content and ETag of an object, or (None, None) if it does not exist."""
        with self._translated(key):
            try:
                result = obstore.get(self._objects, key)
                return bytes(result.bytes()), result.meta["e_tag"]
            except (NotFoundError, FileNotFoundError) as error:
                self._check_bucket(error)
                return None, None

    def tail(self, key: str, size: int) -> bytes | None:
        """The last `size` bytes of an object (all of it if shorter), or None if absent."""
        with self._translated(key):
            try:
                return bytes(
                    obstore.get(self._objects, key, options={"range": {"suffix": size}}).bytes()
                )
            except (NotFoundError, FileNotFoundError) as error:
                self._check_bucket(error)
                return None

    def etag(self, key: str) -> str | None:
        """ETag of an object, or None if it does not exist. One request."""
        with self._translated(key):
            try:
                return obstore.head(self._objects, key)["e_tag"]
            except (NotFoundError, FileNotFoundError):
                return None

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole, over whatever is there."""
        with self._translated(key):
            obstore.put(self._objects, key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> None:
        """Write an object only if its ETag is still `etag` (None: only if it does not exist).

        Raises `ConflictError` if another writer came first.
        """
        with self._translated(key):
            try:
                if etag is None:
                    obstore.put(self._objects, key, data, mode="create", use_multipart=False)
                elif self.is_s3:
                    obstore.put(self._objects, key, data, mode={"e_tag": etag}, use_multipart=False)
                else:
                    self._put_if_local(key, data, etag)
            except (AlreadyExistsError, PreconditionError):
                raise ConflictError(
                    f"{self.url(key)} was changed by another writer; read it again"
                ) from None

    def update(self, key: str, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Read, change and write one object so that no other writer's change is lost.

        `change` gets the content (None if absent) and returns the new content, or None to leave
        it; it is called again when another writer came first. Returns whether anything was written.
        """
        for _ in range(100):
            data, etag = self.get_versioned(key)
            changed = change(data)
            if changed is None:
                return False
            with contextlib.suppress(ConflictError):
                self.put_if(key, changed, etag)
                return True
        raise ConflictError(f"{self.url(key)} is changed by others without end; try again later")

    def delete(self, key: str) -> None:
        """Remove an object; no error if it is not there."""
        with self._translated(key), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._objects, key)

    def listing(self, prefix: str) -> list[StoredObject]:
        """All objects whose key starts with the folder `prefix`, ordered by key."""
        with self._translated(prefix):
            found = [
                StoredObject(o["path"], o["size"], o["e_tag"] or "", o["last_modified"])
                for page in obstore.list(self._objects, prefix.rstrip("/"))
                for o in page
            ]
        return sorted(found, key=lambda o: o.key)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly in the folder `prefix`, sorted."""
        with self._translated(prefix):
            result = obstore.list_with_delimiter(self._objects, prefix.rstrip("/"))
            return sorted(p.rsplit("/", 1)[-1] for p in result["common_prefixes"])

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Exclusive right to a key among the processes of one machine, on a local directory.

        On S3 it does nothing: there, conditional writes decide.
        """
        if self.is_s3:
            yield
            return
        path = Path(self.root) / lock_key(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def icechunk_storage(self, key: str) -> icechunk.Storage:
        """Icechunk's own access to the folder `key`."""
        _quieten_icechunk()
        if not self.is_s3:
            return icechunk.local_filesystem_storage(str(Path(self.root) / key))
        s = self.settings
        keys: dict[str, str | bool]
        if s.s3_access_key_id and s.s3_secret_access_key:
            keys = {
                "access_key_id": s.s3_access_key_id.get_secret_value(),
                "secret_access_key": s.s3_secret_access_key.get_secret_value(),
            }
        else:
            keys = {"from_env": True}
        return icechunk.s3_storage(
            bucket=self.bucket,
            prefix="/".join(filter(None, (self.prefix, key))),
            region=s.s3_region,
            endpoint_url=s.s3_endpoint_url,
            allow_http=True,
            force_path_style=s.s3_endpoint_url is not None,
            **keys,  # type: ignore[arg-type]
        )

    def _local(self) -> LocalStore:
        path = Path(self.root)
        try:
            return LocalStore(path, mkdir=True, automatic_cleanup=False)
        except (BaseError, OSError) as error:
            raise StoreAccessError(
                f"HYDRO_ROOT={self.root}: cannot use this directory: {error}"
            ) from None

    def _s3(self) -> S3Store:
        s = self.settings
        if s.s3_access_key_id and s.s3_secret_access_key:
            credentials = {
                "access_key_id": s.s3_access_key_id.get_secret_value(),
                "secret_access_key": s.s3_secret_access_key.get_secret_value(),
            }
        else:
            try:
                credentials = {"credential_provider": Boto3CredentialProvider()}  # type: ignore[dict-item]
            except ValueError as error:
                raise StoreAccessError(
                    f"HYDRO_ROOT={self.root}: no credentials: set HYDRO_S3_ACCESS_KEY_ID and "
                    f"HYDRO_S3_SECRET_ACCESS_KEY, or give AWS credentials ({error})"
                ) from None
        return S3Store(
            self.bucket,
            prefix=self.prefix or None,
            region=s.s3_region,
            endpoint=s.s3_endpoint_url,
            virtual_hosted_style_request=s.s3_endpoint_url is None,
            client_options={**CLIENT, "allow_http": True},
            retry_config=RETRY,
            **credentials,  # type: ignore[arg-type]
        )

    def _put_if_local(self, key: str, data: bytes, etag: str) -> None:
        with self.lock(key):
            if self.etag(key) != etag:
                raise PreconditionError(key)
            obstore.put(self._objects, key, data)

    def _check_bucket(self, error: BaseException) -> None:
        if "NoSuchBucket" in str(error):
            raise StoreAccessError(
                f"HYDRO_ROOT={self.root}: the bucket {self.bucket!r} does not exist; "
                "make it with `hydro init`"
            ) from None

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except HydroError:
            raise
        except (BaseError, OSError) as error:
            self._check_bucket(error)
            if isinstance(error, REFUSALS) or "403 Forbidden" in str(error):
                raise StoreAccessError(
                    f"{self.url(key)}: access refused; check HYDRO_S3_ACCESS_KEY_ID, "
                    f"HYDRO_S3_SECRET_ACCESS_KEY and the bucket's policy ({_first_line(error)})"
                ) from None
            at = self.settings.s3_endpoint_url or self.settings.s3_region
            raise StoreUnavailableError(
                f"{self.url(key)}: the store at {at if self.is_s3 else self.root} failed: "
                f"{_first_line(error)}"
            ) from None


@cache
def _quieten_icechunk() -> None:
    """Log only errors; once a process. It would warn of every directory that is opened."""
    icechunk.set_logs_filter("error")


def _first_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (text or type(error).__name__)[:300]
