"""Weights and statistics of random polygons against exactextract, rasterstats and shapely."""

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
from rasterstats import zonal_stats
from shapely import box
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.settings import ZonalWeights
from hydro_pipeline.stats import coverage, kernel
from hydro_pipeline.stats.weights import build_weights
from tests.support.zonal_cases import (
    CENTRE,
    COVERAGE,
    DAY,
    NODATA,
    UTM,
    fields,
    on_grid,
    pixels,
    table,
)


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
        row, col, share = pixels(weights, i)
        x, y = west + 10.0 * col, north - 10.0 * row
        area = shapely.area(shapely.intersection(polygon, shapely.box(x, y - 10, x + 10, y)))
        assert share == pytest.approx(area / 100, abs=1e-5)
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


@given(many_polygons, st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None)
def test_values_that_are_counted_give_what_sorted_ones_give(
    shapes: list[BaseGeometry], seed: int, few: bool
) -> None:
    ndvi = random_ndvi(seed)
    if few:
        ndvi = np.where(ndvi == NODATA, NODATA, ndvi // 4000).astype(np.int16)
    weights = build_weights(fields(shapes, UTM), UTM, COVERAGE)
    expected = table(weights, ndvi)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kernel, "SORTED_PIXELS", 0)
        found = table(weights, ndvi)
    for name, column in expected.items():
        if name in ("ndvi_p10", "ndvi_median", "ndvi_p90"):
            assert found[name] == pytest.approx(column, abs=1e-12, nan_ok=True), name
        else:
            assert found[name].tobytes() == column.tobytes(), name


@given(many_polygons, st.sampled_from(ZonalWeights))
@settings(max_examples=10, deadline=None)
def test_a_large_polygon_has_the_same_weights_in_parts(
    shapes: list[BaseGeometry], method: ZonalWeights
) -> None:
    of = fields([*shapes, UTM.extent.geom.buffer(-31)], UTM)
    whole = build_weights(of, UTM, method)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(coverage, "BATCH_PIXELS", 0)
        patched.setattr(coverage, "TILE", 5)
        parts = build_weights(of, UTM, method)
    # exactextract's fractions are single precision.
    assert parts.total == pytest.approx(whole.total, rel=1e-6)
    assert parts.pixels.tolist() == whole.pixels.tolist()
    for ours, expected in zip(pixels(parts), pixels(whole), strict=True):
        assert ours == pytest.approx(expected, abs=1e-6)
