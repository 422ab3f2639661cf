"""The demo, as a new user runs it: the real command, twice, in an empty directory."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store


def demo(directory: Path) -> str:
    command = [Path(sys.executable).with_name("hydro"), "demo"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_twice(tmp_path):
    first = demo(tmp_path)
    late = re.search(
        r"^2 late fields, planted 30 days ago +(\S+) +(\S+) +(\S+) +(\S+)", first, re.M
    )
    assert late is not None
    stac_requests, cog_kb, chunks, rows = (float(v) for v in late.groups())
    assert (stac_requests, cog_kb, rows) == (0, 0, 2 * 31)
    seen = re.search(r"^seen on the day +\S+ +(\S+)", first, re.M)
    assert seen is not None
    assert float(seen[1]) < 0.001

    store = Store(Settings.load(root=str(tmp_path / "hydro-data/demo")))
    cube = Cube.open(store, "demo")
    assert cube is not None
    assert cube.length == 45
    different = len(cube.alike(cube.days[-31:]))
    assert 1 < different < 31
    assert chunks > 0
    assert chunks % (2 * different) == 0

    second = demo(tmp_path)
    assert re.findall(r"pixels changed on (\d+)", second) == ["0"] * 6
    again = Cube.open(store, "demo")
    assert again is not None
    assert again.revisions == cube.revisions
    environment = (tmp_path / "hydro-data/demo.env").read_text()
    assert environment.startswith(f"export HYDRO_ROOT={tmp_path}/hydro-data/demo HYDRO_CATALOG=")
