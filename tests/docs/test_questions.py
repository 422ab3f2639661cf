"""Every answer that the README promises, on the simulated season as area mol."""

import re
import shlex
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

import hydro_pipeline
from hydro_pipeline.cli import main as cli
from tests.support.areas import days_of, run, set_up

SECTION = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = SECTION.split("## Questions and answers")[1].split("\n## ")[0]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in SECTION.splitlines()
    if line.startswith("|") and "`" in line
]
MADE_IN_MAY = ("2024-05", "2024-04"), ("2024, 5", "2024, 4")
"""The README's days, and those of the season."""


@pytest.fixture(scope="module")
def folder(season, tmp_path_factory):
    """A working directory with `hydro-data` and `fields.geojson`."""
    folder = tmp_path_factory.mktemp("questions")
    (folder / "fields.geojson").write_bytes(season.fields_geojson)
    pipeline = set_up(season, folder / "hydro-data", "mol")
    run(pipeline, days_of(season)[:4], "mol")
    return folder


@pytest.fixture
def inside(folder, season, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HYDRO_CATALOG", str(season.directory / "items.json"))
    return folder


def in_season(text):
    for readme, season in MADE_IN_MAY:
        text = text.replace(readme, season)
    return text


def test_the_table_was_found():
    assert len(ROWS) == 17


@pytest.mark.parametrize(("question", "asked", "answer"), ROWS, ids=[row[0] for row in ROWS])
def test_the_answer_comes(question, asked, answer, inside, monkeypatch, capsys):
    asked, promised = in_season(asked.strip("`")), re.findall(r"`([^`]+)`", in_season(answer))
    if not asked.startswith("hydro "):
        result = eval(asked, {"hydro_pipeline": hydro_pipeline, "duckdb": duckdb, "date": date})
        assert type(result).__name__ == promised[0]
        assert len(result) > 0
        return
    monkeypatch.setattr(sys, "argv", shlex.split(asked))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    paths = [each for each in promised if not each.startswith("hydro ")]
    for path in paths:
        assert (inside / path).exists(), path
    if not paths:
        assert re.search("area mol|F01|S2A_", capsys.readouterr().out)


def test_five_lines_to_a_fields_mean(inside):
    (snippet,) = re.findall(r"```py\n(.*?)```", SECTION, re.DOTALL)
    names: dict = {}
    exec(snippet, names)
    stats = hydro_pipeline.open_field_stats("hydro-data", "mol", field_id="F01")
    assert names["mean"].to_numpy() == pytest.approx(stats["ndvi_mean"].to_numpy(), abs=0.02)
