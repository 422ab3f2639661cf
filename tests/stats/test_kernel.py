"""Weights and statistics against tables made by hand and the real case."""

import csv
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import box

from hydro_pipeline.fields.fields import parse_fields
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats.runs import Runs, Weights
from hydro_pipeline.stats.weights import build_weights
from tests.support.zonal_cases import (
    CENTRE,
    COVERAGE,
    DAY,
    NODATA,
    SQUARE,
    TABLE,
    UTM,
    dense,
    fields,
    table,
)


def test_coverage_is_the_covered_fraction() -> None:
    weights = build_weights(fields([box(0.5, 0.5, 2.5, 2.5)]), SQUARE, COVERAGE)
    assert dense(weights) == [[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]
    assert weights.total.tolist() == [4.0]
    assert weights.pixels.tolist() == [9]
    assert weights.start.tolist() == [0, 9], "no two pixels beside each other count alike"
    assert [a.dtype for a in weights.runs] == [np.int32] * 3 + [np.float32]
    assert weights.start.dtype == np.int64


def test_centre_counts_pixels_whose_centre_is_inside() -> None:
    weights = build_weights(fields([box(0.4, 0.6, 2.4, 3.0)]), SQUARE, CENTRE)
    assert dense(weights) == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert weights.total.tolist() == [4.0]


def test_hole_multipolygon_and_overlap() -> None:
    ring = box(0, 0, 3, 3) - box(1, 1, 2, 2.25)
    pair = shapely.union(box(0, 0, 1, 1), box(2, 2, 2.75, 3))
    weights = build_weights(fields([ring, pair, box(0, 0, 3, 3)]), SQUARE, COVERAGE)
    assert dense(weights, 0) == [[1, 0.75, 1], [1, 0, 1], [1, 1, 1]]
    assert dense(weights, 1) == [[0, 0, 0.75], [0, 0, 0], [1, 0, 0]]
    assert dense(weights, 2) == [[1, 1, 1]] * 3
    assert weights.total.tolist() == [7.75, 1.75, 9.0]
    centres = build_weights(fields([ring, pair]), SQUARE, CENTRE)
    assert dense(centres, 0) == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    assert dense(centres, 1) == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_field_smaller_than_a_pixel() -> None:
    sliver = fields([box(1.6, 1.6, 1.8, 1.7)])
    coverage = build_weights(sliver, SQUARE, COVERAGE)
    assert [c.tolist() for c in coverage.runs] == [[1], [1], [1], [pytest.approx(0.02)]]
    result = table(coverage)
    assert result["ndvi_mean"] == 0.5
    assert result["ndvi_p10"] == 0.5
    assert result["ndvi_std"] == 0
    assert result["valid_fraction"] == 1
    centre = build_weights(sliver, SQUARE, CENTRE)
    assert centre.start.tolist() == [0, 0]
    assert centre.total.tolist() == [0.0]
    result = table(centre)
    assert result.pop("pixel_count") == 0
    assert result.pop("last_observed") == np.iinfo(np.int32).min
    assert all(np.isnan(column).all() for column in result.values())


@pytest.mark.parametrize("method", ZonalWeights)
def test_total_counts_the_polygon_beyond_the_grid(method: ZonalWeights) -> None:
    half, outside = box(1, -2, 3, 2), box(-5, -5, -3, -2)
    weights = build_weights(fields([half, outside]), SQUARE, method)
    assert weights.total.tolist() == [8.0, 6.0]
    assert weights.pixels.tolist() == [4, 0]
    result = table(weights)
    assert result["valid_fraction"].tolist() == [0.5, 0.0]
    assert result["observed_fraction"].tolist() == [0.5, 0.0]
    assert result["ndvi_mean"][0] == pytest.approx(0.7)
    assert np.isnan(result["ndvi_mean"][1])


def test_no_fields() -> None:
    for method in ZonalWeights:
        weights = build_weights([], SQUARE, method)
        assert weights.start.tolist() == [0]
        assert table(weights)["ndvi_mean"].shape == (0,)


def test_subset_takes_fields_in_the_given_order() -> None:
    weights = build_weights(
        fields([box(0, 0, 1, 1), box(0, 0, 3, 1), box(1.5, 1, 3, 3)]), SQUARE, COVERAGE
    )
    part = weights.subset(np.array([2, 0]))
    assert part.field_ids == ("F2", "F0")
    assert part.hashes == (weights.hashes[2], weights.hashes[0])
    assert dense(part, 0) == dense(weights, 2)
    assert dense(part, 1) == dense(weights, 0)
    assert part.total.tolist() == [3.0, 1.0]
    assert weights.subset(np.array([], np.int64)).start.tolist() == [0]


def test_large_windows_are_rasterized_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    many = fields([box(643190, 5675990, 643333, 5676222)], UTM)
    whole = build_weights(many, UTM, CENTRE)
    monkeypatch.setattr("hydro_pipeline.stats.coverage.BATCH_PIXELS", 40)
    strips = build_weights(many, UTM, CENTRE)
    assert [c.tolist() for c in strips.runs] == [c.tolist() for c in whole.runs]
    assert set(strips.runs.length.tolist()) == {13}
    assert strips.total.tolist() == whole.total.tolist() == [14 * 23]


def test_pixel_counts_of_the_real_case(realcase: Path) -> None:
    grid = GeoBox.from_bbox((643260, 5675820, 643900, 5676480), "EPSG:32631", resolution=10)
    reading = parse_fields("fields.geojson", (realcase / "fields.geojson").read_bytes())
    weights = build_weights(reading.fields, grid, CENTRE)
    with (realcase / "expected.csv").open() as file:
        expected = {row["field_id"]: int(row["n_pixels"]) for row in csv.DictReader(file)}
    counts = dict(zip(weights.field_ids, weights.pixels.tolist(), strict=True))
    assert counts == expected
    assert weights.total.tolist() == list(counts.values())


# --- Statistics ---


def test_every_statistic_by_hand() -> None:
    weights = build_weights(fields([box(0.5, 0, 2, 1)]), SQUARE, COVERAGE)
    assert weights.runs.weight.tolist() == [0.5, 1.0]
    observed_on = np.full((3, 3), DAY - 7, np.int16)
    observed_on[2, 1] = DAY
    result = {k: v.item() for k, v in table(weights, TABLE, observed_on).items()}
    mean = (0.5 * 0.7 + 0.8) / 1.5
    # With two values the quantile q lies where s = q * 1.5 between s_0 = 0 and s_1 = 1 + 0.5.
    assert result == {
        "ndvi_mean": pytest.approx(mean, abs=1e-15),
        "ndvi_std": pytest.approx(
            ((0.5 * (0.7 - mean) ** 2 + (0.8 - mean) ** 2) / 1.5) ** 0.5, abs=1e-15
        ),
        "ndvi_min": 0.7,
        "ndvi_max": 0.8,
        "ndvi_p10": pytest.approx(0.71, abs=1e-15),
        "ndvi_median": pytest.approx(0.75, abs=1e-15),
        "ndvi_p90": pytest.approx(0.79, abs=1e-15),
        "pixel_count": 1.5,
        "valid_fraction": 1.0,
        "observed_fraction": pytest.approx(2 / 3),
        "age_mean_days": pytest.approx(0.5 * 7 / 1.5),
        "age_max_days": 7,
        "last_observed": DAY,
    }


def test_nodata_pixels_do_not_count() -> None:
    ndvi = TABLE.copy()
    ndvi[2] = NODATA
    result = table(build_weights(fields([box(0, 0, 3, 2)]), SQUARE, COVERAGE), ndvi)
    assert result["ndvi_mean"] == pytest.approx(0.5)
    assert (result["ndvi_min"], result["ndvi_max"]) == (0.4, 0.6)
    assert result["pixel_count"] == 3
    assert result["valid_fraction"] == result["observed_fraction"] == 0.5


def test_negative_and_extreme_values_are_ordered() -> None:
    ndvi = np.array([[-10000, 0, 10000], [-1, 1, -256], [255, 256, -257]], np.int16)
    result = table(build_weights(fields([box(0, 0, 3, 3)]), SQUARE, COVERAGE), ndvi)
    assert result["ndvi_median"] == 0
    assert (result["ndvi_min"], result["ndvi_max"]) == (-1, 1)
    for key, q in (("ndvi_p10", 10), ("ndvi_p90", 90)):
        assert result[key] == pytest.approx(np.percentile(ndvi / 1e4, q), abs=1e-12)


@given(
    st.integers(-10_000, 10_000),
    st.lists(st.floats(2**-16, 1, width=32), min_size=1, max_size=9),
)
@settings(deadline=None)
def test_equal_values_have_that_value_as_every_statistic(value: int, shares: list[float]) -> None:
    result = table(csr(shares), np.full((3, 3), value, np.int16))
    assert result["ndvi_std"] == 0
    for key in ("mean", "median", "min", "max", "p10", "p90"):
        assert result[f"ndvi_{key}"] == value / 10_000


def csr(shares: list[float]) -> Weights:
    """One field over the first pixels of a 3 x 3 grid."""
    n = len(shares)
    row, col = np.divmod(np.arange(n, dtype=np.int32), 3)
    weight = np.array(shares, np.float32)
    total = np.array([weight.astype(np.float64).sum()])
    runs = Runs.of(row, col, weight)
    return Weights(("F",), ("0" * 16,), np.array([0, len(runs.row)]), runs, total)


def plain_quantile(values: list[int], weights: list[float], q: float) -> float:
    """exactextract's weighted quantile, written from its formula; equal values in given order."""
    order = np.argsort(values, kind="stable")
    x, w = np.array(values)[order], np.array(weights)[order]
    n = len(x)
    s = [k * w[k] + (n - 1) * w[:k].sum() for k in range(n)]
    return float(np.interp(q * (n - 1) * w.sum(), s, x)) / 10_000


@given(
    st.lists(
        st.tuples(st.integers(-10_000, 10_000), st.floats(2**-16, 1, width=32)),
        min_size=1,
        max_size=9,
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_quantiles_with_equal_values(pixels: list[tuple[int, float]], few: bool) -> None:
    values = [v // 5000 if few else v for v, _ in pixels]
    shares = [w for _, w in pixels]
    ndvi = np.full(9, NODATA, np.int16)
    ndvi[: len(values)] = values
    result = table(csr(shares), ndvi.reshape(3, 3))
    for key, q in (("ndvi_p10", 0.1), ("ndvi_median", 0.5), ("ndvi_p90", 0.9)):
        assert result[key] == pytest.approx(plain_quantile(values, shares, q), abs=1e-9)
