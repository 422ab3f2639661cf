"""Whatever is damaged of a cube is named, told by status, and mended bit for bit."""

import datetime as dt
import json
import shutil
from pathlib import Path

import icechunk
import pytest
import zarr
from typer.testing import CliRunner

from hydro_pipeline.cli.main import app
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.cube.restore import go_back
from hydro_pipeline.errors import DamagedCubeError, StoreAccessError
from hydro_pipeline.outputs.exports import Export, Format
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.report.page import write_report
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.stats.table import _encode, read_day
from hydro_pipeline.storage.notes import Step
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.late_scenes import changed_days
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.repair import repair
from hydro_pipeline.usecases.status import status
from hydro_pipeline.usecases.verify import noted, verify
from tests.support.areas import AREA, days_of, pixels, put_late_fields, run, set_up, table
from tests.support.buckets import make_bucket
from tests.support.damage import KINDS, harm, objects
from tests.support.product import SCHEMA

DAYS = 5
CHUNKS, MANIFESTS, SNAPSHOTS = (f"cubes/{AREA}/{n}" for n in ("chunks", "manifests", "snapshots"))


def content(pipeline):
    rows = [{k: v for k, v in row.items() if k != "cube_revision"} for row in table(pipeline)]
    return pixels(pipeline), rows


@pytest.fixture(scope="module")
def sound(season, tmp_path_factory):
    """The first days of the season and their rows, only to be read."""
    pipeline = set_up(season, tmp_path_factory.mktemp("sound"))
    run(pipeline, days_of(season)[:DAYS])
    return pipeline


@pytest.fixture(scope="module")
def expected(sound):
    return content(sound)


@pytest.fixture
def pipeline(sound, tmp_path):
    """The same, to be damaged."""
    shutil.copytree(sound.settings.root, tmp_path / "root")
    return Pipeline(sound.settings.model_copy(update={"root": str(tmp_path / "root")}))


def damaged(pipeline):
    """Days that are damaged, seen by someone who did not read the cube before."""
    pipeline = Pipeline(pipeline.settings)
    return [one.day for one in verify(pipeline.open(AREA), None, None) if one.damage]


def notes(pipeline):
    today = days_of_cube(pipeline)[-1]
    return [(n.day, n.step) for n in status(pipeline.open(AREA), today).notes]


def days_of_cube(pipeline):
    return Cube.open(pipeline.store, AREA).days


