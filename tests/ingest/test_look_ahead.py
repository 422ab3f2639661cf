"""Days read ahead: each file opened once, large areas strip by strip, other runs in between."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from hydro_pipeline.composite.kernel import observe_block
from hydro_pipeline.errors import ConflictError
from hydro_pipeline.imagery.gdal import drop_cached, open_ahead
from hydro_pipeline.imagery.load import load, tiling_of
from hydro_pipeline.imagery.reading import Kept
from hydro_pipeline.ingest import chain, look_ahead
from hydro_pipeline.ingest.blocks import observed
from hydro_pipeline.ingest.look_ahead import _ahead, _Coming
from hydro_pipeline.ingest.workers import threads
from hydro_pipeline.product import NODATA
from hydro_pipeline.scenes.catalog import StaticCatalog
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import Fault, StandIn
from tests.support.areas import days_of, pixels, run, set_up, table
from tests.support.noise_scenes import ANYWHERE, area_at, block_bytes, expected, noise
from tests.support.product import FORMULAS


@pytest.fixture(scope="module")
def made(season, tmp_path_factory):
    """The whole season in one run."""
    pipeline = set_up(season, tmp_path_factory.mktemp("made"))
    run(pipeline, days_of(season))
    return pipeline


def test_each_file_is_opened_once(season, made, tmp_path):
    with StandIn(season.directory) as earth_search:
        pipeline = set_up(season, tmp_path, catalog=earth_search.url)
        run(pipeline, days_of(season))
        cogs = [r for r in earth_search.requests if r.kind == "cog"]
    heads = Counter(r.path for r in cogs if r.method == "HEAD")
    begun = Counter(r.path for r in cogs if r.headers.get("range", "").startswith("bytes=0-"))
    assert len(heads) == 3 * len(season.items)
    assert set(heads.values()) == {1}
    assert begun == heads
    assert pixels(pipeline) == pixels(made)


def test_days_are_written_before_their_turn_and_need_not_be(season, made, tmp_path, monkeypatch):
    parts = []
    ahead = chain.ahead

    def recorded(head, day):
        parts.append(ahead(head, day))
        return parts[-1]

    monkeypatch.setattr(chain, "ahead", recorded)
    early = set_up(season, tmp_path / "early")
    run(early, days_of(season))
    assert sum(part is not None for part in parts) >= len(days_of(season)) - 3
    monkeypatch.setattr(chain, "ahead", lambda head, day: None)
    in_turn = set_up(season, tmp_path / "in-turn")
    run(in_turn, days_of(season))
    assert pixels(early) == pixels(in_turn) == pixels(made)
    assert table(early) == table(in_turn)


@pytest.mark.parametrize(
    ("scenes", "held"),
    [("ssss", [2, 3, 4, 4]), ("s..s.s", [4, 6, 6, 6, 6, 6]), ("." * 20, [17, 18, 19, *[20] * 17])],
)
def test_so_many_days_with_scenes_are_taken_ahead(scenes, held):
    """How many days were taken when each one comes, one with scenes being taken ahead."""
    taken = []

    def days():
        for n, what in enumerate(scenes):
            taken.append(n)
            yield _Coming(n, what == "s", None)

    seen = [(one.day, len(taken)) for one in _ahead(days(), 1)]
    assert seen == list(enumerate(held))


def test_an_area_too_large_to_be_held_has_the_same_cube(season, made, tmp_path, monkeypatch):
    monkeypatch.setattr(look_ahead, "BYTES", 0)
    pipeline = set_up(season, tmp_path)
    reports, _ = run(pipeline, days_of(season))
    assert pixels(pipeline) == pixels(made)
    assert table(pipeline) == table(made)
    again = list(made.ingest_days("farm", days_of(season)))
    for ours, theirs in zip(reports, again, strict=True):
        assert (ours.outcome, ours.mean) == (theirs.outcome, theirs.mean)
        assert (ours.preview == theirs.preview).all()


@pytest.mark.parametrize("buffer_m", [0, 10])
def test_strips_read_each_block_once(tmp_path, buffer_m):
    scene = noise(tmp_path, 3400, blocksize=512, compress="none", overviews="none")
    area = area_at(602_000, 5_698_000, 12_000, 26_000)
    settings = Settings.load(cloud_buffer_m=buffer_m, trusted=ANYWHERE)
    (tmp_path / "items.json").write_text('{"features": []}')
    with StandIn(tmp_path) as server:
        hrefs = {b: f"{server.origin}/cogs/noise_{b}.tif" for b in ("red", "nir", "scl")}
        remote = dataclasses.replace(scene, files=hrefs)
        kept = Kept(area.grid, buffer_m)
        imagery = load([remote], area, settings, tiling_of(area, held=False), kept)
        blocks = observed(imagery, threads(4))
        sent = server.cog_bytes_by_path
        for band in ("red", "nir"):
            needed = block_bytes(tmp_path / f"noise_{band}.tif", area.grid)
            assert sent[f"noise_{band}.tif"] <= 1.05 * needed + 16_384
    red, nir, clear = expected(scene, area, settings)
    whole = observe_block([[red, nir]], [clear], imagery.offset, FORMULAS, area.grid.shape.yx)
    assert len({window.row for window in blocks}) == 3
    for window, block in blocks.items():
        np.testing.assert_array_equal(block.values, whole.values[:, *window.slices])
    assert (whole.values != NODATA).any()
    assert buffer_m or not kept._pieces


@pytest.mark.parametrize("prepared", [True, False])
def test_a_day_made_before_another_run_committed_is_made_anew(
    season, made, tmp_path, monkeypatch, prepared
):
    """The first day lacks a scene until another run, that knows it, comes between."""
    if not prepared:
        monkeypatch.setattr(chain, "prepare", lambda head: head)
    days = days_of(season)
    full, short = set_up(season, tmp_path), set_up(season, tmp_path)
    find = StaticCatalog._find
    missing = next(
        i["id"] for i in season.items if i["properties"]["datetime"][:10] == str(days[0])
    )

    def without(self, *args):
        found = find(self, *args)
        others = tuple(item for item in found.items if item.id != missing)
        return (
            found
            if self is full.catalog(full.area("farm"))
            else dataclasses.replace(found, items=others)
        )

    monkeypatch.setattr(StaticCatalog, "_find", without)
    reports = short.ingest_days("farm", days)
    next(reports)
    next(reports)
    (report,) = full.ingest_days("farm", days[:1])
    assert report.changed
    if prepared:
        with pytest.raises(ConflictError, match="another run committed first"):
            list(reports)
        list(short.ingest_days("farm", days[1:]))
    else:
        list(reports)
    list(full.update_field_stats("farm", days))
    assert pixels(full) == pixels(made)


def test_a_file_that_cannot_be_opened_ahead_is_read_when_it_can(season):
    item = season.items[-1]["id"]
    with StandIn(season.directory, fault=lambda request: Fault(status=500)) as server:
        href = f"{server.origin}/cogs/{item}/B04.tif"
        drop_cached(href)  # The port may have been another server's.
        open_ahead(href, Settings.load(trusted=ANYWHERE))
        server.fault = None
        open_ahead(href, Settings.load(trusted=ANYWHERE))
        assert server.requests[-1].headers["range"].startswith("bytes=0-")
