"""Weights and statistics against hand-made tables, exactextract, rasterstats and numpy."""

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from geopandas import GeoDataFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterstats import zonal_stats
from shapely import box
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.fieldfile import LONLAT, reprojected
from hydro_pipeline.fields import Field, parse_fields
from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.weights import build_weights
from hydro_pipeline.zonal import Weights, statistics

COVERAGE, CENTRE = ZonalWeights.COVERAGE, ZonalWeights.CENTRE
NODATA = -32768
DAY = 19_500

SQUARE = GeoBox.from_bbox((0, 0, 3, 3), "EPSG:4326", resolution=1)
"""3 x 3 pixels of one degree: polygons in degrees are already in the grid's CRS."""
TABLE = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.int16) * 1000
"""NDVI 0.1 to 0.9, north row first."""

UTM = GeoBox.from_bbox((643200, 5676000, 643440, 5676240), "EPSG:32631", resolution=10)
"""24 x 24 pixels of 10 m."""


def fields(polygons: Sequence[BaseGeometry], grid: GeoBox = SQUARE) -> list[Field]:
    """Fields F0, F1, ... from polygons in the grid's CRS."""
    lonlat = reprojected(np.array(polygons, dtype=object), str(grid.crs), LONLAT)
    day = dt.date(2023, 1, 1)
    return [Field(f"F{i}", day, g, "test") for i, g in enumerate(shapely.normalize(lonlat))]


def on_grid(of: Sequence[Field], grid: GeoBox) -> NDArray[np.object_]:
    """The polygons that the weights are made from."""
    return reprojected(np.array([f.geometry for f in of], dtype=object), LONLAT, str(grid.crs))


def table(
    weights: Weights,
    ndvi: NDArray[np.int16] = TABLE,
    observed_on: NDArray[np.int16] | None = None,
) -> dict[str, NDArray[Any]]:
    """Statistics over 2-D arrays; by default every pixel was observed on the day."""
    if observed_on is None:
        observed_on = np.where(ndvi == NODATA, NODATA, DAY).astype(np.int16)
    at = weights.row, weights.col
    return statistics(weights, ndvi[at], observed_on[at], DAY)


def dense(weights: Weights, field: int = 0, shape: tuple[int, int] = (3, 3)) -> list[list[float]]:
    """One field's weights as a table."""
    pixels = slice(weights.start[field], weights.start[field + 1])
    out = np.zeros(shape)
    out[weights.row[pixels], weights.col[pixels]] = weights.weight[pixels]
    result: list[list[float]] = out.tolist()
    return result


# --- Weights ---


def test_coverage_is_the_covered_fraction() -> None:
    weights = build_weights(fields([box(0.5, 0.5, 2.5, 2.5)]), SQUARE, COVERAGE)
    assert dense(weights) == [[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]
    assert weights.total.tolist() == [4.0]
    assert weights.start.tolist() == [0, 9]
    dtypes = [a.dtype for a in (weights.start, weights.row, weights.col, weights.weight)]
    assert dtypes == [np.int64, np.int32, np.int32, np.float32]


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
    assert coverage.weight.tolist() == [pytest.approx(0.02)]
    assert (coverage.row.tolist(), coverage.col.tolist()) == ([1], [1])
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
    assert weights.start.tolist() == [0, 4, 4]
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
    monkeypatch.setattr("hydro_pipeline.weights.STRIP_PIXELS", 40)
    strips = build_weights(many, UTM, CENTRE)
    assert strips.row.tolist() == whole.row.tolist()
    assert strips.col.tolist() == whole.col.tolist()
    assert strips.total.tolist() == whole.total.tolist() == [14 * 23]


def test_pixel_counts_of_the_real_case(realcase: Path) -> None:
    grid = GeoBox.from_bbox((643260, 5675820, 643900, 5676480), "EPSG:32631", resolution=10)
    reading = parse_fields("fields.geojson", (realcase / "fields.geojson").read_bytes())
    weights = build_weights(reading.fields, grid, CENTRE)
    with (realcase / "expected.csv").open() as file:
        expected = {row["field_id"]: int(row["n_pixels"]) for row in csv.DictReader(file)}
    counts = dict(zip(weights.field_ids, np.diff(weights.start).tolist(), strict=True))
    assert counts == expected
    assert weights.total.tolist() == list(counts.values())


# --- Statistics ---


def test_every_statistic_by_hand() -> None:
    weights = build_weights(fields([box(0.5, 0, 2, 1)]), SQUARE, COVERAGE)
    assert weights.weight.tolist() == [0.5, 1.0]
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
    return Weights(("F",), ("0" * 16,), np.array([0, n]), row, col, weight, total)


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


# --- Random polygons against other tools ---


@st.composite
def polygons(draw: st.DrawFn) -> BaseGeometry:
    """A star-shaped polygon on or around the UTM grid, perhaps with a hole or a second part."""
    west, south, east, north = UTM.boundingbox.bbox
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)

    def star(scale: float) -> BaseGeometry:
        corners = rng.integers(3, 12)
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = scale * rng.uniform(0.2, 1, corners)
        centre = rng.uniform((west - 20, south - 20), (east + 20, north + 20))
        ring = centre + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)

    size = draw(st.sampled_from([3.0, 30.0, 150.0]))
    shape = star(size)
    kind = draw(st.sampled_from(["plain", "hole", "parts"]))
    if kind == "hole":
        shape = shape - shapely.transform(shape, lambda xy: xy.mean(0) + (xy - xy.mean(0)) * 0.4)
    elif kind == "parts":
        shape = shape | star(size)
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    whole = shapely.union_all(parts)
    return whole if whole.area > 0.01 else box(west, south, west + 10, south + 10)


