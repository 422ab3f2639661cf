"""The assets through Dagster: range runs, failures, retries, what the UI is told."""

import base64
import datetime as dt
import os
import re
import signal
from contextlib import closing

import dagster as dg
import pytest

from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.launch import materialize
from hydro_pipeline.defs.names import AREA_TAG, RETRIES_TAG, key, range_tags
from hydro_pipeline.errors import (
    HydroError,
    InputError,
    MissingDayError,
    SceneGoneError,
    SceneReadError,
    StoreUnavailableError,
)
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import put_late_fields, set_up

COMPOSITE, STATS = key("farm", "composite"), key("farm", "field_stats")


@pytest.fixture
def pipeline(season, tmp_path):
    return set_up(season, tmp_path / "root")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr("hydro_pipeline.defs.steps.RETRY_WAIT_S", 0.0)


def day(season, n):
    return season.first_day + dt.timedelta(n)


def run(pipeline, instance, first, last, assets=(COMPOSITE, STATS), **tags):
    return (
        build_defs(pipeline, ["farm"])
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            asset_selection=list(assets),
            tags={**range_tags(first, last), AREA_TAG: "farm", **tags},
            raise_on_error=False,
        )
    )


def shown(instance, asset, day):
    """Plain metadata of a day's latest materialization."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset, asset_partitions=[str(day)]), limit=1
    ).records
    if not records:
        return None
    return {k: v.value for k, v in records[0].asset_materialization.metadata.items()}


def failing_once(pipeline, monkeypatch, bad_day, error):
    """Makes the first attempt at `bad_day` fail; returns the list of all calls."""
    real, calls = pipeline.ingest_days, []

    def ingest_days(name, days, **options):
        calls.append((list(days), options))
        with closing(real(name, days, **options)) as reports:
            for report in reports:
                yield report
                if len(calls) == 1 and report.day == bad_day - dt.timedelta(1):
                    raise error

    monkeypatch.setattr(pipeline, "ingest_days", ingest_days)
    return calls


def test_range_run_makes_every_day_and_tells_of_each(season, pipeline, instance):
    assert run(pipeline, instance, day(season, 0), day(season, 5)).success
    for n in range(6):
        told = shown(instance, COMPOSITE, day(season, n))
        assert told["outcome"] in ("observed", "all cloud", "no scene")
        assert 0 <= told["observed share"] <= told["valid share"] <= 1
        assert told["scenes as used"].endswith(f"scenes/farm/{day(season, n)}.json")
        uri = re.fullmatch(r"!\[\]\((data:image/png;base64,(.*))\)", told["NDVI, large"])
        assert len(uri[1]) <= 60_000
        assert base64.b64decode(uri[2]).startswith(b"\x89PNG")
        assert len(told["NDVI"]) < 1000
        assert shown(instance, STATS, day(season, n))["fields planted"] == 5
    last = shown(instance, STATS, day(season, 5))
    assert last["run: rows computed"] == 5 * 6
    means = [record.data["ndvi_mean"] for record in last["best fields"].records]
    assert len(means) == 5
    assert means == sorted(means, reverse=True)
    assert last["series"].startswith("![](data:image/png;base64,")


def test_checks_pass_and_block(season, pipeline, instance):
    result = run(pipeline, instance, day(season, 0), day(season, 5))
    passed = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert passed == dict.fromkeys(
        ["carried_forward", "values_in_range", "valid_share_kept", "scenes_recorded",
         "scenes_offered", "scenes_usable", "statistics_complete"], True
    )  # fmt: skip


def test_day_without_the_day_before_fails_with_what_to_run(season, pipeline, instance):
    assert run(pipeline, instance, day(season, 0), day(season, 0)).success
    result = run(pipeline, instance, day(season, 3), day(season, 4))
    [failure] = result.filter_events(lambda e: e.is_step_failure)
    said = failure.step_failure_data.user_failure_data.description
    assert "hydro run farm --from" in said
    assert "\n" not in said
    assert shown(instance, COMPOSITE, day(season, 3)) is None
    assert pipeline.open("farm").cube.last_day == day(season, 0)


def test_retryable_error_is_tried_again_after_the_last_committed_day(
    season, pipeline, instance, monkeypatch, no_wait
):
    calls = failing_once(pipeline, monkeypatch, day(season, 3), SceneReadError("scene x: reset"))
    result = run(pipeline, instance, day(season, 0), day(season, 5))
    assert result.success
    assert [options["resume"] for _, options in calls] == [False, True]
    assert len({options["run_id"] for _, options in calls}) == 1
    revisions = pipeline.open("farm").cube.revisions
    assert set(revisions.values()) == {1}
    assert all("NDVI" in shown(instance, COMPOSITE, day(season, n)) for n in range(6))


def test_days_stored_before_a_failure_are_recorded_and_a_new_run_continues(
    season, pipeline, instance, monkeypatch
):
    failing_once(pipeline, monkeypatch, day(season, 3), MissingDayError("nothing helps"))
    result = run(pipeline, instance, day(season, 0), day(season, 5))
    assert not result.success
    assert [shown(instance, COMPOSITE, day(season, n)) is not None for n in range(6)] == (
        [True] * 3 + [False] * 3
    )
    assert run(pipeline, instance, day(season, 3), day(season, 5)).success


@pytest.mark.parametrize("error", [InputError("mend it"), SceneGoneError("scene x: 404")])
def test_error_that_a_retry_cannot_help_is_not_tried_again(
    season, pipeline, instance, monkeypatch, no_wait, error
):
    calls = failing_once(pipeline, monkeypatch, day(season, 1), error)
    assert not run(pipeline, instance, day(season, 0), day(season, 1)).success
    assert len(calls) == 1


def test_retries_end(season, pipeline, instance, monkeypatch, no_wait):
    def ingest_days(*_args, **_options):
        raise StoreUnavailableError("the store is down")
        yield

    monkeypatch.setattr(pipeline, "ingest_days", ingest_days)
    result = run(pipeline, instance, day(season, 0), day(season, 1), **{RETRIES_TAG: "2"})
    assert len(result.filter_events(lambda e: e.is_step_up_for_retry)) == 2
    [failure] = result.filter_events(lambda e: e.is_step_failure)
    assert failure.step_failure_data.user_failure_data.description == "the store is down"


def test_statistics_alone_read_no_catalog_and_touch_no_composite(season, pipeline, instance):
    assert run(pipeline, instance, day(season, 0), day(season, 5)).success
    before = instance.get_latest_materialization_event(COMPOSITE)
    put_late_fields(pipeline, season)
    offline = Pipeline(Settings.load(root=pipeline.settings.root, catalog="/nowhere.json"))
    result = run(offline, instance, day(season, 0), day(season, 5), assets=[STATS])
    assert result.success
    assert instance.get_latest_materialization_event(COMPOSITE) == before
    planned = result.filter_events(
        lambda e: e.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    assert {e.asset_key for e in planned} <= {STATS}


def test_fields_are_observed_with_their_problems(season, pipeline, instance):
    pipeline.store.put("inputs/farm/fields/broken.geojson", b"{")
    job = build_defs(pipeline, ["farm"]).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[key("farm", "fields")])
    [observation] = result.get_asset_observation_events()
    told = observation.asset_observation_data.asset_observation.metadata
    assert told["fields"].value == 5
    assert told["problems"].value == 1
    assert "broken.geojson" in told["what is wrong"].value


def test_launch_hands_over_each_report_and_raises_the_error_itself(season, pipeline):
    seen = []
    materialize("farm", day(season, 0), day(season, 2), "all", seen.append, pipeline.settings)
    assert [type(r).__name__ for r in seen] == ["DayReport"] * 3 + ["StatsReport"] * 3
    with pytest.raises(MissingDayError, match="hydro run farm"):
        materialize("farm", day(season, 7), day(season, 8), settings=pipeline.settings)


def test_launch_tells_of_a_check_that_blocks(season, pipeline, monkeypatch):
    monkeypatch.setattr("hydro_pipeline.usecases.quality.unlawful", lambda *_: ["wrong"])
    with pytest.raises(HydroError, match="carried_forward"):
        materialize("farm", day(season, 0), day(season, 0), settings=pipeline.settings)


def test_launch_stops_on_ctrl_c_and_keeps_what_is_done(season, pipeline, tmp_path, monkeypatch):
    def interrupt(report):
        if report.day == day(season, 1):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        materialize("farm", day(season, 0), day(season, 5), "all", interrupt, pipeline.settings)
    assert pipeline.open("farm").cube.last_day == day(season, 1)
    with dg.DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.FAILURE
        made = instance.fetch_materializations(COMPOSITE, limit=9).records
        assert [r.partition_key for r in made] == [str(day(season, n)) for n in (1, 0)]
    materialize("farm", day(season, 2), day(season, 3), settings=pipeline.settings)


@pytest.mark.parametrize("days", [("2014-01-01", "2024-04-01"), ("2024-04-02", "2999-01-01")])
def test_launch_refuses_days_that_cannot_be(pipeline, days):
    with pytest.raises(InputError, match="must lie within"):
        materialize("farm", *map(dt.date.fromisoformat, days), settings=pipeline.settings)


def test_launch_refuses_a_reversed_range(season, pipeline):
    with pytest.raises(InputError, match="is after"):
        materialize("farm", day(season, 2), day(season, 1), settings=pipeline.settings)


def test_partitions_begin_with_the_cube(season, pipeline):
    def first_partition():
        composite = build_defs(pipeline, ["farm"]).resolve_assets_def(COMPOSITE)
        return composite.partitions_def.get_first_partition_key()

    assert first_partition() == "2015-07-01"
    list(pipeline.ingest_days("farm", [day(season, 2)]))
    assert first_partition() == str(day(season, 2))
