"""What happens to stored objects behind everyone's back."""

from hydro_pipeline.storage.store import Store


def _flipped(data: bytes, _other: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


KINDS = {
    "cut": lambda data, other: data[: len(data) // 2],
    "emptied": lambda data, other: b"",
    "zeroed": lambda data, other: bytes(len(data)),
    "flipped": _flipped,
    "replaced": lambda data, other: other,
    "lost": None,
}


def objects(store: Store, folder: str) -> list[str]:
    """Keys in a folder, in the order in which they were written."""
    return [o.key for o in sorted(store.listing(folder), key=lambda o: (o.modified, o.key))]


def harm(store: Store, key: str, kind: str, other: str | None = None) -> None:
    """Do to the object at `key` what `kind` says; `other` is what it is replaced by."""
    change = KINDS[kind]
    if change is None:
        store.delete(key)
        return
    data = store.get(key)
    assert data is not None
    store.put(key, change(data, (store.get(other) if other else None) or b""))
    assert store.get(key) != data
