"""What the schedule and the sensors ask for, and when they wait."""

import datetime as dt
import json
import shutil

import dagster as dg
import obstore
import pytest

from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.names import RANGE_END_TAG, RANGE_START_TAG
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.scenes.missing import read_missing
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import days_of, pixels, run, set_up
from tests.support.dagster_runs import add_run, fail

NOW = dt.datetime(2024, 4, 8, 12, tzinfo=dt.UTC)


def set_up_with_catalog(season, folder):
    """A pipeline on the season's area and fields, with a copy of its catalog in `folder`."""
    shutil.copytree(season.directory, folder / "season")
    catalog = folder / "season" / "items.json"
    return set_up(season, folder / "root", catalog=str(catalog))


@pytest.fixture
def pipeline(season, tmp_path):
    return set_up_with_catalog(season, tmp_path)


@pytest.fixture
def catalog(tmp_path):
    """The catalog's file, that a test may change."""
    return tmp_path / "season" / "items.json"


@pytest.fixture(scope="module")
def first_days(season):
    return days_of(season)[:5]


@pytest.fixture(scope="module")
def root_of_first_days(season, tmp_path_factory, first_days):
    folder = tmp_path_factory.mktemp("first_days")
    pipeline = set_up_with_catalog(season, folder)
    run(pipeline, first_days)
    return folder / "root"


@pytest.fixture
def made(pipeline, root_of_first_days, first_days):
    """The first five days are in the cube, with their statistics."""
    shutil.copytree(root_of_first_days, pipeline.settings.root, dirs_exist_ok=True)
    return first_days


def tick_daily(pipeline, instance, now=NOW, area="farm"):
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=now, resources={"pipeline": pipeline}
    )
    schedule = build_defs(pipeline, [area]).resolve_schedule_def(f"{area}_daily")
    return schedule.evaluate_tick(context)


def tick(pipeline, instance, name, cursor=None):
    context = dg.build_sensor_context(instance, cursor, resources={"pipeline": pipeline})
    return build_defs(pipeline, ["farm"]).resolve_sensor_def(f"farm_{name}").evaluate_tick(context)


def asked(result):
    """Ranges of days that the tick asked for."""
    return [(r.tags[RANGE_START_TAG], r.tags[RANGE_END_TAG]) for r in result.run_requests or []]


def test_daily_asks_for_the_days_after_the_cube_up_to_the_last_one_due(pipeline, instance, made):
    assert asked(tick_daily(pipeline, instance)) == [("2024-04-06", "2024-04-06")]
    late = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    assert asked(tick_daily(pipeline, instance, late)) == [("2024-04-06", "2024-05-06")]


def test_daily_says_why_it_asks_for_nothing(pipeline, instance, made):
    result = tick_daily(pipeline, instance, NOW - dt.timedelta(1))
    assert not asked(result)
    assert "complete" in result.skip_message


def test_daily_of_an_empty_area_waits_for_a_start_date(pipeline, instance):
    assert "HYDRO_START_DATE" in tick_daily(pipeline, instance).skip_message
    started = Pipeline(pipeline.settings.model_copy(update={"start_date": dt.date(2024, 4, 1)}))
    assert asked(tick_daily(started, instance)) == [("2024-04-01", "2024-04-06")]


