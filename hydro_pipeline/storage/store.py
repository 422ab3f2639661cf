"""The objects under `HYDRO_ROOT`, wherever that is, through one code path."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import icechunk
import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from hydro_pipeline.errors import ConflictError, HydroError, StoreAccessError, StoreUnavailableError
from hydro_pipeline.outside.trust import UNTRUSTED, untrusted
from hydro_pipeline.parallel import Tries, retry
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.backends import backend_of
from hydro_pipeline.storage.keys import PROBES

if TYPE_CHECKING:
    from obstore import OffsetRange, SuffixRange

TRIES = Tries(attempts=100)
"""Of a write that others come before."""
INVALID_PATH = "invalid path"
"""In what obstore says of a listing that holds a key it cannot name."""
REFUSALS = (PermissionDeniedError, UnauthenticatedError, PermissionError)
REFUSED = ("403 Forbidden", "(os error 1)", "(os error 13)", "(os error 30)", "[Errno 30]")
"""Texts of other errors that refuse: S3, and a directory without permission or read-only."""

ANSWERS = Tries(attempts=3, first_delay=0.1)
"""Of a read whose answer is not what the store holds."""
NO_RANGE = ("416", "range was invalid", "non-partial response")
"""Texts of errors over a part of an object: of an empty one, or by something that is no store."""


class _NotWholeError(OSError):
    """An answer that is not what the store holds."""


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

    What is read is held against the length that the store tells beside: an answer that was cut
    short, or that something else gave, is asked for again, and never taken for what is stored.
    Every method raises `StoreAccessError` where the store refuses (keys, bucket, permission) and
    `StoreUnavailableError` where it cannot be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.root
        self.backend = backend_of(settings)
        self._objects = self.backend.objects

    def url(self, key: str) -> str:
        """Where a key is, for people: `s3://bucket/prefix/key` or a path."""
        return self.backend.url(key)

    def get(self, key: str) -> bytes | None:
        """Content of an object, or None if it does not exist."""
        return self.get_versioned(key)[0]

    def get_versioned(self, key: str) -> tuple[bytes | None, str | None]:
        """Content and ETag of an object, or (None, None) if it does not exist."""
        return self._read(key, {"offset": 0})

    def tail(self, key: str, size: int) -> bytes | None:
        """The last `size` bytes of an object (all of it if shorter), or None if absent."""
        data, _ = self._read(key, {"suffix": size})
        return data if data is None else data[-size:]

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
            self.backend.put(key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> None:
        """Write an object only if its ETag is still `etag` (None: only if it does not exist).

        Raises `ConflictError` if another writer came first.
        """
        with self._translated(key):
            try:
                if etag is None:
                    self.backend.put(key, data, new=True)
                else:
                    self.backend.replace(key, data, etag)
            except (
                AlreadyExistsError,
                PreconditionError,
                NotFoundError,
                FileNotFoundError,
            ) as error:
                self._check_place(error)
                raise ConflictError(
                    f"{self.url(key)} was changed by another writer; read it again"
                ) from None

    def update(self, key: str, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Read, change and write one object so that no other writer's change is lost.

        `change` gets the content (None if absent) and returns the new content, or None to leave
        it; it is called again when another writer came first. Returns whether anything was written.
        """

        def attempt() -> bool:
            data, etag = self.get_versioned(key)
            changed = change(data)
            if changed is not None:
                self.put_if(key, changed, etag)
            return changed is not None

        return self.against_others(key, attempt)

    def against_others[T](self, key: str, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, called again while it raises `ConflictError` over `key`."""
        try:
            return retry(lambda _: attempt(), TRIES, lambda e: isinstance(e, ConflictError))
        except ConflictError:
            raise ConflictError(
                f"{self.url(key)} is changed by others without end; try again later"
            ) from None

    def delete(self, key: str) -> None:
        """Remove an object; no error if it is not there."""
        with self._translated(key), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._objects, key)

    def listing(self, prefix: str) -> list[StoredObject]:
        """All objects whose key starts with the folder `prefix`, ordered by key.

        Some may be `keys.unreachable`: they are listed, and cannot be asked for.
        """
        folder = prefix.rstrip("/")
        with self._translated(prefix):
            try:
                found = [o for page in obstore.list(self._objects, folder) for o in page]
            except BaseError as error:
                if INVALID_PATH not in str(error):
                    raise
                found = list(self.backend.listing(folder))
        objects = [
            StoredObject(o["path"], o["size"], o["e_tag"] or "", o["last_modified"]) for o in found
        ]
        return sorted(objects, key=lambda o: o.key)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly in the folder `prefix`, sorted; any name, even an empty."""
        folder = prefix.rstrip("/")
        with self._translated(prefix):
            try:
                result = obstore.list_with_delimiter(self._objects, folder)
                return sorted(p.rsplit("/", 1)[-1] for p in result["common_prefixes"])
            except BaseError as error:
                if INVALID_PATH not in str(error):
                    raise
        below = (o.key.removeprefix(f"{folder}/") for o in self.listing(folder))
        return sorted({key.split("/")[0] for key in below if "/" in key})

    def tidy(self, before: dt.datetime) -> int:
        """Remove what killed writers and probes left before a time; how many objects that were."""
        with self._translated(PROBES):
            left = self.backend.tidy(before)
        probes = [o.key for o in self.listing(PROBES) if o.modified < before]
        for key in probes:
            self.delete(key)
        return left + len(probes)

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Exclusive right to a key among the processes of one machine, on a local directory.

        On S3 it does nothing: there, conditional writes decide.
        """
        return self.backend.lock(key)

    def icechunk_storage(self, key: str) -> icechunk.Storage:
        """Icechunk's own access to the folder `key`."""
        _quieten_icechunk()
        return self.backend.icechunk(key)

    def _read(
        self, key: str, part: "OffsetRange | SuffixRange"
    ) -> tuple[bytes, str | None] | tuple[None, None]:
        """A part of an object and its ETag: of a part, even the whole, the answer says where in
        the object it begins and ends.
        """

        def ask(_: int) -> tuple[bytes, str | None]:
            try:
                answer = obstore.get(self._objects, key, options={"range": part})
            except BaseError as error:
                if not any(mark in str(error) for mark in NO_RANGE):
                    raise
                return self._read_without_range(key)
            data, (start, end) = bytes(answer.bytes()), answer.range
            if len(data) != end - start:
                raise _NotWholeError(f"{len(data)} bytes came of {end - start}")
            return data, answer.meta["e_tag"]

        with self._translated(key):
            try:
                return retry(ask, ANSWERS, lambda e: isinstance(e, _NotWholeError))
            except (NotFoundError, FileNotFoundError) as error:
                self._check_place(error)
                return None, None

    def _read_without_range(self, key: str) -> tuple[bytes, str]:
        """An object that has no parts, because it is empty."""
        answer, told = obstore.get(self._objects, key), obstore.head(self._objects, key)
        data, etag = bytes(answer.bytes()), answer.meta["e_tag"]
        if not etag or (etag, len(data)) != (told["e_tag"], told["size"]):
            raise _NotWholeError(f"what answered is not a store: {data[:40]!r}")
        return data, etag

    def _check_place(self, error: BaseException) -> None:
        if missing := self.backend.missing(error):
            raise StoreAccessError(missing) from None

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except HydroError:
            raise
        except (BaseError, OSError) as error:
            self._check_place(error)
            if isinstance(error, REFUSALS) or any(mark in str(error) for mark in REFUSED):
                raise StoreAccessError(
                    f"{self.url(key)}: access refused; {self.backend.advice} ({_first_line(error)})"
                ) from None
            if untrusted(str(error)):
                raise StoreAccessError(
                    f"{self.url(key)}: {self.backend.service}: {UNTRUSTED} ({_first_line(error)})"
                ) from None
            raise StoreUnavailableError(
                f"{self.url(key)}: the store at {self.backend.service} failed: {_first_line(error)}"
            ) from None


@cache
def _quieten_icechunk() -> None:
    """Log only errors; once a process. It would warn of every directory that is opened."""
    icechunk.set_logs_filter("error")


def _first_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (text or type(error).__name__)[:300]
