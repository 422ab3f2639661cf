"""The stored cube: its law, its order, its revisions, and what a reader sees."""

import datetime as dt
import tempfile

import icechunk
import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hydro_pipeline.area.area import Area
from hydro_pipeline.composite.kernel import composite_block
from hydro_pipeline.cube import repeat as cube_repeat
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import (
    ConflictError,
    CubeMeaningError,
    DamagedCubeError,
    MissingDayError,
    StoreAccessError,
)
from hydro_pipeline.grid import Pixels, Tiling, Window
from hydro_pipeline.product import NODATA
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store
from tests.support.cubes import Writer
from tests.support.product import FORMULAS

AREA = Area.from_bbox("farm", (5.0, 51.0, 5.06, 51.04))
SHAPE = tuple(AREA.grid.shape)
DAY = dt.date(2024, 3, 1)
WHOLE = Window.whole(SHAPE)


def day(n):
    return DAY + dt.timedelta(n)


def observed(seed, share=0.4, rows=slice(None)):
    """NDVI seen on one day, (y, x) int16 with nodata where not clear."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3000, 9000, SHAPE).astype(np.int16)
    seen = np.zeros(SHAPE, bool)
    seen[rows] = rng.random(SHAPE)[rows] < share
    return np.where(seen, values, NODATA).astype(np.int16)


def put(writer, when, seen, scenes=1):
    """Commit one day from what was observed on it."""
    edit = writer.begin(when)
    written = []
    for window in Tiling(SHAPE, 512):
        previous = edit.part.previous(window)
        (before,), before_on = previous
        mine = seen[window.slices]
        ndvi = np.where(mine != NODATA, mine, before)
        on = np.where(mine != NODATA, day_number(when), before_on).astype(np.int16)
        old = (mine == NODATA) & (day_number(when) - on.astype(int) > writer.target.max_age)
        new = Pixels(np.where(old, NODATA, ndvi)[None], np.where(old, NODATA, on))
        written.append(edit.part.write(window, new, previous))
    return writer.commit(edit, written, scenes, {"scenes": ["S2A_TEST"]})


def pixels(store, name="farm"):
    """Everything that the law is about, by day, and the shares."""
    cube = Cube.open(store, name)
    days = {d: [a.tobytes() for a in cube.read(d, WHOLE)] for d in cube.days}
    return days, cube.daily("valid_fraction").tolist(), cube.daily("observed_fraction").tolist()


@pytest.fixture
def store(settings):
    return Store(settings)


@pytest.fixture
def writer(store, settings):
    return Writer(store, AREA, settings)


def test_the_area_has_several_chunks():
    assert len(Tiling(SHAPE, 256)) == 4


def test_a_reader_sees_cf_with_crs(store, writer):
    put(writer, day(0), observed(0))
    put(writer, day(1), observed(1))
    cube = Cube.open(store, "farm")
    data = xr.open_zarr(
        cube.session.store, consolidated=False, decode_coords="all", mask_and_scale=True
    )
    assert data.rio.crs.to_epsg() == 32631
    assert data.rio.transform() == AREA.grid.transform
    assert data.time.values.astype("datetime64[D]").tolist() == [day(0), day(1)]
    (ndvi,), on = cube.read(day(1), WHOLE)
    expected = np.where(ndvi == NODATA, np.nan, ndvi * 1e-4)
    np.testing.assert_allclose(data.ndvi[1].values, expected, atol=1e-9)
    dates = data.observed_on[1].values
    assert np.array_equal(np.isnat(dates), on == NODATA)
    assert (dates[on == day_number(day(1))] == np.datetime64(day(1))).all()


def test_unwritten_pixels_read_as_nodata_not_zero(store, writer):
    put(writer, day(0), np.full(SHAPE, NODATA, np.int16), scenes=0)
    data = xr.open_zarr(Cube.open(store, "farm").session.store, consolidated=False)
    assert np.isnan(data.ndvi.values).all()
    assert data.valid_fraction.values.tolist() == [0.0]


def test_history_says_what_was_done(store, writer):
    put(writer, day(0), observed(0))
    newest = next(Cube.open(store, "farm").history())
    assert newest.message == "farm 2024-03-01"
    assert newest.metadata["day"] == "2024-03-01"
    assert newest.metadata["scenes"] == ["S2A_TEST"]


def test_a_day_without_the_day_before_is_refused_with_what_to_run(store, writer):
    put(writer, day(0), observed(0))
    before = pixels(store)
    with pytest.raises(MissingDayError, match="hydro run farm --from 2024-03-02 --to 2024-03-04"):
        writer.begin(day(3))
    with pytest.raises(MissingDayError, match="cannot grow backwards"):
        writer.begin(day(-1))
    assert pixels(store) == before


def test_a_cube_begins_on_the_start_date(tmp_path):
    settings = Settings.load(root=str(tmp_path), start_date=day(0))
    store = Store(settings)
    writer = Writer(store, AREA, settings)
    with pytest.raises(MissingDayError, match="--from 2024-03-01 --to 2024-03-03"):
        writer.begin(day(2))
    assert Cube.open(store, "farm") is None
    assert store.listing("cubes") == []
    put(writer, day(0), observed(0))
    assert Cube.open(store, "farm").days == [day(0)]


def test_the_same_day_again_commits_nothing(store, writer):
    for n in range(3):
        put(writer, day(n), observed(n))
    commits = len(list(Cube.open(store, "farm").history()))
    for n in range(3):
        commit = put(writer, day(n), observed(n))
        assert not commit.changed
        assert commit.revision == 1
        assert commit.bytes_written == 0
    assert len(list(Cube.open(store, "farm").history())) == commits


def test_a_rewritten_day_touches_only_the_chunks_and_days_that_change(store, writer):
    for n in range(5):
        put(writer, day(n), observed(n, share=1.0 if n == 3 else 0.4))
    old = pixels(store)[0]
    commit = put(writer, day(1), observed(99, rows=slice(0, 100)))
    assert commit.changed
    assert commit.revision == 2
    assert commit.refreshed == (day(2),)  # day 3 is seen everywhere: the change ends there
    cube = Cube.open(store, "farm")
    assert list(cube.revisions.values()) == [1, 2, 2, 1, 1]
    new = pixels(store)[0]
    assert [d for d in new if new[d] != old[d]] == [day(1), day(2)]


def test_a_day_that_shows_nothing_new_is_stored_as_a_reference(store, writer):
    def size():
        return sum(o.size for o in store.listing("cubes/farm/chunks"))

    put(writer, day(0), observed(0))
    full = size()
    empty = put(writer, day(1), np.full(SHAPE, NODATA, np.int16), scenes=0)
    assert (size(), empty.bytes_written) == (full, 0)
    cube = Cube.open(store, "farm")
    for ours, theirs in zip(cube.read(day(1), WHOLE), cube.read(day(0), WHOLE), strict=True):
        assert np.array_equal(ours, theirs)
    corner = put(writer, day(2), observed(2, rows=slice(0, 100)))
    assert 0 < corner.bytes_written < 0.7 * full  # two of four chunks
    expected = pixels(store)[0][day(1)]
    put(writer, day(0), observed(7))
    assert pixels(store)[0][day(1)] != expected
    again = Cube.open(store, "farm").read(day(1), WHOLE).values[0]
    assert np.array_equal(again, observed(7))


def test_a_day_written_before_its_turn_is_the_same_day(store, settings, tmp_path):
    """Day 2 is written when day 0 is the last; day 1 comes in between."""
    writer = Writer(store, AREA, settings)
    seen = [observed(0), observed(1), observed(2, rows=slice(0, 100))]
    put(writer, day(0), seen[0])
    assert writer.ahead(day(2)) is None
    writer.prepare()
    ahead = writer.ahead(day(2))
    before = seen[0].copy(), np.where(seen[0] != NODATA, day_number(day(0)), NODATA)
    for n in (1, 2):
        old, before = before, [a.copy() for a in before]
        before[0][seen[n] != NODATA] = seen[n][seen[n] != NODATA]
        before[1][seen[n] != NODATA] = day_number(day(n))
    new, old = ([a.astype(np.int16) for a in arrays] for arrays in (before, old))
    written = [
        ahead.write(
            window,
            *(Pixels(a[window.slices][None], on[window.slices]) for a, on in (new, old)),
        )
        for window in Tiling(SHAPE, 256)
    ]
    assert Cube.open(store, "farm").days == [day(0)]
    put(writer, day(1), seen[1])
    commit = writer.commit(writer.begin(day(2)), written)
    assert commit.revision == 1
    once = Store(settings.model_copy(update={"root": str(tmp_path / "once")}))
    at_once = Writer(once, AREA, settings)
    for n in range(3):
        put(at_once, day(n), seen[n])
    assert pixels(store) == pixels(once)
    writer.prepare()
    assert writer.ahead(day(2)) is None


def test_a_day_without_a_scene_looks_for_old_chunks_once_in_a_process(
    store, writer, settings, monkeypatch
):
    monkeypatch.setattr(cube_repeat, "MANIFEST_DAYS", 2)
    asked = []
    exists = icechunk.IcechunkStore.exists

    async def counted(self, key):
        asked.append(key)
        return await exists(self, key)

    monkeypatch.setattr(icechunk.IcechunkStore, "exists", counted)
    nothing = np.full(SHAPE, NODATA, np.int16)
    counts = []
    for n in range(9):
        asked.clear()
        put(writer, day(n), nothing if n else observed(0), scenes=0)
        counts.append(len([key for key in asked if key.startswith("ndvi/c/")]))
    assert counts[2:] == [4, 8, 4, 8, 4, 8, 4]  # the four corners, of the newest days alone
    asked.clear()
    put(Writer(store, AREA, settings), day(9), nothing, scenes=0)
    assert len([key for key in asked if key.startswith("ndvi/c/")]) == 20
    for n in range(10):
        assert np.array_equal(Cube.open(store, "farm").read(day(n), WHOLE).values[0], observed(0))


def test_two_writers_on_one_state_conflict(store, settings):
    put(Writer(store, AREA, settings), day(0), observed(0))
    slow, fast = (Writer(store, AREA, settings) for _ in range(2))
    late = slow.begin(day(1))
    new = Pixels(observed(5)[None], observed(5))
    written = late.part.write(WHOLE, new, late.part.previous(WHOLE))
    put(fast, day(1), observed(1))
    expected = pixels(store)
    with pytest.raises(ConflictError, match="another run committed first"):
        slow.commit(late, [written])
    assert pixels(store) == expected


def test_other_settings_are_refused(store, writer, settings):
    put(writer, day(0), observed(0))
    other = settings.model_copy(update={"cloud_buffer_m": 0.0, "clear_classes": (4,)})
    with pytest.raises(CubeMeaningError, match=r"cloud_buffer_m is 60\.0 there and 0\.0 now"):
        Writer(store, AREA, other).begin(day(1))
    moved = Area.from_bbox("farm", (5.0, 51.0, 5.08, 51.04))
    with pytest.raises(CubeMeaningError, match=r"the area farm was replaced: .*'shape'"):
        Writer(store, moved, settings).begin(day(1))


def test_a_day_that_is_not_in_the_cube_is_named(store, writer):
    put(writer, day(0), observed(0))
    cube = Cube.open(store, "farm")
    for other in (day(-1), day(1)):
        with pytest.raises(MissingDayError, match=f"{other} is not in the cube, which holds"):
            cube.index(other)


def test_a_lost_chunk_is_an_error_not_nodata(store, writer, settings):
    put(writer, day(0), observed(0))
    chunks = sorted(store.listing("cubes/farm/chunks"), key=lambda o: -o.size)
    store.delete(chunks[0].key)
    cube = Cube.open(store, "farm")
    with pytest.raises(DamagedCubeError, match=rf"of {day(0)}, chunk \d/\d, is lost"):
        cube.read(day(0), WHOLE)


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_the_same_on_a_directory_and_on_s3(kind, settings, request, tmp_path):
    chosen = settings if kind == "directory" else request.getfixturevalue("s3").settings()
    store = Store(chosen)
    assert Cube.open(store, "farm") is None
    writer = Writer(store, AREA, chosen)
    for n in range(2):
        put(writer, day(n), observed(n))
    seen = np.where(observed(1) != NODATA, observed(1), observed(0))
    assert np.array_equal(Cube.open(store, "farm").read(day(1), WHOLE).values[0], seen)


def test_a_missing_bucket_is_named(s3):
    settings = s3.settings(root="s3://no-such-bucket")
    with pytest.raises(StoreAccessError, match=r"no-such-bucket.*hydro init"):
        Writer(Store(settings), AREA, settings).begin(day(0))


season = st.lists(st.integers(0, 9), min_size=2, max_size=6)


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=season,
    late=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=3),
    max_age=st.sampled_from([None, 0, 1, 2]),
)
def test_late_scenes_end_in_the_cube_that_would_have_been(first, late, max_age):
    """Whatever days are rewritten, in whatever order: bit for bit as if it had been so at once."""
    share = {0: 0.0, 1: 1.0, 2: 0.05}
    seen = [observed(n, share.get(n, 0.4)) for n in first]
    with tempfile.TemporaryDirectory() as late_root, tempfile.TemporaryDirectory() as once_root:
        made = []
        for root in (late_root, once_root):
            settings = Settings.load(root=root, max_age_days=max_age)
            store = Store(settings)
            made.append((store, Writer(store, AREA, settings)))
        (late_store, late_writer), (once_store, once_writer) = made
        for n, values in enumerate(seen):
            put(late_writer, day(n), values)
        for position, seed in late:
            n = position % len(seen)
            seen[n] = observed(seed + 100, share.get(seed, 0.4), slice(0, 200))
            put(late_writer, day(n), seen[n])
        for n, values in enumerate(seen):
            put(once_writer, day(n), values)
        assert pixels(late_store) == pixels(once_store)
        cube = Cube.open(late_store, "farm")
        runs = cube.alike(cube.days)
        assert [one for run in runs for one in run] == cube.days
        for run in runs:
            for one in run[1:]:
                mine, first = cube.read(one, WHOLE), cube.read(run[0], WHOLE)
                for ours, theirs in zip(mine, first, strict=True):
                    np.testing.assert_array_equal(ours, theirs)


def test_days_without_an_observation_are_alike_until_values_get_too_old(tmp_path):
    settings = Settings.load(root=str(tmp_path), max_age_days=2)
    store = Store(settings)
    writer = Writer(store, AREA, settings)
    for n, share in enumerate((0.4, 0.0, 0.0, 0.0, 0.4, 0.0)):
        put(writer, day(n), observed(n, share))
    cube = Cube.open(store, "farm")
    runs = [[one.day - day(0).day for one in run] for run in cube.alike(cube.days)]
    assert runs == [[0, 1, 2], [3], [4, 5]]
    assert cube.alike([day(0), day(2)]) == [[day(0)], [day(2)]]


def test_put_is_the_kernel(store, writer):
    """The helper above composes as the kernel does."""
    put(writer, day(0), observed(0))
    before = Cube.open(store, "farm").read(day(0), WHOLE)
    clear = observed(1) != NODATA
    red = np.full(SHAPE, 1000, np.uint16)
    nir = np.full(SHAPE, 3000, np.uint16)
    made = composite_block(
        [[red, nir]], [clear], np.zeros(1, np.float32), FORMULAS, before, day_number(day(1))
    )  # fmt: skip
    put(writer, day(1), np.where(clear, np.int16(5000), np.int16(NODATA)))
    stored = Cube.open(store, "farm").read(day(1), WHOLE)
    for ours, theirs in zip(made.pixels, stored, strict=True):
        assert np.array_equal(ours, theirs)
