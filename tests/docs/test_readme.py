"""What the documents say is what the code does."""

import re
import shlex
from pathlib import Path

import click
import pytest
from typer.main import get_command

from hydro_pipeline.cli import main as cli
from hydro_pipeline.cli.terminal import settings_markdown
from tests.support.areas import run, set_up

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
TEXT = {name: (ROOT / name).read_text() for name in DOCUMENTS}
COMMANDS = sorted(set(re.findall(r"(?:^    |`)(hydro [^`\n]+)", "\n".join(TEXT.values()), re.M)))


def test_the_settings_table_is_that_of_the_code():
    assert settings_markdown() in TEXT["README.md"]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_understood(line):
    command, words = get_command(cli.app), shlex.split(line)[1:]
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, parent=context, info_name=name)
    command.make_parser(context).parse_args(list(words))


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    mentioned = set(re.findall(r"\bmake ([a-z][a-z0-9-]+)", "\n".join(TEXT.values())))
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.M))
    assert mentioned & {"demo", "test", "ui"}
    assert mentioned <= targets | {"it"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name):
    links = re.findall(r"\]\((?!https?://|#)([^)]+)\)", TEXT[name])
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_python_example_runs(season, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(set_up(season, name="mol"), [season.first_day], "mol")
    (example,) = re.findall(r"```python\n(.*?)```", TEXT["README.md"], re.S)
    names: dict = {}
    exec(example, names)
    assert names["stats"]["field_id"].tolist() == ["F01", "F02", "F03", "F04", "F05"]
    assert set(names["stats"]["area"]) == {"mol"}
    assert {"ndvi", "observed_on"} <= set(names["cube"].data_vars)
    assert names["cube"].ndvi.dims == ("time", "y", "x")