@pytest.mark.parametrize("status", ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
@pytest.mark.parametrize(("asset", "job"), [("composite", "__ASSET_JOB"), (None, "farm_days")])
def test_daily_never_asks_while_a_composite_run_is_active(
    pipeline, instance, made, status, asset, job
):
    add_run(instance, dg.DagsterRunStatus[status], asset, job=job)
    result = tick_daily(pipeline, instance)
    assert not asked(result)
    assert "is making days of farm" in result.skip_message


@pytest.mark.parametrize(
    "other",
    [
        {"status": dg.DagsterRunStatus.SUCCESS},
        {"status": dg.DagsterRunStatus.STARTED, "asset": "field_stats"},
        {"status": dg.DagsterRunStatus.STARTED, "area": "other"},
        {"status": dg.DagsterRunStatus.STARTED, "asset": None, "job": "other_days"},
    ],
)
def test_daily_does_not_wait_for_other_runs(pipeline, instance, made, other):
    add_run(instance, **other)
    assert asked(tick_daily(pipeline, instance)) == [("2024-04-06", "2024-04-06")]


def test_daily_waits_for_the_retry_of_a_killed_run(pipeline, instance, made):
    run = add_run(instance, dg.DagsterRunStatus.FAILURE, **{"dagster/will_retry": "true"})
    assert "is making days" in tick_daily(pipeline, instance).skip_message
    instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    assert asked(tick_daily(pipeline, instance))


def test_daily_waits_after_a_failure(pipeline, instance, made):
    ended = fail(instance, dt.date(2024, 4, 6))
    now = NOW.replace(year=ended.year + 1)
    assert asked(tick_daily(pipeline, instance, now))
    pipeline_now = ended + dt.timedelta(seconds=1)
    assert "trying again at" in tick_daily(pipeline, instance, pipeline_now).skip_message


def test_late_fields_asks_for_one_run_over_all_stale_days(season, pipeline, instance, made):
    assert not asked(tick(pipeline, instance, "late_fields"))
    late = json.loads(season.late_fields_geojson)
    late["features"][0]["properties"]["planting_date"] = str(made[2])
    put_fields(pipeline.store, season.area("farm"), "late.geojson", json.dumps(late).encode())
    result = tick(pipeline, instance, "late_fields")
    assert asked(result) == [(str(made[2]), str(made[4]))]
    assert result.run_requests[0].run_key is None
    assert asked(tick(pipeline, instance, "late_fields", result.cursor)) == asked(result)


def test_late_fields_observes_the_fields_once(pipeline, instance, made):
    first = tick(pipeline, instance, "late_fields")
    [observation] = first.asset_events
    assert observation.metadata["fields"].value == 5
    put_fields(pipeline.store, pipeline.area("farm"), "none.geojson",
        b'{"type": "FeatureCollection", "features": []}')  # fmt: skip
    second = tick(pipeline, instance, "late_fields", first.cursor)
    assert second.cursor != first.cursor


def test_late_fields_costs_three_requests_while_nothing_changes(
    pipeline, instance, made, monkeypatch
):
    assert "no day is stale" in tick(pipeline, instance, "late_fields").skip_message
    requests = []
    for name in ("get", "head", "list", "list_with_delimiter", "put"):
        request = getattr(obstore, name)
        counted = lambda *a, _name=name, _request=request, **k: (  # noqa: E731
            requests.append(_name) or _request(*a, **k)
        )
        monkeypatch.setattr(obstore, name, counted)
    assert "nothing changed" in tick(pipeline, instance, "late_fields").skip_message
    assert len(requests) == 3, requests


def test_late_fields_waits_for_a_running_one_and_after_a_failure(pipeline, instance, made):
    pipeline.store.delete(f"field_stats/area=farm/date={made[1]}/part-0.parquet")
    pipeline.store.put("inputs/farm/fields/fields.geojson",
        pipeline.store.get("inputs/farm/fields/fields.geojson"))  # fmt: skip
    assert asked(tick(pipeline, instance, "late_fields")) == [(str(made[1]), str(made[1]))]
    fail(instance, made[1], "farm_late_fields")
    assert "trying again" in tick(pipeline, instance, "late_fields").skip_message
    add_run(instance, dg.DagsterRunStatus.QUEUED, "field_stats")
    assert "is making statistics" in tick(pipeline, instance, "late_fields").skip_message


def lookback(pipeline, first_day):
    days = (dt.datetime.now(dt.UTC).date() - first_day).days + 2
    settings = pipeline.settings.model_copy(update={"lookback_days": days})
    return Pipeline(settings)


def test_late_scenes_asks_for_the_days_whose_scenes_changed(pipeline, instance, made, catalog):
    pipeline = lookback(pipeline, made[0])
    assert "no scene is late" in tick(pipeline, instance, "late_scenes").skip_message
    document = json.loads(catalog.read_text())
    by_day = {}
    for feature in document["features"]:
        by_day.setdefault(feature["properties"]["datetime"][:10], []).append(feature)
    days = sorted(d for d in by_day if d <= str(made[-1]))
    for d in days[:2]:
        by_day[d][0]["properties"]["updated"] = "2030-01-01T00:00:00Z"
    catalog.write_text(json.dumps(document))
    result = tick(lookback(pipeline, made[0]), instance, "late_scenes")
    assert asked(result) == [(d, d) for d in days[:2]]
    first = dt.date.fromisoformat(days[0])
    list(pipeline_of(pipeline).ingest_days("farm", [first]))
    again = tick(lookback(pipeline, made[0]), instance, "late_scenes")
    assert asked(again) == [(days[1], days[1])]


@pytest.mark.parametrize("offer", [lambda features: [], lambda features: features[::2]])
def test_late_scenes_shows_what_is_missing_and_asks_for_nothing(
    pipeline, instance, made, catalog, root_of_first_days, offer
):
    before = pixels(pipeline)
    document = json.loads(catalog.read_text())
    document["features"] = offer(document["features"])
    catalog.write_text(json.dumps(document))
    result = tick(lookback(pipeline, made[0]), instance, "late_scenes")
    assert not asked(result)
    missing = read_missing(pipeline.store, "farm")
    assert len(missing) > 0
    assert f"{len(missing)} in use are missing from the catalog" in result.skip_message
    recorded = {"trusted": (str(root_of_first_days.parent),)}
    run(Pipeline(pipeline.settings.model_copy(update=recorded)), made)
    assert pixels(pipeline) == before


def pipeline_of(pipeline):
    """The same pipeline with nothing remembered."""
    return Pipeline(pipeline.settings)


def test_late_scenes_is_off_and_waits_when_told(pipeline, instance, made, catalog):
    document = json.loads(catalog.read_text())
    for feature in document["features"]:
        feature["properties"]["updated"] = "2030-01-01T00:00:00Z"
    catalog.write_text(json.dumps(document))
    off = Pipeline(pipeline.settings.model_copy(update={"lookback_days": 0}))
    assert "no scene is late" in tick(off, instance, "late_scenes").skip_message
    pipeline = lookback(pipeline, made[0])
    [(first, _), *_] = asked(tick(pipeline, instance, "late_scenes"))
    fail(instance, dt.date.fromisoformat(first), "farm_late_scenes")
    assert (first, first) not in asked(tick(pipeline, instance, "late_scenes"))
    add_run(instance, dg.DagsterRunStatus.STARTED)
    assert "is making days" in tick(pipeline, instance, "late_scenes").skip_message
