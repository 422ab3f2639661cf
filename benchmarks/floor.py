"""The lower bound: move the bytes that were moved, and compute nothing."""

from concurrent.futures import ThreadPoolExecutor

import obstore
import requests

from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store

THREADS = 16


def move(origin: str, files: dict[str, int], settings: Settings, objects: int, size: int) -> None:
    """GET the first bytes of each file in ranges of 4 MiB, and PUT `size` bytes as `objects`."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=THREADS)
    session.mount("http://", adapter)
    store = Store(settings)
    step = 4 << 20
    ranges = [
        (path, start, min(start + step, length))
        for path, length in files.items()
        for start in range(0, length, step)
    ]

    def get(one: tuple[str, int, int]) -> None:
        path, start, stop = one
        header = {"Range": f"bytes={start}-{stop - 1}"}
        session.get(f"{origin}/cogs/{path}", headers=header).raise_for_status()

    def put(number: int) -> None:
        obstore.put(store.backend.objects, f"floor/{number}", bytes(size // objects))

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(get, ranges):
            pass
        for _ in pool.map(put, range(objects)):
            pass
