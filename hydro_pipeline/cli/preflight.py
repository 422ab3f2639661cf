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
    from hydro_pipeline.composite.formulas import Formulas
    from hydro_pipeline.composite.kernel import carry_block, composite_block
    from hydro_pipeline.grid import Window, nothing
    from hydro_pipeline.imagery.cloud_mask import clear_mask
    from hydro_pipeline.stats.kernel import statistics
    from hydro_pipeline.stats.runs import Runs, Weights

    product = Settings.load(variables="ndvi").product
    clear = clear_mask(np.full((1, 1), 4, np.uint8), (4,), 1, ())
    red, none = np.full((1, 1), 1000, np.uint16), nothing(Window(0, 0, 1, 1), 1)
    scenes, formulas = [[red, 3 * red]], Formulas.of(product)
    made = composite_block(scenes, [clear], np.zeros(1, np.float32), formulas, none, day=0)
    carried = carry_block(none, made.pixels, day=1)
    pixel = Runs.of(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.float32))
    field = Weights(("F",), ("",), np.array([0, 1]), pixel, np.ones(1))
    sample = carried.values[:, 0], carried.observed_on[0]
    mean = statistics(field, *sample, 1, product.variables)["ndvi_mean"][0]
    if mean != 0.5:
        raise HydroError(f"a pixel of NDVI 0.5 came out as {mean}; reinstall numba and numpy")
    return f"compiled and right in {time.perf_counter() - started:.1f} s"


def _definitions() -> str:
    from hydro_pipeline.definitions import defs

    count = len(list(defs().resolve_all_asset_keys()))
    return f"load with {count} assets"
