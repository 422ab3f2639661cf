import csv
import datetime as dt
import json
import subprocess
import sys
from inspect import signature

import pyarrow.parquet as pq
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.cli import main as cli
from hydro_pipeline.cli.preflight import preflight
from hydro_pipeline.cube.maintain import maintain
from hydro_pipeline.usecases.verify import Verified


@pytest.fixture
def hydro(tmp_path, season, monkeypatch, capfd):
    """Runs `hydro ARGUMENTS` in this process; returns exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    monkeypatch.setenv("HYDRO_CATALOG", str(season.directory / "items.json"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hydro", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capfd.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def demo_area(hydro, season, tmp_path):
    (tmp_path / "fields.geojson").write_bytes(season.fields_geojson)
    (tmp_path / "late.geojson").write_bytes(season.late_fields_geojson)
    bbox = ",".join(map(str, season.bbox))
    assert hydro("area", "set", "demo", f"--bbox={bbox}")[0] == 0
    assert hydro("fields", "put", "demo", "fields.geojson")[0] == 0


def test_from_nothing_to_statistics_of_a_late_field(hydro, demo_area, season, tmp_path):
    code, out, err = hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-10")
    assert code == 0, err
    assert "statistics: 50 rows computed" in out

    code, out, _ = hydro("fields", "put", "demo", "late.geojson")
    assert code == 0
    assert "late.geojson: 1 fields" in out
    assert "hydro catch-up demo" in out
    assert "10 statistics on 10 days: hydro catch-up demo" in hydro("status", "demo")[1]

    code, out, _ = hydro("catch-up", "demo")
    assert (code, out) == (0, "statistics: 10 rows computed\n")
    assert hydro("catch-up", "demo")[1] == "area demo: all statistics are up to date\n"

    code, out, _ = hydro("status")
    assert code == 0
    assert "2024-04-01 to 2024-04-10, 10 days" in out
    assert "fields  6" in out
    assert "stale   none" in out

    code, out, _ = hydro("stats", "demo", "--field", "L01")
    assert code == 0
    assert out.count(" L01 ") == 10
    assert (tmp_path / ".dagster/dagster.yaml").exists()
    assert "10 of 10 rows" in out


def test_statistics_as_files(hydro, demo_area, season, tmp_path):
    hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-03")
    assert hydro("stats", "demo", "--out", "all.parquet")[0] == 0
    assert hydro("stats", "demo", "--from", "2024-04-02", "--to", "2024-04-02", "--out", "x/d.csv")
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.num_rows == 15
    assert table.column_names[:3] == ["field_id", "date", "planting_date"]
    with (tmp_path / "x/d.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["field_id"] for row in rows] == ["F01", "F02", "F03", "F04", "F05"]
    expected = table.filter(
        [d == dt.date(2024, 4, 2) for d in table["date"].to_pylist()]
    ).to_pylist()
    assert [float(row["ndvi_mean"]) for row in rows] == [row["ndvi_mean"] for row in expected]


def test_a_day_without_the_day_before_is_refused(hydro, demo_area):
    assert hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-02")[0] == 0
    code, _, err = hydro("run", "demo", "--from", "2024-04-05", "--to", "2024-04-05")
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "hydro run demo --from 2024-04-03 --to 2024-04-0" in last


def test_init_says_what_it_found(hydro, tmp_path):
    code, out, _ = hydro("init")
    assert code == 0
    assert out.splitlines()[0] == "directory ./hydro-data: made"
    assert (tmp_path / "hydro-data").is_dir()


def test_fields_are_listed_with_their_problems(hydro, demo_area, tmp_path):
    (tmp_path / "hydro-data/inputs/demo/fields/broken.geojson").write_text("{")
    code, out, err = hydro("fields", "list", "demo")
    assert code == 0
    assert "F05" in out
    assert "warning: broken.geojson" in err


def test_a_huge_file_is_refused_by_its_size(hydro, demo_area, tmp_path):
    with (tmp_path / "huge.geojson").open("wb") as file:
        file.truncate(200_000_000)
    code, _, err = hydro("fields", "put", "demo", "huge.geojson")
    assert code == 1
    assert "huge.geojson: 200 MB of GeoJSON, and 100 MB are the most" in err


def test_hostile_names_move_no_cursor_and_are_no_formula(hydro, demo_area, season, tmp_path):
    document = json.loads(season.fields_geojson)
    names = ["=1+1", "\x1b]0;owned\x07", "\u202eevil", "[red]x[/]", "a|<b>"]
    for feature, name in zip(document["features"], names, strict=True):
        feature["properties"]["field_id"] = name
    (tmp_path / "fields.geojson").write_text(json.dumps(document))
    _, *told = hydro("fields", "put", "demo", "fields.geojson")
    (tmp_path / "bad.geojson").write_text('{"type": "\\u001b[2J\\nerror: all is well"}')
    code, out, err = hydro("fields", "put", "demo", "bad.geojson")
    assert code == 1
    hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-01")
    told += [out, err]
    for command in (("fields", "list"), ("stats",), ("status",)):
        told += hydro(*command, "demo")[1:]
    for text in told:
        assert not set(text) & set("\x1b\x07\u202e\r"), text
        assert not any(line.startswith("error: all") for line in text.splitlines())
    assert r"\x1b]0;owned\x07" in told[1]
    assert all(name in told[4] for name in ("[red]x[/]", r"\u202eevil"))
    hydro("stats", "demo", "--out", "s.csv")
    with (tmp_path / "s.csv").open() as file:
        assert {row["field_id"] for row in csv.DictReader(file)} >= {"'=1+1", "[red]x[/]"}


def test_preflight(hydro, monkeypatch):
    code, out, _ = hydro("preflight")
    assert code == 0
    names = ("settings", "kernels", "store", "areas", "definitions")
    assert [line.split()[:2] for line in out.splitlines()] == [[name, "ok"] for name in names]
    monkeypatch.setenv("HYDRO_AREAS", "nowhere")
    code, out, _ = hydro("preflight")
    assert code == 1
    assert "FAILED" in out
    assert "hydro area set nowhere" in out
    assert "definitions  -" in out


def test_preflight_notices_kernels_that_compute_something_else(monkeypatch):
    monkeypatch.setattr(
        "hydro_pipeline.stats.kernel.statistics", lambda *_, **__: {"ndvi_mean": [0.25]}
    )
    check = next(check for check in preflight() if check.name == "kernels")
    assert check.ok is False
    assert "a pixel of NDVI 0.5 came out as 0.25" in check.found


def test_states_are_kept_as_long_by_hand_as_by_the_schedule():
    by_hand = signature(cli.maintain).parameters["keep_days"].default
    assert by_hand == signature(maintain).parameters["keep_days"].default == 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "nowhere", "--from", "2024-04-01", "--to", "2024-04-02"],
            "hydro area set nowhere",
        ),
        (["area", "set", "x", "--bbox=5.1,51.2,5.0,51.3"], "area x"),
        (["area", "set", "x", "--bbox=5.0,51.2,5.1,51.3", "--crs", "EPSG:1"], "EPSG:1"),
        (["fields", "list", "nowhere"], "hydro area set nowhere"),
        (["stats", "nowhere"], "hydro area set nowhere"),
    ],
)
def test_a_users_error_is_one_line_and_exit_code_1(hydro, arguments, message):
    code, out, err = hydro(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_wrong_setting_is_named(hydro, monkeypatch):
    monkeypatch.setenv("HYDRO_CLOUD_BUFFER_M", "-1")
    code, _, err = hydro("status")
    assert code == 1
    assert "HYDRO_CLOUD_BUFFER_M" in err


def test_debug_shows_the_traceback(hydro):
    from hydro_pipeline.errors import AreaError

    with pytest.raises(AreaError):
        hydro("fields", "list", "nowhere", "--debug")


def test_what_nobody_thought_of_is_one_line_too(hydro, monkeypatch):
    def fail(arguments):
        raise KeyError("odd")

    monkeypatch.setattr(cli, "app", fail)
    told = "error: unexpected KeyError: 'odd' (--debug shows where)\n"
    assert hydro("status") == (1, "", told)
    with pytest.raises(KeyError, match="odd"):
        hydro("status", "--debug")


def test_damage_is_exit_code_1(hydro, demo_area, monkeypatch):
    found = [Verified(dt.date(2024, 4, 1)), Verified(dt.date(2024, 4, 2), ("a chunk is lost",))]
    for days, code in ((found[:1], 0), (found, 1)):
        monkeypatch.setattr(
            "hydro_pipeline.usecases.verify.verify", lambda *_, days=days: iter(days)
        )
        assert hydro("verify", "demo")[0] == code


def test_a_broken_area_is_told_with_the_others(hydro, demo_area, tmp_path):
    assert hydro("status")[0] == 0
    (tmp_path / "hydro-data/inputs/odd").mkdir()
    (tmp_path / "hydro-data/inputs/odd/area.geojson").write_text("{")
    code, out, err = hydro("status")
    assert (code, "area demo:" in out) == (1, True)
    assert "error: odd: area odd: not readable as GeoJSON" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "x", "--from", "2024-02-30", "--to", "2024-04-02"], "2024-02-30"),
        (["run", "x", "--from", "2024-04-02", "--to", "2024-04-01"], "before --from 2024-04-02"),
        (
            ["record", "x", "--from", "2024-04-02", "--to", "2024-04-01", "--out", "x"],
            "before --from 2024-04-02",
        ),
        (
            ["scenes", "check", "x", "--from", "2024-04-02", "--to", "2024-04-01"],
            "before --from 2024-04-02",
        ),
        (["scenes", "skip", "x", "S"], "say why"),
        (["area", "set", "x"], "--bbox"),
        (["area", "set", "x", "--bbox=1,2,3"], "west,south,east,north"),
        (["stats", "x", "--out", "x.xlsx"], ".parquet"),
    ],
)
def test_wrong_usage_is_exit_code_2(hydro, arguments, message):
    code, out, err = hydro(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_every_command_has_help_with_an_example(hydro):
    from typer.main import get_command

    def leaves(command, path=()):
        for name, child in getattr(command, "commands", {}).items():
            yield from leaves(child, (*path, name))
        if not hasattr(command, "commands"):
            yield path

    for path in leaves(get_command(cli.app)):
        code, out, _ = hydro(*path, "--help")
        assert code == 0
        assert f"hydro {' '.join(path)}" in out.split("Examples:")[1]


def test_help_waits_for_no_heavy_import():
    heavy = {"dagster", "numpy", "pandas", "xarray", "pydantic", "boto3", "numba", "rasterio"}
    code = f"import sys, hydro_pipeline.cli.main; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_secrets_are_not_shown(hydro, monkeypatch):
    monkeypatch.setenv("HYDRO_S3_ACCESS_KEY_ID", "hush")
    monkeypatch.setenv("HYDRO_S3_SECRET_ACCESS_KEY", "hush")
    code, out, _ = hydro("settings")
    assert code == 0
    assert "HYDRO_S3_SECRET_ACCESS_KEY" in out
    assert "hush" not in out


def test_what_a_fields_file_takes_away_is_said_first(hydro, demo_area, season, tmp_path):
    hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-03")
    whole = json.loads(season.fields_geojson)
    whole["features"][0]["properties"]["planting_date"] = "2024-04-03"
    whole["features"][1]["properties"]["planting_date"] = None
    (tmp_path / "fields.geojson").write_text(json.dumps(whole))
    code, out, err = hydro("fields", "put", "demo", "fields.geojson")
    assert code == 0
    said = out.splitlines()
    assert said[0].startswith("F01 replaces F01 of fields.geojson: planting date 2024-")
    assert said[0].endswith(" -> 2024-04-03; 1 rows will be made anew")
    assert said[1].endswith("is taken away; 0 rows will be dropped")  # while F02 cannot be read
    assert said[2] == "fields.geojson: 4 fields, 1 left out"
    assert "(field_id 'F02') has no planting_date" in err
    for command in ("status", "fields list"):
        assert "(field_id 'F02') has no planting_date" in hydro(*command.split(), "demo")[2]
    (tmp_path / "fields.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    code, _, err = hydro("fields", "put", "demo", "fields.geojson")
    assert (code, "would replace a file with 4 fields" in err) == (1, True)
    assert hydro("fields", "put", "demo", "fields.geojson", "--force")[0] == 0


def test_an_odd_area_is_named(hydro, demo_area, season, tmp_path):
    bbox = ",".join(map(str, season.bbox))
    code, _, err = hydro("area", "set", "007", f"--bbox={bbox}")
    assert (code, "area name '007'" in err) == (1, True)
    folder = tmp_path / "hydro-data/inputs"
    (folder / "007").mkdir()
    (folder / "007/area.geojson").write_bytes((folder / "demo/area.geojson").read_bytes())
    for command in ("status", "fields list", "fields put"):
        files = ["fields.geojson"] if command.endswith("put") else []
        code, _, err = hydro(*command.split(), "007", *files)
        assert (code, "take this name for a number" in err) == (0, True)


def test_status_tells_of_an_area_that_was_replaced(hydro, demo_area, season, tmp_path):
    hydro("run", "demo", "--from", "2024-04-01", "--to", "2024-04-01")
    west, south, east, north = season.bbox
    moved = Area.from_bbox("demo", (west + 0.01, south, east + 0.01, north))
    (tmp_path / "hydro-data/inputs/demo/area.geojson").write_bytes(moved.to_geojson())
    code, _, err = hydro("status", "demo")
    assert (code, "the area demo was replaced" in err) == (0, True)
    for arguments in (["stats", "demo"], ["catch-up", "demo"], ["export", "demo", "--format", "csv",
                      "x.csv"]):  # fmt: skip
        code, _, err = hydro(*arguments)
        assert (code, "the area demo was replaced" in err) == (1, True)