def is_sound(pipeline, expected):
    assert content(pipeline) == expected
    found = list(verify(pipeline.open(AREA), None, None))
    assert [(one.damage, one.remarks) for one in found] == [((), ())] * DAYS
    assert notes(pipeline) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_in_a_directory(pipeline, expected, kind):
    keys = objects(pipeline.store, CHUNKS)
    harm(pipeline.store, keys[len(keys) // 2], kind, keys[0])
    found = damaged(pipeline)
    reports = list(repair(pipeline, AREA, found[:1]))
    assert sorted({day for r in reports for day in (r.day, *r.refreshed)}) == found
    is_sound(pipeline, expected)


@pytest.mark.parametrize(
    "kind",
    ["lost", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "lost")],
)
def test_a_chunk_in_a_bucket(sound, s3_server, expected, kind):
    bucket = make_bucket(s3_server)
    settings = bucket.settings(catalog=sound.settings.catalog)
    pipeline = Pipeline(settings)
    for stored in sound.store.listing(""):
        if not stored.key.startswith(".locks"):
            pipeline.store.put(stored.key, sound.store.get(stored.key))
    keys = objects(sound.store, CHUNKS)
    harm(pipeline.store, keys[2], kind, keys[0])
    found = damaged(pipeline)
    assert found
    list(repair(pipeline, AREA, found[:1]))
    is_sound(pipeline, expected)


def test_the_error_names_area_day_array_and_chunk(pipeline):
    day = days_of_cube(pipeline)[0]
    for key in objects(pipeline.store, CHUNKS):
        pipeline.store.delete(key)
    with pytest.raises(DamagedCubeError) as caught:
        Cube.open(pipeline.store, AREA).read(day)
    assert caught.value.day == day
    assert not caught.value.retryable
    assert (
        f"cubes/{AREA}: ndvi of {day}, chunk 0/0, is lost; mend it: hydro repair {AREA} --day"
        in (str(caught.value))
    )


def test_a_run_that_meets_damage_leaves_a_note_until_it_is_mended(season, pipeline):
    last = days_of_cube(pipeline)[-1]
    for key in objects(pipeline.store, CHUNKS):
        harm(pipeline.store, key, "cut")
    with pytest.raises(DamagedCubeError):
        list(pipeline.ingest_days(AREA, [last + dt.timedelta(1)]))
    assert notes(pipeline) == [(last, Step.CUBE)]
    list(repair(pipeline, AREA, damaged(pipeline)))
    assert notes(pipeline) == []
    list(pipeline.ingest_days(AREA, [last + dt.timedelta(1)]))
    reference = set_up(season, pipeline.settings.root + "-reference")
    run(reference, days_of(season)[: DAYS + 1])
    assert pixels(pipeline) == pixels(reference)


def test_the_day_before_is_to_be_repaired_first(pipeline):
    days = days_of_cube(pipeline)
    for key in objects(pipeline.store, CHUNKS):
        pipeline.store.delete(key)
    before = content_of_history(pipeline)
    with pytest.raises(DamagedCubeError, match=f"hydro repair {AREA} --day {days[1]}"):
        list(repair(pipeline, AREA, [days[2]]))
    assert content_of_history(pipeline) == before


def content_of_history(pipeline):
    return [commit.id for commit in Cube.open(pipeline.store, AREA).history()]


def test_a_day_is_mended_without_its_record_from_the_catalog(pipeline, expected):
    day = days_of_cube(pipeline)[0]
    record = pipeline.store.get(f"scenes/{AREA}/{day}.json")
    pipeline.store.put(f"scenes/{AREA}/{day}.json", b"[" * 100_000)
    for key in objects(pipeline.store, CHUNKS):
        pipeline.store.delete(key)
    list(repair(pipeline, AREA, damaged(pipeline)))
    is_sound(pipeline, expected)
    assert len(pipeline.store.get(f"scenes/{AREA}/{day}.json")) == len(record)


def test_the_recorded_scenes_are_used_and_the_record_stays(pipeline, expected):
    records = [pipeline.store.get(f"scenes/{AREA}/{day}.json") for day in days_of_cube(pipeline)]
    for key in objects(pipeline.store, CHUNKS):
        pipeline.store.delete(key)
    known = (str(Path(pipeline.settings.catalog).parent),)
    offline = {"catalog": "/nowhere/items.json", "trusted": known}
    offline = pipeline.settings.model_copy(update=offline)
    list(repair(Pipeline(offline), AREA, days_of_cube(pipeline)))
    is_sound(pipeline, expected)
    days = days_of_cube(pipeline)
    assert [pipeline.store.get(f"scenes/{AREA}/{day}.json") for day in days] == records


@pytest.mark.parametrize("folder", [MANIFESTS, SNAPSHOTS])
@pytest.mark.parametrize("kind", ["lost", "cut", "emptied"])
def test_what_says_where_the_pixels_are_is_gone_back_from(pipeline, expected, folder, kind):
    for key in objects(pipeline.store, folder)[-2:]:
        harm(pipeline.store, key, kind)
    with pytest.raises(DamagedCubeError, match=f"hydro repair {AREA}"):
        list(verify(pipeline.open(AREA), None, None))
    undone = go_back(pipeline.store, AREA)
    assert undone == days_of_season_end(undone)
    list(repair(pipeline, AREA, undone))
    is_sound(pipeline, expected)
    assert go_back(pipeline.store, AREA) == []


def days_of_season_end(days):
    return [days[-1] - dt.timedelta(n) for n in reversed(range(len(days)))]


def test_nothing_is_gone_back_to_where_no_state_can_be_read(pipeline):
    for key in objects(pipeline.store, SNAPSHOTS):
        pipeline.store.delete(key)
    with pytest.raises(DamagedCubeError, match="bucket's versions"):
        go_back(pipeline.store, AREA)


@pytest.mark.slow
def test_a_late_scene_before_a_damaged_day_waits_until_that_is_mended(season, tmp_path):
    """The day whose pixels cannot be read is named; nothing is stored; then all is as it is."""
    every = days_of(season)
    late = late_day(season, tmp_path)
    reference = set_up(season, tmp_path / "reference")
    run(reference, every)
    catalog, known = str(without(season, tmp_path, late)), str(season.directory)
    pipeline = set_up(season, tmp_path / "root", catalog=catalog, trusted=known)
    run(pipeline, every)
    assert pixels(pipeline) != pixels(reference)
    index = every.index(late)
    victim = next(key for key in objects(pipeline.store, CHUNKS) if breaks(pipeline, key, index))
    pipeline.store.delete(victim)
    full = Pipeline(pipeline.settings.model_copy(update={"catalog": reference.settings.catalog}))
    with pytest.raises(DamagedCubeError) as caught:
        list(full.ingest_days(AREA, [late]))
    assert caught.value.day > late
    assert notes(pipeline) == [(caught.value.day, Step.CUBE)]
    list(repair(full, AREA, [caught.value.day]))
    run(full, [late])
    list(full.update_field_stats(AREA, every))
    assert content(full) == content(reference)


def late_day(season: Season, tmp_path) -> dt.date:
    items = json.loads((season.directory / "items.json").read_text())["features"]
    days = sorted({item["properties"]["datetime"][:10] for item in items})
    return dt.date.fromisoformat(days[1])


def without(season: Season, tmp_path, day: dt.date):
    document = json.loads((season.directory / "items.json").read_text())
    kept = [f for f in document["features"] if f["properties"]["datetime"][:10] != str(day)]
    for feature in kept:
        for asset in feature["assets"].values():
            asset["href"] = str((season.directory / asset["href"]).resolve())
    path = tmp_path / "without.json"
    path.write_text(json.dumps(document | {"features": kept}))
    return path


def breaks(pipeline, key, index) -> bool:
    """Whether a chunk is one of days after the day at `index`, and of none up to it."""
    data = pipeline.store.get(key)
    pipeline.store.delete(key)
    found = damaged(pipeline)
    pipeline.store.put(key, data)
    return bool(found) and days_of_cube(pipeline).index(found[0]) > index


def test_a_damaged_day_does_not_keep_other_days_from_their_rows(season, pipeline):
    days = days_of_cube(pipeline)
    keys = objects(pipeline.store, CHUNKS)
    pipeline.store.delete(keys[-1])
    bad = damaged(pipeline)
    assert 0 < len(bad) < DAYS
    put_late_fields(pipeline, season)
    late = max(f.planting_date for f in pipeline.open(AREA).fields.fields)
    with pytest.raises(DamagedCubeError):
        list(pipeline.update_field_stats(AREA, days))
    assert pipeline.open(AREA).stale_days() == [day for day in bad if day >= late]
    assert {day for day, _ in notes(pipeline)} <= set(bad)
    list(repair(pipeline, AREA, bad))
    assert pipeline.open(AREA).stale_days() == []
    assert notes(pipeline) == []


def test_rows_that_are_not_what_the_cube_gives_are_found_and_mended(pipeline, expected):
    """Hash and revision say nothing of a value that changed."""
    day = days_of_cube(pipeline)[2]
    rows = read_day(pipeline.store, AREA, day, SCHEMA).rows
    at = rows.column_names.index("ndvi_mean")
    first = rows["ndvi_mean"].to_pylist()
    wrong = rows.set_column(at, rows.schema.field(at), [[first[0] + 0.01, *first[1:]]])
    pipeline.store.put(f"field_stats/area={AREA}/date={day}/part-0.parquet", _encode(wrong))
    assert pipeline.open(AREA).stale_days() == []
    (found,) = (one for one in verify(pipeline.open(AREA), None, None) if one.damage)
    assert found.day == day
    assert found.damage == ("1 of its rows are not what the cube gives: F01",)
    list(repair(pipeline, AREA, [day]))
    is_sound(pipeline, expected)


@pytest.mark.parametrize(("more", "wrong"), [(1e-6, 0), (5e-6, 1)])
def test_a_sum_of_another_machine_may_differ_in_the_sixth_decimal(pipeline, more, wrong):
    day = days_of_cube(pipeline)[2]
    rows = read_day(pipeline.store, AREA, day, SCHEMA).rows
    at = rows.column_names.index("ndvi_mean")
    first = rows["ndvi_mean"].to_pylist()
    other = rows.set_column(at, rows.schema.field(at), [[first[0] + more, *first[1:]]])
    pipeline.store.put(f"field_stats/area={AREA}/date={day}/part-0.parquet", _encode(other))
    (found,) = verify(pipeline.open(AREA), day, day)
    assert len(found.damage) == wrong


def test_pixels_that_decode_but_are_others_are_found(pipeline, expected):
    """As of a chunk that another one replaced whole, or of a cube without checksums."""
    repository = icechunk.Repository.open(pipeline.store.icechunk_storage(f"cubes/{AREA}"))
    session = repository.writable_session("main")
    array = zarr.open_group(session.store)["ndvi"]
    array[3] = array[0]
    session.commit("tampered")
    day = days_of_cube(pipeline)[3]
    assert day in damaged(pipeline)
    list(repair(pipeline, AREA, damaged(pipeline)))
    is_sound(pipeline, expected)


def test_a_sample_reads_only_so_many_days(pipeline):
    days = days_of_cube(pipeline)
    found = [one.day for one in verify(pipeline.open(AREA), days[1], None, 3)]
    assert found == [days[1], days[3], days[4]]


def test_the_commands(pipeline, expected, monkeypatch):
    monkeypatch.setenv("HYDRO_ROOT", pipeline.settings.root)
    monkeypatch.setenv("HYDRO_CATALOG", pipeline.settings.catalog)
    command = CliRunner()
    sound = command.invoke(app, ["verify", AREA])
    assert sound.exit_code == 0
    assert sound.stdout == f"area {AREA}: {DAYS} days read, none damaged\n"
    harm(pipeline.store, objects(pipeline.store, CHUNKS)[1], "flipped")
    broken = command.invoke(app, ["verify", AREA])
    assert broken.exit_code == 1
    assert f"damaged: hydro repair {AREA}" in broken.stdout
    assert {step for _, step in notes(pipeline)} == {Step.CUBE}
    told = command.invoke(app, ["status", AREA])
    assert "is damaged" in told.stderr
    assert "chunk 0/0, is not what was written" in told.stderr
    mended = command.invoke(app, ["repair", AREA])
    assert mended.exit_code == 0
    assert "days repaired" in mended.stdout
    is_sound(pipeline, expected)
    assert command.invoke(app, ["repair", AREA]).stdout == f"area {AREA}: nothing is damaged\n"
    harm(pipeline.store, objects(pipeline.store, SNAPSHOTS)[-1], "lost")
    assert command.invoke(app, ["repair", AREA]).exit_code == 0
    is_sound(pipeline, expected)


def test_verifying_needs_no_right_to_write(pipeline, monkeypatch):
    def refuse(*_):
        raise StoreAccessError("access refused")

    harm(pipeline.store, objects(pipeline.store, CHUNKS)[0], "cut")
    monkeypatch.setattr(Store, "put", refuse)
    monkeypatch.setattr(Store, "delete", refuse)
    state = pipeline.open(AREA)
    found = list(verify(state, None, None))
    for one in found:
        noted(state, one)
    assert any(one.damage for one in found)


def test_readers_leave_damaged_days_out_and_name_them(pipeline, tmp_path):
    """The page and the catalog have the other days; an export says which day it lacks."""
    pipeline.store.delete(objects(pipeline.store, CHUNKS)[0])
    bad = damaged(pipeline)
    state = pipeline.open(AREA)
    assert state.cube.daily("observed_fraction")[state.cube.index(bad[0])] > 0
    assert 0 < len(bad) < DAYS
    page = write_report(state, tmp_path / "page.html")
    assert page.warnings >= 1
    assert f"of {bad[0]}, chunk 0/0, is lost" in (tmp_path / "page.html").read_text()
    with pytest.raises(DamagedCubeError, match=f"of {bad[0]}"):
        list(Publication(state).publish(None, None))
    published = {o.key.split("/")[2] for o in pipeline.store.listing(f"stac/{AREA}")}
    assert published == {"collection.json", *(str(d) for d in state.cube.days if d not in bad)}
    with pytest.raises(DamagedCubeError, match=f"of ({'|'.join(map(str, bad))})"):
        Export(state).write(Format.NETCDF, tmp_path / "cube.nc")


@pytest.mark.parametrize("text", [b"{}", b"[" * 100_000, b"\xff\xfe", b'{"hydro:used": [1]}', b""])
def test_a_broken_record_stops_nothing_else(pipeline, tmp_path, text):
    days = days_of_cube(pipeline)
    pipeline.store.put(f"scenes/{AREA}/{days[1]}.json", text)
    pipeline.store.put(f"settled/{AREA}.json", text)
    pipeline.store.put(f"reports/{AREA}/frames.json", text)
    pipeline.store.put(f"weights/{AREA}.arrow", text)
    pipeline.store.put(f"stac/{AREA}/{days[0]}/{AREA}_{days[0]}.json", text)
    (pipeline.store.backend._path / f"field_stats/area={AREA}/date=tomorrow").mkdir()
    state = pipeline.open(AREA)
    found = {one.day: one for one in verify(state, None, None)}
    assert [day for day, one in found.items() if one.remarks] == [days[1]]
    assert f"{days[1]}.json is not the record of a day" in found[days[1]].remarks[0]
    assert not pipeline.settled(AREA)
    now = dt.datetime.combine(days[-1], dt.time(12), dt.UTC)
    assert list(changed_days(state, now)) == [days[1]]
    with pytest.warns(UserWarning, match="not the record of a day"):
        write_report(state, tmp_path / "page.html")
    assert list(Publication(state).publish(days[0], days[0])) == [days[0]]
    list(pipeline.ingest_days(AREA, [days[1]], run_id="again", resume=True))
    assert state.record(days[1])["hydro:date"] == str(days[1])
    assert list(changed_days(state, now)) == []
