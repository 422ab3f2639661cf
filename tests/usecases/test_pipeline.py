"""The use cases on a simulated season whose true NDVI is known."""

import datetime as dt
import json
import random

import numpy as np
import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import AreaError, CubeMeaningError, MissingDayError, SceneGoneError
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.grid import Window
from hydro_pipeline.product import NODATA
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of, pixels, put_late_fields, run, set_up, stored, table


@pytest.fixture(scope="module")
def made(season, tmp_path_factory):
    """The whole season in one run."""
    pipeline = set_up(season, tmp_path_factory.mktemp("made"))
    run(pipeline, days_of(season))
    return pipeline


def test_the_composite_is_the_truth_where_it_was_seen(season, made):
    cube = Cube.open(made.store, "farm")
    errors = []
    for n, day in enumerate(cube.days):
        (ndvi,), on = cube.read(day)
        seen = on == (day - dt.date(1970, 1, 1)).days
        errors.append(np.abs(ndvi[seen] * 1e-4 - season.truth(day)[seen]))
        assert (ndvi[on == NODATA] == NODATA).all()
        assert n > 0 or seen.any()
    every = np.concatenate(errors)
    assert every.size > 10_000
    assert np.median(every) < 0.001
    assert np.quantile(every, 0.99) < 0.02


def test_days_one_by_one_equal_one_run(season, made, tmp_path):
    pipeline = set_up(season, tmp_path)
    for day in days_of(season):
        run(pipeline, [day])
    assert pixels(pipeline) == pixels(made)
    assert table(pipeline) == table(made)


def test_a_live_catalog_equals_a_static_one(season, made, tmp_path):
    with StandIn(season.directory) as earth_search:
        pipeline = set_up(season, tmp_path, catalog=earth_search.url)
        run(pipeline, days_of(season))
    assert pixels(pipeline) == pixels(made)
    assert table(pipeline) == table(made)


def test_parts_of_an_area_equal_the_whole(season, made, tmp_path):
    """A pixel's value does not depend on the bounding box that it was asked for with."""
    area = season.area("farm")
    west, south, east, north = area.bbox
    middle = (west + east) / 2
    settings = made.settings.model_copy(update={"root": str(tmp_path)})
    pipeline = Pipeline(settings)
    cube = Cube.open(made.store, "farm")
    for name, bbox in (
        ("left", (west, south, middle, north)),
        ("right", (middle, south, east, north)),
    ):
        part = Area.from_bbox(name, bbox, area.crs)
        pipeline.put_area(part)
        for _ in pipeline.ingest_days(name, days_of(season)):
            pass
        row = round((area.grid.transform.f - part.grid.transform.f) / 10)
        col = round((part.grid.transform.c - area.grid.transform.c) / 10)
        height, width = part.grid.shape
        assert row >= 0
        assert col >= 0
        window = Window(row, col, height, width) & Window.whole(cube.shape)
        mine = Window.whole(window.shape)
        half = Cube.open(pipeline.store, name)
        for day in cube.days:
            for ours, theirs in zip(half.read(day, mine), cube.read(day, window), strict=True):
                assert np.array_equal(ours, theirs)


def test_late_fields_in_any_order_equal_fields_on_time(season, tmp_path):
    """Ten orders of arrival, with edits that are edited back: the same table, bit for bit."""
    features = json.loads(season.fields_geojson)["features"]
    features += json.loads(season.late_fields_geojson)["features"]

    def file(feature):
        return json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()

    def name(feature):
        return f"{feature['properties']['field_id']}.geojson"

    pipeline = set_up(season, tmp_path)
    area, days = season.area("farm"), days_of(season)
    pipeline.store.delete("inputs/farm/fields/fields.geojson")
    for feature in features:
        put_fields(pipeline.store, area, name(feature), file(feature))
    run(pipeline, days)
    on_time, cube = table(pipeline), pixels(pipeline)
    assert len(on_time) > 0

    for order in range(10):
        rng = random.Random(order)
        for key in [o.key for o in pipeline.store.listing("field_stats")]:
            pipeline.store.delete(key)
        for feature in features:
            pipeline.store.delete(f"inputs/farm/fields/{name(feature)}")
        arriving = rng.sample(features, len(features))
        for n, feature in enumerate(arriving):
            edited = json.loads(json.dumps(feature))
            edited["properties"]["planting_date"] = str(days[rng.randrange(len(days))])
            if rng.random() < 0.3:
                put_fields(pipeline.store, area, name(feature), file(edited))
                list(pipeline.update_field_stats("farm", days))
            put_fields(pipeline.store, area, name(feature), file(feature))
            if rng.random() < 0.5 or n == len(arriving) - 1:
                list(pipeline.update_field_stats("farm", days[rng.randrange(5) :]))
        stale = pipeline.open("farm").stale_days()
        list(pipeline.update_field_stats("farm", stale))
        assert table(pipeline) == on_time
        assert not pipeline.open("farm").stale_days()
    assert pixels(pipeline) == cube


