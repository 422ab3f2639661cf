"""Opening a cube where the store refuses."""

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import StoreAccessError
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
