"""`hydro scenes`, as an operator uses it, on a season in the cube."""

import datetime as dt
import json
import shutil

import pytest
from typer.testing import CliRunner

from hydro_pipeline.cli import progress
from hydro_pipeline.cli.main import app
from hydro_pipeline.cli.progress import DaysRun
from hydro_pipeline.errors import InputError
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import pixels, run


@pytest.fixture
def catalog(season, tmp_path):
    """The catalog's file, that a test may change."""
    shutil.copytree(season.directory, tmp_path / "season")
    return tmp_path / "season" / "items.json"


@pytest.fixture
def pipeline(made, tmp_path):
    """The season as area demo, to be changed."""
    shutil.copytree(made.settings.root, tmp_path / "root")
    return Pipeline(made.settings.model_copy(update={"root": str(tmp_path / "root")}))


@pytest.fixture
def without_dagster(pipeline, monkeypatch):
    """Days are made by the use cases themselves, which takes a tenth of the time."""

    def run_days(settings, area, first, last):
        days = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
        return DaysRun(*run(Pipeline(settings), days, area))

    monkeypatch.setattr(progress, "run_days", run_days)


@pytest.fixture
def hydro(pipeline, catalog, tmp_path, monkeypatch):
    """Runs `hydro scenes ARGUMENTS`; returns what it says on standard output and error."""
    monkeypatch.setenv("HYDRO_ROOT", pipeline.settings.root)
    monkeypatch.setenv("HYDRO_CATALOG", str(catalog))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    runner = CliRunner(env={"COLUMNS": "200"})

    def say(*arguments):
        done = runner.invoke(app, ["scenes", *map(str, arguments)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return say


SPAN = ("--from", "2024-04-01", "--to", "2024-04-10")


def offer(catalog, change):
    document = json.loads(catalog.read_text())
    document["features"] = change(document["features"])
    catalog.write_text(json.dumps(document))


def newer(feature):
    feature["properties"]["updated"] = "2030-01-01T00:00:00Z"
    return feature


def test_list_says_what_each_day_is_made_from(hydro, pipeline, season):
    code, out, _ = hydro("list", "demo")
    lines = [line.split() for line in out.splitlines()[1:]]
    assert code == 0
    assert {line[0] for line in lines} == {f"2024-04-{n:02d}" for n in range(1, 11)}
    used = {line[1]: line[2:4] for line in lines if "used" in line}
    assert set(used) == {item["id"] for item in season.items}
    record = pipeline.open("demo").record(season.first_day)
    share = record["hydro:used"][0]["used_share"]
    assert used[record["hydro:used"][0]["id"]] == [f"{share:.3f}", "used"]
    assert [line[1:] for line in lines if line[0] == "2024-04-02"] == [["no", "scene"]]
    _, part, _ = hydro("list", "demo", "--from", "2024-04-02", "--to", "2024-04-02")
    assert len(part.splitlines()) == 2


def test_check_shows_what_is_missing_and_remakes_nothing_for_it(hydro, pipeline, catalog):
    before = pixels(pipeline, "demo")
    offer(catalog, lambda features: [])
    code, out, _ = hydro("check", "demo", *SPAN, "--remake")
    assert code == 0
    assert "2024-04-01: missing from the catalog, still used: S2A_31U" in out
    assert "10 days looked at, none would be made from newer scenes" in out
    assert pixels(pipeline, "demo") == before
    states = [line.split()[3] for line in hydro("list", "demo")[1].splitlines() if "S2" in line]
    assert set(states) == {"missing"}


def test_check_finds_newer_versions_and_remakes_when_asked(hydro, catalog, without_dagster):
    scene = "S2A_31UES_20240401_0_L2A"
    offer(catalog, lambda features: [newer(f) if f["id"] == scene else f for f in features])
    _, out, _ = hydro("check", "demo", *SPAN)
    assert f"2024-04-01: {scene} has changed" in out
    assert "1 of 10 days would be made otherwise: add --remake" in out
    code, out, _ = hydro("check", "demo", *SPAN, "--remake")
    assert code == 0, out
    assert "2024-04-01 to 2024-04-01: days run: 1 " in out
    assert "none would be made from newer scenes" in hydro("check", "demo", *SPAN)[1]


@pytest.mark.slow
def test_drop_and_undo_remake_the_day_through_dagster(hydro, pipeline):
    drop_and_undo(hydro, pipeline)


def test_drop_and_undo_remake_the_day(hydro, pipeline, without_dagster):
    drop_and_undo(hydro, pipeline)


def drop_and_undo(hydro, pipeline):
    before, scene = pixels(pipeline, "demo"), "S2A_31UES_20240401_0_L2A"
    code, out, _ = hydro("drop", "demo", scene, "--why", "haze")
    assert code == 0, out
    assert f"area demo: {scene} is dropped" in out
    assert pixels(pipeline, "demo") != before
    (line,) = [li for li in hydro("list", "demo")[1].splitlines() if scene in li]
    assert "dropped" in line
    assert "haze" in line
    assert hydro("drop", "demo", scene, "--undo")[0] == 0
    assert pixels(pipeline, "demo") == before


def test_what_cannot_be_decided_is_said(hydro, season):
    assert hydro("skip", "demo", season.items[0]["id"])[0] == 2
    with pytest.raises(InputError, match="hydro scenes list demo"):
        hydro("drop", "demo", "S2A_31UES_20990401_0_L2A")
    with pytest.raises(InputError, match="no skip to undo"):
        hydro("skip", "demo", season.items[0]["id"], "--undo")
    assert hydro("check", "demo", "--from", "2024-04-02", "--to", "2024-04-01")[0] == 2
