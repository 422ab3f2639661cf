"""The checks find what they are for."""

import datetime as dt
import json

import dagster as dg
import icechunk
import numpy as np
import pytest
import zarr

from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.names import key, range_tags
from hydro_pipeline.grid import Window
from hydro_pipeline.usecases import quality
from tests.support.areas import days_of, put_late_fields, run, set_up

DAYS = 5


@pytest.fixture
def pipeline(season, tmp_path):
    pipeline = set_up(season, tmp_path / "root")
    run(pipeline, days_of(season)[:DAYS])
    return pipeline


def tamper(pipeline, name, index, value):
    """Write into the stored cube behind the pipeline's back."""
    repository = icechunk.Repository.open(pipeline.store.icechunk_storage("cubes/farm"))
    session = repository.writable_session("main")
    zarr.open_group(session.store)[name][index] = value
    session.commit("tampered")
    return pipeline.open("farm").cube


def findings(pipeline, cube):
    days, state = cube.days, pipeline.open("farm")
    found = {
        "unlawful": quality.unlawful(cube, days),
        "out_of_range": quality.out_of_range(cube, days),
        "sudden_losses": quality.sudden_losses(cube, days),
        "unrecorded": quality.unrecorded(state, days),
        "stale": quality.stale(state, days),
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def test_nothing_is_found_where_nothing_is_wrong(pipeline):
    assert findings(pipeline, pipeline.open("farm").cube) == {}


def test_pixels_that_are_neither_observed_nor_carried_are_found(pipeline):
    cube = pipeline.open("farm").cube
    carried = int(np.argmin(cube.daily("observed_fraction")[1:])) + 1
    found = findings(pipeline, tamper(pipeline, "ndvi", carried, 1234))
    assert found.keys() == {"unlawful"}
    assert found["unlawful"][0].startswith(str(cube.days[carried]))


def test_impossible_values_are_found(pipeline):
    assert "out_of_range" in findings(pipeline, tamper(pipeline, "ndvi", DAYS - 1, 10_001))


def test_observation_in_the_future_is_found(pipeline):
    assert "out_of_range" in findings(pipeline, tamper(pipeline, "observed_on", 0, 32_000))


@pytest.mark.parametrize(("share", "found"), [(0.69, [3]), (0.71, [])])
def test_a_loss_of_more_than_a_tenth_of_the_valid_pixels_is_found(pipeline, share, found):
    tamper(pipeline, "valid_fraction", slice(0, DAYS), [0.8, 0.8, 0.8, share, share])
    cube = pipeline.open("farm").cube
    lines = [f"{cube.days[i]}: valid share fell from 80% to {share:.0%}" for i in found]
    assert quality.sudden_losses(cube, cube.days) == lines


def test_missing_and_other_records_of_scenes_are_found(pipeline):
    cube = pipeline.open("farm").cube
    pipeline.store.delete(f"scenes/farm/{cube.days[1]}.json")
    key_of_first = f"scenes/farm/{cube.days[0]}.json"
    record = json.loads(pipeline.store.get(key_of_first))
    record["hydro:used"].append({"id": "another"})
    pipeline.store.put(key_of_first, json.dumps(record).encode())
    found = findings(pipeline, cube)
    assert [line[:10] for line in found["unrecorded"]] == [str(d) for d in cube.days[:2]]


def test_days_with_stale_rows_are_found(season, pipeline):
    put_late_fields(pipeline, season)
    late = pipeline.open("farm").fields.fields
    planted = max(f.planting_date for f in late)
    cube = pipeline.open("farm").cube
    expected = [str(d) for d in cube.days if d >= planted]
    assert [line[:10] for line in findings(pipeline, cube).get("stale", [])] == expected


def test_sample_is_spread_over_the_days_and_over_the_grid(pipeline):
    days = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(365)]
    sample = quality.sample_days(days)
    assert (sample[0], sample[-1], len(sample)) == (days[0], days[-1], 8)
    assert quality.sample_days(days[:3]) == days[:3]
    cube = pipeline.open("farm").cube
    for day in days[:20]:
        window = quality.sample_window(cube, day)
        assert window.shape == (64, 64)
        assert len(cube.tiling.under(window)) == 1
        assert window & Window.whole(cube.shape) == window


def test_wrong_composite_blocks_the_statistics_of_its_run(season, pipeline, monkeypatch):
    monkeypatch.setattr(quality, "unlawful", lambda cube, days: [f"{days[0]}: wrong"])
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(pipeline, ["farm"])
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                asset_selection=[key("farm", "composite"), key("farm", "field_stats")],
                tags=range_tags(season.first_day, season.first_day),
                raise_on_error=False,
            )
        )
    assert not result.success
    made = {e.asset_key for e in result.get_asset_materialization_events()}
    assert made == {key("farm", "composite")}


def test_a_broken_fields_file_has_one_answer(season, pipeline):
    """Rows of its fields are neither missing nor unwanted; those of other fields can be stale."""
    put_late_fields(pipeline, season)
    days = pipeline.open("farm").cube.days
    list(pipeline.update_field_stats("farm", days))
    pipeline.store.put("inputs/farm/fields/late.geojson", b"{")
    state = pipeline.open("farm")
    assert not state.fields.complete
    assert state.stale_days() == []
    assert quality.stale(state, days) == []
    pipeline.store.delete(f"field_stats/area=farm/date={days[2]}/part-0.parquet")
    assert state.stale_days() == [days[2]]
    assert quality.stale(state, days) == [f"{days[2]}: some rows are missing or out of date"]
