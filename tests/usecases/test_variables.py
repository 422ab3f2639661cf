"""A late variable is what it would be had it been there from the first day."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.rules import rules_of
from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import composite_block
from hydro_pipeline.cube.day import begin
from hydro_pipeline.cube.head import open_head
from hydro_pipeline.cube.late import add_variables, drop_variables
from hydro_pipeline.cube.layout import meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.cube.target import Target
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import (
    AreaError,
    ConflictError,
    CubeMeaningError,
    InputError,
    SceneError,
)
from hydro_pipeline.grid import Window
from hydro_pipeline.outputs.stac_items import Publication
from hydro_pipeline.report.frames import frames
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.variables import add, drop
from tests.support.areas import AREA, days_of, pixels, run, set_up, table
from tests.support.made_by_0_1_0 import lay_out, season_of

PLACE = Area.from_bbox("farm", (5.0, 51.0, 5.005, 51.005))
WHOLE = Window.whole(PLACE.grid.shape.yx)
FIRST = dt.date(2024, 3, 1)
BANDS = ("red", "nir", "blue")


def made(root, variables, seen, max_age=None):
    """A cube of one scene a day: `seen` are the digital numbers of `BANDS` and what is clear."""
    own = Settings.load(root=str(root), variables=",".join(variables), max_age_days=max_age)
    store = Store(own)
    target = Target.of(store, PLACE, own)
    formulas = Formulas.of(own.product)
    head = open_head(target)
    for n, (bands, clear) in enumerate(seen):
        edit = begin(head, FIRST + dt.timedelta(n))
        before = edit.part.previous(WHOLE)
        scene = [bands[BANDS.index(name)] for name in formulas.bands]
        block = composite_block(
            [scene], [clear], np.array([-0.1], np.float32), formulas, before,
            day_number(edit.day), target.max_age,
        )  # fmt: skip
        written = [edit.part.write(WHOLE, block.pixels, before)]
        _, head = edit.commit(written, 1, {}, head.composite)
    return own, store


def held(store):
    """All that a cube holds, by array and day, and the shares of its days."""
    cube = Cube.open(store, "farm")
    names = sorted(cube.product.names)
    order = [cube.product.names.index(name) for name in names]
    days = [[cube.read(day).arrays[i].tobytes() for i in order] for day in cube.days]
    return names, days, *(cube.daily(n).tolist() for n in ("valid_fraction", "observed_fraction"))


def late(own, store, variables):
    """Add variables to a cube, or drop them, so that it has these."""
    cube = Cube.open(store, "farm")
    wanted = own.model_copy(update={"variables": variables})
    change = drop_variables if len(variables) < len(own.variables) else add_variables
    change(store, cube, wanted.product, meaning(PLACE, wanted))


@st.composite
def seasons(draw):
    """Days with few different values, so that some repeat and some indices are undefined."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    days = []
    for _ in range(draw(st.integers(1, 7))):
        share = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))
        low = draw(st.sampled_from([900, 1100]))
        bands = rng.choice([low, 1000, 1500, 4000], (3, *WHOLE.shape)).astype(np.uint16)
        days.append((bands, rng.random(WHOLE.shape) < share))
    return days


@settings(max_examples=10)
@given(seen=seasons(), max_age=st.sampled_from([None, 0, 2]))
def test_late_is_as_from_the_start(tmp_path_factory, seen, max_age):
    folder = tmp_path_factory.mktemp("late")
    own, store = made(folder / "late", ("red", "nir"), seen, max_age)
    late(own, store, ("red", "nir", "ndvi", "sr"))
    _, at_once = made(folder / "once", ("red", "nir", "ndvi", "sr"), seen, max_age)
    assert held(store) == held(at_once)


