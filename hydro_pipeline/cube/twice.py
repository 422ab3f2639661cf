"""A cube is called damaged only by a second look, and while the store gives what it holds."""

from collections.abc import Callable

from hydro_pipeline.errors import DamagedCubeError
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.storage.keys import cube_key, cube_state_key
from hydro_pipeline.storage.store import Store

OBJECTS_AT_ONCE = 32


def twice[T](store: Store, area_name: str, work: Callable[[], T]) -> T:
    """What `work` gives, of what says what an area's cube holds; done again if that is damaged.

    Raises `StoreUnavailableError` where answers of the store are not what is stored: Icechunk does
    not notice that one was cut short.
    """
    try:
        return work()
    except DamagedCubeError:
        keys = [cube_state_key(area_name)]
        for folder in ("snapshots", "manifests"):
            keys += [found.key for found in store.listing(f"{cube_key(area_name)}/{folder}")]
        in_threads(store.get, keys, OBJECTS_AT_ONCE)
        return work()