def test_a_removed_field_takes_its_rows_along(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    put_late_fields(pipeline, season)
    days = days_of(season)[:4]
    run(pipeline, days)
    pipeline.store.delete("inputs/farm/fields/late.geojson")
    assert not pipeline.settled("farm")
    stale = pipeline.open("farm").stale_days()
    dropped = [r.dropped for r in pipeline.update_field_stats("farm", stale)]
    late = json.loads(season.late_fields_geojson)["features"]
    assert sum(dropped) == sum(
        f["properties"]["planting_date"] <= str(d) for f in late for d in days
    )
    assert not {r["field_id"] for r in table(pipeline)} & {
        f["properties"]["field_id"] for f in late
    }


def test_a_file_that_breaks_loses_no_row(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    put_late_fields(pipeline, season)
    days = days_of(season)[:3]
    run(pipeline, days)
    before = table(pipeline)
    pipeline.store.put("inputs/farm/fields/late.geojson", b'{"type": "Feature')
    assert pipeline.open("farm").stale_days() == []
    list(pipeline.update_field_stats("farm", days))
    assert table(pipeline) == before
    assert [p.source for p in pipeline.open("farm").fields.problems] == ["late.geojson"]
    pipeline.store.delete("inputs/farm/fields/late.geojson")
    list(pipeline.update_field_stats("farm", days))
    assert len(table(pipeline)) < len(before)


def test_settled_until_something_changes(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    days = days_of(season)
    assert not pipeline.settled("farm")
    run(pipeline, days[:3])
    assert not pipeline.settled("farm")
    assert pipeline.open("farm").stale_days() == []
    assert pipeline.settled("farm")
    put_late_fields(pipeline, season)
    assert not pipeline.settled("farm")
    list(pipeline.update_field_stats("farm", days[:3]))
    pipeline.open("farm").stale_days()
    assert pipeline.settled("farm")
    run(pipeline, days[3:4])
    assert not pipeline.settled("farm")


def test_a_late_scene_makes_exactly_the_affected_pairs_stale(season, tmp_path):
    """Without one day's scenes at first; then they come: as if they had been there at once."""
    items = json.loads((season.directory / "items.json").read_text())
    by_day = {}
    for item in items["features"]:
        by_day.setdefault(item["properties"]["datetime"][:10], []).append(item["id"])
    late_day = dt.date.fromisoformat(sorted(by_day)[1])
    poor = dict(items)
    poor["features"] = [i for i in items["features"] if i["id"] not in by_day[str(late_day)]]
    catalog = season.directory / "poor.json"
    catalog.write_text(json.dumps(poor))
    pipeline = set_up(season, tmp_path, catalog=str(catalog))
    days = days_of(season)
    run(pipeline, days)
    first = {(r["date"], r["field_id"]): r for r in table(pipeline)}

    full = Pipeline(
        pipeline.settings.model_copy(update={"catalog": str(season.directory / "items.json")})
    )
    (report,) = full.ingest_days("farm", [late_day])
    assert report.changed
    affected = {report.day, *report.refreshed}
    assert set(full.open("farm").stale_days()) == affected
    list(full.update_field_stats("farm", days))
    second = {(r["date"], r["field_id"]): r for r in table(full)}
    assert {k[0] for k in second if second[k] != first[k]} == affected

    once = set_up(season, tmp_path / "once")
    run(once, days)
    assert pixels(full) == pixels(once)
    ignored = {"cube_revision": None}
    assert [r | ignored for r in table(full)] == [r | ignored for r in table(once)]


def test_a_missing_day_is_refused_and_nothing_is_written(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    days = days_of(season)
    run(pipeline, days[:2])
    before = stored(pipeline)
    with pytest.raises(MissingDayError, match=f"hydro run farm --from {days[2]} --to {days[4]}"):
        run(pipeline, [days[4]])
    with pytest.raises(MissingDayError, match=f"{days[3]} is not in the cube"):
        list(pipeline.update_field_stats("farm", [days[0], days[3]]))
    assert stored(pipeline) == before


def test_only_the_days_asked_for_are_made(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    days = days_of(season)
    run(pipeline, days)
    assert [r.day for r in pipeline.ingest_days("farm", [days[7], days[2]])] == [days[2], days[7]]


def test_a_start_date_says_where_a_cube_begins(season, tmp_path):
    pipeline = set_up(season, tmp_path, start_date=season.first_day)
    before = stored(pipeline)
    with pytest.raises(MissingDayError, match="HYDRO_START_DATE"):
        run(pipeline, [season.first_day + dt.timedelta(3)])
    assert stored(pipeline) == before


def test_an_unreadable_scene_fails_the_day_and_a_retry_goes_on_after_the_last(season, tmp_path):
    days = days_of(season)
    bad = sorted(i["properties"]["datetime"][:10] for i in season.items)[-1]
    with StandIn(season.directory) as earth_search:
        pipeline = set_up(season, tmp_path, catalog=earth_search.url)
        earth_search.fault = lambda request: (
            _broken() if request.kind == "cog" and bad.replace("-", "") in request.path else None
        )
        done = []
        with pytest.raises(SceneGoneError, match=bad.replace("-", "")):
            done.extend(r.day for r in pipeline.ingest_days("farm", days, run_id="one"))
        assert [str(n.day) for n in status(pipeline.open("farm"), days[-1]).notes] == [bad]
        assert Cube.open(pipeline.store, "farm").last_day < dt.date.fromisoformat(bad)
        earth_search.fault = None
        earth_search.reset_counts()
        again = [r.day for r in pipeline.ingest_days("farm", days, run_id="one", resume=True)]
        assert again[0] == dt.date.fromisoformat(bad)
        assert status(pipeline.open("farm"), days[-1]).notes == ()
        assert len(Cube.open(pipeline.store, "farm").days) == len(days)


def _broken():
    from hydro_pipeline.simulation.server import Fault

    return Fault(status=404)


def test_an_unknown_area_and_one_outside_every_scene(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    with pytest.raises(AreaError, match="hydro area set nowhere"):
        pipeline.area("nowhere")
    pipeline.put_area(Area.from_bbox("nowhere", (-60.0, -3.0, -59.95, -2.95)))
    with pytest.raises(AreaError, match="nowhere"):
        list(pipeline.ingest_days("nowhere", days_of(season)))
    assert Cube.open(pipeline.store, "nowhere") is None


def test_an_area_with_a_cube_cannot_be_moved(season, made):
    west, south, east, north = season.bbox
    with pytest.raises(CubeMeaningError, match="transform"):
        made.put_area(Area.from_bbox("farm", (west + 0.01, south, east + 0.01, north)))


def test_the_preview_is_the_cube_thinned(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    report = next(iter(pipeline.ingest_days("farm", days_of(season)[:1])))
    cube = Cube.open(pipeline.store, "farm")
    step = -(-max(cube.shape) // 300)
    (ndvi,), on = cube.read(report.day)
    assert np.array_equal(report.preview, ndvi[::step, ::step])
    expected = np.where(on == NODATA, -1, (report.day - dt.date(1970, 1, 1)).days - on)
    assert np.array_equal(report.preview_age, expected[::step, ::step])
    assert report.mean == pytest.approx(ndvi[ndvi != NODATA].mean() * 1e-4)
    assert report.valid_fraction == np.mean(ndvi != NODATA)
