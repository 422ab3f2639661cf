"""`hydro init` on a directory, and the check that every root must pass."""

import pytest

from hydro_pipeline.errors import StoreAccessError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.root import check_store, prepare_root
from hydro_pipeline.storage.store import Store


def test_a_directory_is_made(tmp_path):
    root = str(tmp_path / "new")
    settings = Settings.load(root=root)
    assert next(prepare_root(settings)) == f"directory {root}: made"
    assert next(prepare_root(settings)) == f"directory {root}: found"


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreAccessError, match="HYDRO_ROOT="):
        list(prepare_root(Settings.load(root=str(tmp_path / "file"))))


def test_a_server_that_ignores_conditions_is_refused(settings, monkeypatch):
    store = Store(settings)
    monkeypatch.setattr(store, "put_if", lambda key, data, etag: store.put(key, data))
    with pytest.raises(StoreAccessError, match="ignores If-None-Match"):
        check_store(store)
    assert store.listing(".probe") == []
