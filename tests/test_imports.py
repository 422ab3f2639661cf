"""Importing the package changes nothing that belongs to the process that imports it."""

import ast
import contextlib
import importlib
import json
import logging
import os
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from tests.support.imports import ROOT, third_party_imports

GDAL = ("GDAL_CACHEMAX", "GDAL_NUM_THREADS", "GDAL_HTTP_MAX_RETRY", "CPL_VSIL_CURL_CACHE_SIZE")


def state() -> dict[str, Any]:
    """What belongs to the process, apart from loggers without any setting of their own."""
    import dask
    import numpy as np
    import rasterio.env
    import zarr

    every = {"": logging.root, **logging.root.manager.loggerDict}
    loggers = {
        name: f"{log.level} {log.handlers} {log.filters} {log.propagate}"
        for name, log in every.items()
        if isinstance(log, logging.Logger)
    }
    return {
        "environment": dict(os.environ),
        "warnings": [str(f) for f in warnings.filters],
        "loggers": {name: said for name, said in loggers.items() if said != "0 [] [] True"},
        "GDAL": {name: rasterio.env.get_gdal_config(name) for name in GDAL},
        "in a GDAL environment": rasterio.env.hasenv(),
        "numpy": str(np.geterr()),
        "dask": str(dask.config.config),
        "zarr": str(zarr.config.config),
        "Icechunk's filter": list(icechunk_filters),
    }


icechunk_filters: list[str | None] = []
"""What Icechunk was told to log, which it cannot be asked."""


def changes() -> Iterator[str]:
    """What importing every module of the package changes that its libraries do not by themselves.

    To be called in a process that has not imported it.
    """
    import icechunk

    icechunk.set_logs_filter = icechunk_filters.append
    for _, node in third_party_imports():
        with contextlib.suppress(ImportError):
            exec(ast.unparse(node), {})
    assert not [name for name in sys.modules if name.startswith("hydro_pipeline")]
    before = state()
    package = importlib.import_module("hydro_pipeline")
    names = [m.name for m in pkgutil.walk_packages(package.__path__, "hydro_pipeline.")]
    assert len(names) > 90, names
    for name in names:
        importlib.import_module(name)
    after = state()
    yield from (f"{what}: {after[what]}" for what in before if before[what] != after[what])


def test_importing_every_module_changes_nothing_of_the_process() -> None:
    script = "import json; from tests.test_imports import changes; print(json.dumps([*changes()]))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