def test_a_chunk_that_stays_is_stored_once(tmp_path):
    rng = np.random.default_rng(1)
    bands = rng.integers(1100, 5000, (3, *WHOLE.shape)).astype(np.uint16)
    clear, cloudy = np.ones(WHOLE.shape, bool), np.zeros(WHOLE.shape, bool)
    own, store = made(tmp_path, ("red", "nir"), [(bands, clear), *[(bands, cloudy)] * 40])
    before = len(store.listing("cubes/farm/chunks"))
    late(own, store, ("red", "nir", "ndvi"))
    assert len(store.listing("cubes/farm/chunks")) == before + 1
    cube = Cube.open(store, "farm")
    ndvi = [cube.read(day).values[2] for day in cube.days]
    assert (ndvi[0] != -32768).all()
    assert all(np.array_equal(day, ndvi[0]) for day in ndvi)


def test_what_is_dropped_is_gone_and_all_else_stays(tmp_path):
    bands = np.full((3, *WHOLE.shape), 3000, np.uint16)
    clear = np.ones(WHOLE.shape, bool)
    own, store = made(tmp_path / "both", ("red", "nir", "ndvi"), [(bands, clear)] * 2)
    late(own, store, ("ndvi",))
    _, alone = made(tmp_path / "alone", ("ndvi",), [(bands, clear)] * 2)
    assert held(store) == held(alone)


@pytest.fixture
def kept(season, tmp_path):
    """A season of red and nir alone."""
    pipeline = set_up(season, tmp_path, variables="red,nir")
    run(pipeline, days_of(season)[:6])
    return pipeline


def test_a_late_variable_asks_nothing_outside_and_statistics_follow(season, kept, tmp_path):
    days = days_of(season)[:6]
    with StandIn(season.directory) as outside:
        silent = kept.settings.model_copy(update={"catalog": outside.url})
        added = add(Pipeline(silent), AREA, ["NDVI"])
        assert outside.requests == []
    assert (added.names, added.days, added.changed) == (("ndvi",), 6, ())
    pipeline = Pipeline(kept.settings.model_copy(update={"variables": ("evi2",)}))
    assert dict(pipeline.area(AREA).rules) == {"variables": "red,nir,ndvi"}
    once = set_up(season, tmp_path / "once", variables="red,nir,ndvi")
    run(once, days)
    assert pixels(pipeline) == pixels(once)
    assert pipeline.open(AREA).stale_days() == [d for d in days if table_on(once, d)]
    list(pipeline.update_field_stats(AREA, days))
    assert table(pipeline) == table(once)
    # The days after have it too.
    assert [r.changed for r in pipeline.ingest_days(AREA, days_of(season)[6:7])] == [True]
    assert add(pipeline, AREA, ["ndvi"]).days == 0


def table_on(pipeline, day):
    return pipeline.open(AREA).stats(day, day).num_rows


def test_bands_that_are_missing_are_named(kept):
    with pytest.raises(InputError, match="keeps red, nir, and green, swir16 is missing"):
        add(kept, AREA, ["mndwi"])
    with pytest.raises(AreaError, match="there is no variable 'haze'"):
        add(kept, AREA, ["haze"])
    assert Cube.open(kept.store, AREA).product.names == ("red", "nir", "observed_on")


def test_a_variable_is_dropped_and_comes_back(season, kept):
    before = pixels(kept)
    add(kept, AREA, ["sr"])
    assert drop(Pipeline(kept.settings), AREA, ["sr"]) == ("red", "nir")
    assert pixels(kept) == before
    with pytest.raises(InputError, match="farm has no variable ndvi; it has red, nir"):
        drop(Pipeline(kept.settings), AREA, ["ndvi"])
    with pytest.raises(InputError, match="one variable has to stay"):
        drop(Pipeline(kept.settings), AREA, ["red", "nir"])


def test_what_is_made_of_days_follows_their_variables(kept):
    """Pictures of the page and maps of the catalog, though no day's pixels changed."""
    cube = Cube.open(kept.store, AREA)
    red = frames(kept.store, cube).packed
    days = list(Publication(kept.open(AREA)).publish(None, None))
    assert list(Publication(kept.open(AREA)).publish(None, None)) == []

    add(kept, AREA, ["ndvi"])
    pipeline = Pipeline(kept.settings)
    assert list(Publication(pipeline.open(AREA)).publish(None, None)) == days == cube.days
    drop(pipeline, AREA, ["red"])
    pipeline = Pipeline(kept.settings)
    assert list(Publication(pipeline.open(AREA)).publish(None, None)) == days
    nir = frames(kept.store, Cube.open(kept.store, AREA)).packed
    assert nir.keys() == red.keys()
    assert all(nir[day] != red[day] for day in red)


