"""Every notebook runs from top to bottom on the simulated season, and is kept without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from hydro_pipeline.simulation.server import StandIn
from tests.support.seasons import make_season

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
STORED = [path for path in NOTEBOOKS if "live" not in path.name]


def execute(path, **parameters):
    """Run a notebook with other parameters; returns all text that it printed or showed."""
    notebook = nbformat.read(path, as_version=4)
    place = [c.metadata.get("tags") == ["parameters"] for c in notebook.cells].index(True)
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def check(name, shown):
    if name.startswith("01"):
        assert "(32631, (10.0, -10.0)" in shown
        assert "(5, 10)" in shown
    elif name.startswith("02"):
        assert "L01" in shown
    elif name.startswith("03"):
        assert "odc-stac and stackstac agree on every pixel" in shown


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_on_a_directory(path, made):
    check(path.name, execute(path, ROOT=made.settings.root, AREA="demo"))


@pytest.mark.slow
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_on_s3(path, season, s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    pipeline = make_season(season, s3.settings())
    check(path.name, execute(path, ROOT=pipeline.settings.root, AREA="demo"))


@pytest.mark.slow
def test_live_notebook_on_a_stand_in_for_earth_search(season, monkeypatch):
    with StandIn(season.directory) as earth_search:
        monkeypatch.setenv("HYDRO_CATALOG", earth_search.url)
        shown = execute(
            FOLDER / "04_live_earth_search.ipynb",
            BBOX=season.bbox,
            FIRST="2024-04-01",
            LAST="2024-04-04",
        )
    assert "2024-04-01 observed 100% observed" in shown
    assert "2024-04-04 no scene 0% observed" in shown
