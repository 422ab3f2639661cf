"""`python -m benchmarks [CASE ...]`: measure, print one table, write it as JSON."""

import argparse
import compileall
import datetime as dt
import importlib
import os
import re
import sysconfig
from pathlib import Path

from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.servers import Wire
from benchmarks.table import machine, save, show

CASES = ("zonal", "season", "late", "daily", "large", "growth", "areas", "cluster", "bounded")


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--folder", type=Path, default=Path("hydro-data/benchmarks"))
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; medians are shown")
    parser.add_argument(
        "--latency", type=float, default=0.005, help="seconds for each request to the bucket"
    )
    parser.add_argument(
        "--far-latency", type=float, default=0.1, help="the same, to the catalog and its imagery"
    )
    parser.add_argument("--bandwidth", type=float, default=50e6, help="bytes/s each; 0: no limit")
    parser.add_argument("--json", type=Path, help="default: results.json in the folder")
    asked = parser.parse_args()
    unknown = sorted(set(asked.cases) - set(CASES))
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    console = Console(width=140)
    near, far = (Wire(s, asked.bandwidth or None) for s in (asked.latency, asked.far_latency))
    bench = Bench(asked.folder.resolve(), near, far, asked.repeat, console)
    bench.folder.mkdir(parents=True, exist_ok=True)
    # As in the image: how memory is given back, and that no package is compiled first.
    os.environ.update(re.findall(r"(MALLOC_\w+)=(\w+)", Path("Dockerfile").read_text()))
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
    title = f"{machine()}; bucket: {near}; imagery: {far}; medians of {asked.repeat}"
    rows = []
    for name in asked.cases or CASES:
        for row in importlib.import_module(f"benchmarks.case_{name}").run(bench):
            rows.append(row)
    show(rows, title, console)
    path = asked.json or bench.folder / "results.json"
    save(rows, path, machine=title, at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
