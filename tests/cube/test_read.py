"""Opening and reading a cube where the store refuses or fails, and what is no cube."""

import datetime as dt
from types import SimpleNamespace

import icechunk
import pytest

from hydro_pipeline.cube import read
from hydro_pipeline.cube.damage import damages
from hydro_pipeline.cube.read import Cube, read_pixels
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.errors import (
    ConflictError,
    CubeMeaningError,
    DamagedCubeError,
    StoreAccessError,
    StoreUnavailableError,
)
from hydro_pipeline.grid import Window
from hydro_pipeline.storage.store import Store
from tests.support.refusing_s3 import REFUSALS, refusing_s3


@pytest.mark.parametrize("code", REFUSALS)
def test_wrong_keys_are_named(s3, code):
    with refusing_s3(code) as url:
        store = Store(s3.settings(s3_endpoint_url=url))
        with pytest.raises(StoreAccessError, match="check HYDRO_S3_ACCESS_KEY_ID") as caught:
            Cube.open(store, "farm")
    assert not caught.value.retryable
    assert store.url("cubes/farm") in str(caught.value)


@pytest.mark.parametrize(
    ("error", "decoding", "kind", "told"),
    [
        (ValueError("odd"), False, ValueError, "^odd$"),
        (RuntimeError("odd"), False, RuntimeError, "^odd$"),
        (ValueError("odd"), True, DamagedCubeError, r"is not what was written \(odd\)"),
        (icechunk.IcechunkError("403: AccessDenied"), False, StoreAccessError, "access refused"),
        (icechunk.IcechunkError("bad certificate"), False, StoreAccessError, "HYDRO_CA_FILE"),
        (icechunk.IcechunkError("object not found: x"), False, DamagedCubeError, "is lost"),
        (icechunk.IcechunkError("reset"), False, StoreUnavailableError, "store failed: reset"),
        (TimeoutError("no end"), False, StoreUnavailableError, "too slow: no end"),
        (ConflictError("as it is"), False, ConflictError, "^as it is$"),
    ],
)
def test_an_error_is_told_as_what_it_is(error, decoding, kind, told):
    how = {"decoding": True} if decoding else {}
    with pytest.raises(kind, match=told), translated("s3://b/cubes/farm", **how):
        raise error


class Failing:
    """An array of one chunk of a store that fails."""

    shape = chunks = (1, 4, 4)

    @property
    def async_array(self) -> "Failing":
        return self

    async def getitem(self, _at: object) -> None:
        raise icechunk.IcechunkError("reset")


def test_a_store_that_fails_is_no_damage(monkeypatch):
    arrays, whole = {"ndvi": Failing(), "observed_on": Failing()}, Window.whole((4, 4))
    with pytest.raises(icechunk.IcechunkError, match="reset"):
        damages(arrays, ["ndvi"], 0, [whole])

    def fail(_parts: object) -> None:
        raise icechunk.IcechunkError("reset")

    monkeypatch.setattr(read, "read_parts", fail)
    monkeypatch.setattr(read, "first_damage", None)
    with pytest.raises(StoreUnavailableError, match="the store failed: reset"):
        read_pixels("cubes/farm", arrays, ["ndvi", "observed_on"], 0, dt.date(2024, 5, 1), whole)


def test_a_group_of_someone_else_is_no_cube():
    cube = object.__new__(Cube)
    cube.__dict__ |= {"url": "cubes/farm", "group": SimpleNamespace(attrs={})}
    with pytest.raises(CubeMeaningError, match="cubes/farm is not a cube of hydro_pipeline"):
        _ = cube.meaning
