"""The colours of NDVI and age, the same in files and on the report page. Pure."""

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.product import NODATA, SCALE

NDVI_RANGE = (-0.2, 1.0)
"""NDVI of the classes 1 and 255; what is beyond takes the nearest."""

Anchors = tuple[tuple[float, str], ...]

NDVI: Anchors = (
    (-0.2, "#6f87a3"), (0.0, "#e9dcc0"), (0.15, "#ecdfa5"), (0.3, "#d3dc86"), (0.45, "#a2c965"),
    (0.6, "#65ab4c"), (0.75, "#348a40"), (0.9, "#12643a"), (1.0, "#083f29"),
)  # fmt: skip
AGE: Anchors = (
    (0.0, "#fdf6e3"), (2.0, "#f8dfae"), (5.0, "#efa77f"), (10.0, "#c95f78"), (15.0, "#823274"),
    (20.0, "#35154f"),
)  # fmt: skip


def ndvi_class(ndvi: NDArray[np.int16]) -> NDArray[np.uint8]:
    """NDVI in units of 1e-4 as a class: 1 to 255 over `NDVI_RANGE`, 0 where there is no value."""
    low, high = NDVI_RANGE
    share = (ndvi * np.float32(SCALE) - low) / (high - low)
    classes: NDArray[np.uint8] = np.rint(1 + 254 * np.clip(share, 0, 1)).astype(np.uint8)
    classes[ndvi == NODATA] = 0
    return classes


def colours(anchors: Anchors) -> NDArray[np.uint8]:
    """(256, 3) red, green and blue of the classes 0 to 255 between anchors; 0 is never drawn."""
    at, texts = zip(*anchors, strict=True)
    anchored = np.array([list(bytes.fromhex(text[1:])) for text in texts], float)
    value = np.linspace(at[0], at[-1], 255)
    table = np.zeros((256, 3), np.uint8)
    for band in range(3):
        table[1:, band] = np.rint(np.interp(value, at, anchored[:, band]))
    return table
