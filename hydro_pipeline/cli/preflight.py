"""Make the root ready for use, and check that everything a run needs is there."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hydro_pipeline.errors import HydroError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.root import check_store
from hydro_pipeline.storage.store import Store


@dataclass(frozen=True)
class Check:
    """One finding of `preflight`."""

    name: str
    ok: bool | None
    """None: not checked, because an earlier check failed."""
    found: str


def preflight() -> Iterator[Check]:
    """Check settings, kernels, store, areas and definitions, in this order, up to a failure."""
    failed = None
    for name, look in (
        ("settings", _settings),
        ("kernels", _kernels),
        ("store", lambda: check_store(Store(Settings.load()))),
        ("areas", _areas),
        ("definitions", _definitions),
    ):
        if failed:
            yield Check(name, None, f"not checked: {failed} failed")
            continue
        try:
            yield Check(name, True, look())
        except HydroError as error:
            failed = name
            yield Check(name, False, str(error))


def _settings() -> str:
    settings = Settings.load()
    return f"valid; HYDRO_ROOT={settings.root}, HYDRO_CATALOG={settings.catalog}"


def _areas() -> str:
    from hydro_pipeline.usecases.pipeline import Pipeline

    pipeline = Pipeline(Settings.load())
    names = pipeline.names()
    for name in names:
        pipeline.area(name)
    return ", ".join(names) if names else "none yet; set one with `hydro area set`"


def _kernels() -> str:
    """Compile the kernels, or load them from numba's cache, and use each once."""
    started = time.perf_counter()
    from hydro_pipeline.composite.kernel import carry_block, composite_block
    from hydro_pipeline.imagery.cloud_mask import clear_mask
    from hydro_pipeline.product import NODATA
    from hydro_pipeline.stats.kernel import statistics
    from hydro_pipeline.stats.runs import Runs, Weights

    vegetation, none = np.full((1, 1), 4, np.uint8), np.full((1, 1), NODATA, np.int16)
    clear = clear_mask(vegetation, (4,), 1)[np.newaxis]
    red = np.full((1, 1, 1), 1000, np.uint16)
    made = composite_block(red, 3 * red, clear, np.zeros(1, np.float32), none, none, day=0)
    carried, seen_on = carry_block(none, none, made.ndvi, made.observed_on, day=1)
    pixel = Runs.of(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.float32))
    field = Weights(("F",), ("",), np.array([0, 1]), pixel, np.ones(1))
    mean = statistics(field, carried[0], seen_on[0], day=1)["ndvi_mean"][0]
    if mean != 0.5:
        raise HydroError(f"a pixel of NDVI 0.5 came out as {mean}; reinstall numba and numpy")
    return f"compiled and right in {time.perf_counter() - started:.1f} s"


def _definitions() -> str:
    from hydro_pipeline.definitions import defs

    count = len(list(defs().resolve_all_asset_keys()))
    return f"load with {count} assets"
