"""Processes that are made to be killed, each for one operation.

As a program it reads lines of JSON, [operation, folder, settings], and answers each with the id of
the process that does it, and with its exit code when it has ended. What takes long to import is
imported once, before they are forked; the next one is made ready in the meantime.
"""

import json
import os
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PRELOADED = (
    "boto3", "dask.array", "exactextract", "geopandas", "h5netcdf", "matplotlib", "numba",
    "odc.stac", "PIL.Image", "pyarrow.dataset", "pydantic_settings", "pystac_client", "rasterio",
    "rioxarray", "stackstac", "tenacity", "xarray", "zarr",
)  # fmt: skip
"""What takes long to import; Icechunk cannot be forked."""
NO_MORE = 3
"""Exit code of a process that was given nothing to do."""


class Forks:
    """The program, while entered."""

    def __enter__(self) -> Self:
        self._program = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.support.killed"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._program.communicate()

    def start(self, operation: str, folder: Path, **settings: Any) -> int:
        """Id of the process that begins with it now."""
        line = json.dumps([operation, str(folder), settings])
        assert self._program.stdin is not None
        print(line, file=self._program.stdin, flush=True)
        return int(self._answer())

    def end(self) -> int:
        """The exit code of that process, when it has ended; -9 if it was killed."""
        return int(self._answer())

    def _answer(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline()


def serve() -> int:
    """Do what the next line says; the exit code."""
    from hydro_pipeline.composite.formulas import Formulas
    from hydro_pipeline.ingest.blocks import load_kernels
    from hydro_pipeline.settings import Settings
    from hydro_pipeline.stats.kernel import load_kernel
    from hydro_pipeline.usecases.pipeline import Pipeline
    from tests.support.killed_operations import OPERATIONS

    load_kernels(Formulas.of(Settings.load().product))
    load_kernel()
    line = sys.stdin.readline()
    if not line:
        return NO_MORE
    operation, folder, settings = json.loads(line)
    print(os.getpid(), flush=True)
    try:
        OPERATIONS[operation](Pipeline(Settings.load(**settings)), Path(folder))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Serve until there are no more lines."""
    for name in PRELOADED:
        import_module(name)
    while True:
        process = os.fork()
        if process == 0:
            os._exit(serve())
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code == NO_MORE:
            return
        print(code, flush=True)


if __name__ == "__main__":
    main()
