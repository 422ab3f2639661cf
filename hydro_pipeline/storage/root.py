"""Make the root ready for use, and check that it can be used."""

import uuid
from collections.abc import Callable, Iterator

from hydro_pipeline.errors import ConflictError, StoreAccessError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import INPUTS, probe_key
from hydro_pipeline.storage.store import Store

WRONG_ETAG = '"00000000000000000000000000000000"'


def prepare_root(settings: Settings) -> Iterator[str]:
    """Make the bucket or directory of `HYDRO_ROOT` and check it; yields what was found, in lines.

    Doing it again changes nothing. What the root can do is tried before anything is changed, and
    again after. Raises `StoreAccessError` or `StoreUnavailableError` if the root cannot be used.
    """
    store = Store(settings)
    yield from store.backend.prepare(lambda: check_store(store))
    names = store.folders(INPUTS)
    yield f"areas: {', '.join(names) if names else 'none yet; set one with `hydro area set`'}"


def check_store(store: Store) -> str:
    """Write, read and delete a probe, and check that conditional writes are honoured.

    A condition that holds lets a write through, one that does not hold keeps it back; either way
    what is read back tells. Returns a sentence. Raises `StoreAccessError` or
    `StoreUnavailableError`.
    """
    key = probe_key(uuid.uuid4().hex)
    try:
        _try_conditions(store, key)
    finally:
        store.delete(key)
    return f"{store.root}: readable, writable, conditional writes honoured"


def _try_conditions(store: Store, key: str) -> None:
    steps: list[tuple[str, Callable[[], str | None], bool]] = [
        ("If-None-Match: * for a new object", lambda: None, True),
        ("If-None-Match: * for an object that is there", lambda: None, False),
        ("If-Match with the right ETag", lambda: store.etag(key), True),
        ("If-Match with a wrong ETag", lambda: WRONG_ETAG, False),
        ("If-Match with the right ETag, the second time", lambda: store.etag(key), True),
    ]
    there = None
    for number, (condition, etag, holds) in enumerate(steps):
        data = b"hydro %d" % number
        try:
            store.put_if(key, data, etag())
            written = True
        except ConflictError:
            written = False
        there = data if holds else there
        if written is holds and store.get(key) == there:
            continue
        how = "ignores" if written else "refuses"
        raise StoreAccessError(
            f"HYDRO_ROOT={store.root}: the server {how} {condition}; two writers would lose each "
            "other's rows. Use a directory, or a server that honours conditional writes"
        )