def test_what_was_killed_before_the_area_was_stored_is_ended(kept, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as soon:
        soon.setattr(Pipeline, "put_area", killed)
        with pytest.raises(KeyboardInterrupt):
            add(Pipeline(kept.settings), AREA, ["ndvi"])
    with pytest.raises(CubeMeaningError):
        list(Pipeline(kept.settings).update_field_stats(AREA, Cube.open(kept.store, AREA).days))
    add(Pipeline(kept.settings), AREA, ["ndvi"])
    list(Pipeline(kept.settings).update_field_stats(AREA, Cube.open(kept.store, AREA).days))
    assert "ndvi_mean" in table(Pipeline(kept.settings))[0]


def test_bands_that_are_not_kept_are_read_again_of_the_recorded_scenes(season, tmp_path):
    days = days_of(season)
    once = set_up(season, tmp_path / "once", variables="ndvi,savi,nir")
    run(once, days)
    with StandIn(season.directory) as outside:
        pipeline = set_up(season, tmp_path / "late", catalog=outside.url)
        run(pipeline, days)
        with pytest.raises(
            InputError, match="keeps no band, and nir, red is missing; with --from-"
        ):
            add(pipeline, AREA, ["savi", "nir"])
        outside.reset_counts()
        added = add(pipeline, AREA, ["savi", "nir"], from_imagery=True)
        assert outside.counts["stac_requests"] == 0
        assert outside.counts["cog_requests"] > 0
    assert (added.names, added.days, added.changed) == (("savi", "nir"), len(days), ())
    assert pixels(pipeline) == pixels(once)
    list(pipeline.update_field_stats(AREA, days))
    assert table(pipeline) == table(once)


def test_a_cube_of_0_1_0_gets_a_variable_from_its_scenes(tmp_path):
    scenes = season_of(tmp_path / "season")
    lay_out(scenes, tmp_path / "root")
    pipeline = Pipeline(
        Settings.load(root=str(tmp_path / "root"), catalog=str(scenes.directory / "items.json"))
    )
    before = Cube.open(pipeline.store, "farm")
    add(pipeline, "farm", ["red"], from_imagery=True)
    after = Cube.open(pipeline.store, "farm")
    assert after.product.names == ("ndvi", "red", "observed_on")
    for day in before.days:
        old, new = before.read(day), after.read(day)
        assert np.array_equal(old.values[0], new.values[0])
        assert np.array_equal(old.observed_on, new.observed_on)
        assert np.array_equal(new.values[1] == -32768, new.observed_on == -32768)
        assert new.values[1].max() > 100
    list(pipeline.ingest_days("farm", [after.last_day + dt.timedelta(1)]))


def test_a_recorded_scene_without_a_band_is_named(season, kept):
    with pytest.raises(SceneError, match=r"mndwi cannot be read .*: it has no asset 'green'"):
        add(kept, AREA, ["mndwi"], from_imagery=True)
    assert Cube.open(kept.store, AREA).product.names == ("red", "nir", "observed_on")


def test_another_run_in_between_is_told(kept):
    cube = Cube.open(kept.store, AREA)
    add(Pipeline(kept.settings), AREA, ["ndvi"])
    own = kept.settings.model_copy(update={"variables": ("red", "nir", "sr")})
    with pytest.raises(ConflictError, match="another run committed in the meantime"):
        add_variables(kept.store, cube, own.product, meaning(kept.area(AREA), own))


def test_an_area_without_a_cube_gets_the_rule_alone(season, tmp_path):
    pipeline = set_up(season, tmp_path)
    added = add(pipeline, AREA, ["savi"])
    assert added.days == 0
    rules = rules_of(AREA, {"variables": "ndvi,savi"})
    assert pipeline.area(AREA).rules == rules
