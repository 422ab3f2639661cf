"""Make the root ready for use, and check that it can be used."""

import contextlib
import uuid
from collections.abc import Iterator

from hydro_pipeline.errors import ConflictError, StoreAccessError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.keys import INPUTS, probe_key
from hydro_pipeline.storage.store import Store


def prepare_root(settings: Settings) -> Iterator[str]:
    """Make the bucket or directory of `HYDRO_ROOT` and check it; yields what was found, in lines.

    Doing it again changes nothing. Raises `StoreAccessError` or `StoreUnavailableError` if the
    root cannot be used.
    """
    store = Store(settings)
    yield from store.backend.prepare()
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
