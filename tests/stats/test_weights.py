"""Weights kept in the store: built once, never trusted where they do not hold."""

import datetime as dt
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shapely import box

from hydro_pipeline.area.area import Area
from hydro_pipeline.fields.fields import Field
from hydro_pipeline.settings import Settings, ZonalWeights
from hydro_pipeline.stats import coverage
from hydro_pipeline.stats import weights as module
from hydro_pipeline.stats.runs import Weights
from hydro_pipeline.stats.weights import FieldWeights, build_weights
from hydro_pipeline.storage.store import Store

AREA = Area.from_bbox("mol", (5.0, 51.0, 5.05, 51.02))
KEY = "weights/mol.arrow"
COVERAGE, CENTRE = ZonalWeights.COVERAGE, ZonalWeights.CENTRE
FIELDS = [
    Field(f"F{i}", dt.date(2023, 1, 1), box(5.001 + i / 200, 51.005, 5.004 + i / 200, 51.01), "a")
    for i in range(6)
]


def load_weights(*arguments: Any) -> Weights:
    with FieldWeights(*arguments) as weights:
        return weights.kept()


def assert_same(ours: Weights, expected: Weights) -> None:
    assert ours.field_ids == expected.field_ids
    assert ours.hashes == expected.hashes
    for name in ("start", "row", "col", "length", "weight", "total"):
        a, b = (getattr(w if hasattr(w, name) else w.runs, name) for w in (ours, expected))
        assert a.dtype == b.dtype, name
        assert a.tobytes() == b.tobytes(), name


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The field_ids of each call that builds weights of any field."""
    calls: list[list[str]] = []

    def watched(fields: Sequence[Field], *rest: Any) -> Weights:
        if fields:
            calls.append([field.field_id for field in fields])
        return build_weights(fields, *rest)

    monkeypatch.setattr(module, "build_weights", watched)
    return calls


def test_only_missing_fields_are_built_and_others_dropped(
    store: Store, built: list[list[str]]
) -> None:
    def load(*index: int) -> None:
        fields = [FIELDS[i] for i in index]
        assert_same(
            load_weights(store, AREA, fields, COVERAGE), build_weights(fields, AREA.grid, COVERAGE)
        )

    load(1, 3)
    load(1, 3)
    load(0, 1, 2, 3)
    load(3, 5)
    load(0, 3)
    load()
    load(3)
    assert built == [["F1", "F3"], ["F0", "F2"], ["F5"], ["F0"], ["F3"]]


def test_unchanged_fields_are_not_written_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_weights(store, AREA, FIELDS, COVERAGE)
    monkeypatch.setattr(Store, "put", None)
    assert_same(load_weights(store, AREA, FIELDS, COVERAGE), first)


def test_an_edited_field_is_built_anew_and_a_renamed_one_is_not(
    store: Store, built: list[list[str]]
) -> None:
    load_weights(store, AREA, FIELDS[:2], COVERAGE)
    edited = Field("F0", dt.date(2023, 1, 1), box(5.001, 51.005, 5.01, 51.01), "a")
    renamed = Field("other", FIELDS[1].planting_date, FIELDS[1].geometry, "b")
    twin = Field("twin", FIELDS[1].planting_date, FIELDS[1].geometry, "b")
    fields = [edited, renamed, twin]
    weights = load_weights(store, AREA, fields, COVERAGE)
    assert_same(weights, build_weights(fields, AREA.grid, COVERAGE))
    fields.append(FIELDS[3])
    weights = load_weights(store, AREA, fields, COVERAGE)
    assert_same(weights, build_weights(fields, AREA.grid, COVERAGE))
    assert built == [["F0", "F1"], ["F0"], ["F3"]]


def test_other_grid_or_method_is_built_anew(store: Store, built: list[list[str]]) -> None:
    load_weights(store, AREA, FIELDS, COVERAGE)
    for area, method in (
        (AREA, CENTRE),
        (Area.from_bbox("mol", AREA.bbox, resolution=20), CENTRE),
        (Area.from_bbox("mol", AREA.bbox, crs="EPSG:32632"), CENTRE),
        (Area.from_bbox("mol", (5.0, 51.0, 5.06, 51.02)), CENTRE),
    ):
        weights = load_weights(store, area, FIELDS, method)
        assert_same(weights, build_weights(FIELDS, area.grid, method))
    assert [len(call) for call in built] == [6] * 5


def test_stored_bytes_depend_on_nothing_but_the_weights(tmp_path: Any) -> None:
    stored = []
    for name, orders in (("a", [FIELDS]), ("b", [FIELDS[3:], FIELDS[:2], FIELDS])):
        store = Store(Settings.load(root=str(tmp_path / name)))
        for fields in orders:
            load_weights(store, AREA, fields, COVERAGE)
        stored.append(store.get(KEY))
    assert stored[0] is not None
    assert stored[0] == stored[1]


WHOLE = module._pack(build_weights(FIELDS, AREA.grid, COVERAGE), "identity")


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.booleans())
@hypothesis_settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_never_used(at: int, value: int, cut: bool) -> None:
    damaged = WHOLE[:at] if cut else WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]
    read = module._unpack(damaged, "identity")
    if read is not None:
        whole = module._unpack(WHOLE, "identity")
        assert whole is not None
        assert_same(read, whole)


def test_a_broken_file_is_built_anew(store: Store) -> None:
    expected = load_weights(store, AREA, FIELDS, COVERAGE)
    whole = store.get(KEY)
    assert whole is not None
    for broken in (b"", b"PK", b"not a zip", whole[:-10], whole[: len(whole) // 2]):
        store.put(KEY, broken)
        assert_same(load_weights(store, AREA, FIELDS, COVERAGE), expected)
        assert store.get(KEY) == whole


def test_concurrent_writers_all_get_their_own_weights(store: Store) -> None:
    def load(i: int) -> None:
        fields = FIELDS[i % 4 :]
        assert_same(
            load_weights(store, AREA, fields, COVERAGE), build_weights(fields, AREA.grid, COVERAGE)
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(24)))


def test_weights_are_the_same_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_weights(FIELDS, AREA.grid, COVERAGE)
    monkeypatch.setattr(coverage, "BATCH", 2)
    assert_same(build_weights(FIELDS, AREA.grid, COVERAGE), whole)


def test_a_large_outline_of_many_corners_is_cut_into_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A comb of 600 teeth: exactextract never gets more of it than a tile's part."""
    asked: list[int] = []

    def watched(polygons: Any, grid: Any) -> Any:
        asked.append(max(shapely.get_num_coordinates(polygons)))
        assert math.prod(grid.shape) <= 64**2
        return cells(polygons, grid)

    cells = coverage._cells
    monkeypatch.setattr(coverage, "_cells", watched)
    monkeypatch.setattr(coverage, "BATCH_PIXELS", 64**2)
    monkeypatch.setattr(coverage, "TILE", 64)
    west, south, east, north = AREA.grid.boundingbox.bbox
    x = np.linspace(west + 5, east - 5, 1201)
    y = np.where(np.arange(1201) % 2, south + 5, north - 5)
    comb = shapely.Polygon([*zip(x, y, strict=True), (east - 5, south + 1), (west + 5, south + 1)])
    ((runs, total),) = coverage.covered(np.array([comb], object), AREA.grid)
    assert total == pytest.approx(comb.area / 100, rel=1e-6)
    place = runs.row.astype(np.int64) * AREA.grid.shape[1] + runs.col
    assert (np.diff(place) > 0).all()
    assert max(asked) < 1204


def test_few_fields_are_built_without_the_store(
    store: Store, built: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 3)
    monkeypatch.setattr(Store, "get", None)
    monkeypatch.setattr(Store, "put", None)
    with FieldWeights(store, AREA, FIELDS, COVERAGE) as weights:
        few = weights.of(np.array([4, 1]))
    assert_same(few, build_weights([FIELDS[4], FIELDS[1]], AREA.grid, COVERAGE))
    assert built == [["F4", "F1"]]


def test_many_fields_are_taken_from_what_is_kept(
    store: Store, built: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 3)
    load_weights(store, AREA, FIELDS, COVERAGE)
    with FieldWeights(store, AREA, FIELDS, COVERAGE) as weights:
        many = weights.of(np.array([4, 1, 2]))
    assert_same(many, build_weights([FIELDS[i] for i in (4, 1, 2)], AREA.grid, COVERAGE))
    assert len(built) == 1