def random_ndvi(seed: int) -> NDArray[np.int16]:
    """Distinct values with some nodata."""
    rng = np.random.default_rng(seed)
    values = rng.permutation(20_001)[: 24 * 24].astype(np.int16) - 10_000
    values[rng.random(24 * 24) < rng.choice([0.0, 0.2, 0.95])] = NODATA
    result: NDArray[np.int16] = values.astype(np.int16).reshape(24, 24)
    return result


many_polygons = st.lists(polygons(), min_size=1, max_size=4)
random_cases = given(many_polygons, st.integers(0, 2**32 - 1))


@random_cases
@settings(max_examples=150, deadline=None)
def test_coverage_equals_exactextract(shapes: list[BaseGeometry], seed: int) -> None:
    ndvi = random_ndvi(seed)
    of = fields(shapes, UTM)
    ours = table(build_weights(of, UTM, COVERAGE), ndvi)
    crs = UTM.crs.to_wkt()
    # As floating point: exactextract rounds quantiles of integers to integers.
    values = np.where(ndvi == NODATA, np.nan, ndvi / 10_000)
    raster = NumPyRasterSource(values, *UTM.boundingbox.bbox, srs_wkt=crs)
    quantiles = [f"quantile(q={q})" for q in (0.1, 0.5, 0.9)]
    theirs = exact_extract(
        raster,
        GeoDataFrame(geometry=on_grid(of, UTM), crs=crs),
        ["mean", "stdev", "min", "max", "count", *quantiles],
        output="pandas",
    )
    assert ours["pixel_count"] == pytest.approx(theirs["count"].to_numpy(), abs=1e-9)
    for key, name in {
        **{"mean": "mean", "std": "stdev", "min": "min", "max": "max"},
        **{"p10": "quantile_10", "median": "quantile_50", "p90": "quantile_90"},
    }.items():
        expected = theirs[name].to_numpy(float)
        assert ours[f"ndvi_{key}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), key


@random_cases
@settings(max_examples=150, deadline=None)
def test_centre_equals_rasterstats(shapes: list[BaseGeometry], seed: int) -> None:
    ndvi = random_ndvi(seed)
    of = fields(shapes, UTM)
    ours = table(build_weights(of, UTM, CENTRE), ndvi)
    names = ["mean", "std", "min", "max", "count", "percentile_10", "median", "percentile_90"]
    theirs = zonal_stats(
        list(on_grid(of, UTM)), ndvi, affine=UTM.transform, nodata=NODATA, stats=names
    )
    assert ours["pixel_count"].tolist() == [row["count"] for row in theirs]
    for key in ("mean", "std", "min", "max", "median", "p10", "p90"):
        name = key.replace("p", "percentile_") if key[0] == "p" else key
        expected = np.array([row[name] for row in theirs], float) / 10_000
        assert ours[f"ndvi_{key}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), key


@given(many_polygons)
@settings(deadline=None)
def test_coverage_equals_the_area_of_the_intersection(shapes: list[BaseGeometry]) -> None:
    of = fields(shapes, UTM)
    weights = build_weights(of, UTM, COVERAGE)
    west, _, _, north = UTM.boundingbox.bbox
    for i, polygon in enumerate(on_grid(of, UTM)):
        pixels = slice(weights.start[i], weights.start[i + 1])
        x = west + 10.0 * weights.col[pixels]
        y = north - 10.0 * weights.row[pixels]
        area = shapely.area(shapely.intersection(polygon, shapely.box(x, y - 10, x + 10, y)))
        assert weights.weight[pixels] == pytest.approx(area / 100, abs=1e-5)
        assert weights.total[i] == pytest.approx(polygon.area / 100, rel=1e-5, abs=1e-3)


@given(many_polygons, st.randoms(use_true_random=False), st.sampled_from(ZonalWeights))
@settings(deadline=None)
def test_a_field_alone_equals_the_field_among_others(
    shapes: list[BaseGeometry], random: Any, method: ZonalWeights
) -> None:
    rng = np.random.default_rng(random.randrange(2**32))
    ndvi = random_ndvi(1)
    observed_on = np.where(ndvi == NODATA, NODATA, DAY - rng.integers(0, 90, ndvi.shape))
    observed_on = observed_on.astype(np.int16)
    of = fields(shapes, UTM)
    together = table(build_weights(of, UTM, method), ndvi, observed_on)
    order = rng.permutation(len(of))
    shuffled = build_weights([of[i] for i in order], UTM, method)
    for position, i in enumerate(order):
        alone = table(build_weights([of[i]], UTM, method), ndvi, observed_on)
        part = table(shuffled.subset(np.array([position])), ndvi, observed_on)
        for key, column in together.items():
            assert column[i : i + 1].tobytes() == alone[key].tobytes() == part[key].tobytes(), key
