"""Small pictures of a day for people: NDVI thumbnail, histograms, a field's series."""

import io
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hydro_pipeline.composite import NODATA, SCALE

MAX_BYTES = 44_000
"""Largest picture: as a base64 data URI it stays below 60 KB."""

NDVI_RANGE = (-0.2, 1.0)
EMPTY = (255, 255, 255)
_BAR = 34
"""Height of the colour bar with its labels, pixels."""


def thumbnail_png(preview: NDArray[np.int16]) -> bytes:
    """NDVI as a PNG with a colour bar, at most `MAX_BYTES`.

    `preview` is (y, x), units of 1e-4, nodata -32768 (drawn white). Fewer colours are used, then
    fewer pixels, where a noisy picture would be too large.
    """
    for step in (1, 2, 3, 4):
        for colours in (128, 32, 12):
            png = _thumbnail(preview[::step, ::step], colours)
            if len(png) <= MAX_BYTES:
                return png
    return png


def _thumbnail(preview: NDArray[np.int16], colours: int) -> bytes:
    low, high = NDVI_RANGE
    table = colormaps["RdYlGn"].resampled(colours)(np.arange(colours))[:, :3]
    palette = np.vstack([np.array([EMPTY]), np.rint(table * 255)]).astype(np.uint8)
    share = (preview * SCALE - low) / (high - low)
    index = 1 + np.clip(share * colours, 0, colours - 1).astype(np.uint8)
    index[preview == NODATA] = 0
    height, width = index.shape
    margin = 12
    image = Image.new("P", (max(width, 180), height + _BAR), 0)
    black = colours + 1
    image.putpalette([*palette.ravel().tolist(), 0, 0, 0])
    image.paste(Image.fromarray(index), ((image.width - width) // 2, 0))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(10)
    right = image.width - margin
    for x in range(margin, right):
        shade = 1 + (x - margin) * colours // (right - margin)
        draw.line([(x, height + 6), (x, height + 15)], fill=shade)
    draw.fontmode = "1"
    for value, text in ((low, f"{low:g}"), (0.4, "NDVI 0.4"), (high, f"{high:g}")):
        at = margin + (value - low) / (high - low) * (right - margin)
        draw.text((at, height + 18), text, fill=black, font=font, anchor="mt")
    return _png(image)


def histograms_png(preview: NDArray[np.int16], age: NDArray[np.int16]) -> bytes:
    """NDVI and age of a day's pixels as two histograms, PNG.

    `preview` is (y, x) NDVI in units of 1e-4, nodata -32768; `age` (y, x) days, -1 = none.
    """
    figure = Figure(figsize=(5.2, 1.9), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2)
    ndvi = preview[preview != NODATA] * SCALE
    left.hist(ndvi, bins=40, range=(-0.2, 1.0), color="tab:green")
    left.set_xlabel("NDVI")
    left.set_xticks([0, 0.5, 1])
    ages = age[age >= 0]
    longest = int(ages.max(initial=0))
    right.hist(ages, bins=min(longest + 1, 40), range=(-0.5, longest + 0.5), color="tab:brown")
    right.set_xlabel("age, days")
    for axes in (left, right):
        axes.set_yticks([])
        axes.spines[["left", "right", "top"]].set_visible(False)
    return _figure_png(figure)


def series_png(series: Mapping[str, tuple[Sequence[date], Sequence[float]]]) -> bytes:
    """Mean NDVI over days, one line per field, PNG.

    `series` maps a field's name to its days and values; nan leaves a gap.
    """
    figure = Figure(figsize=(5.2, 2.2), dpi=80, layout="constrained")
    axes = figure.subplots()
    for name, (days, values) in series.items():
        axes.plot(
            np.array(days, "datetime64[D]"), values, marker=".", markersize=3, lw=1, label=name
        )
    axes.set_ylabel("mean NDVI")
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=7, rotation=20)
    if 0 < len(series) <= 8:
        axes.legend(fontsize=6, frameon=False)
    return _figure_png(figure)


def _figure_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _png(Image.open(buffer).convert("RGB").quantize(32))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
