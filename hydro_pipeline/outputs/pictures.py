"""Small pictures of a day for people: NDVI with a colour bar, histograms, the series of fields."""

import io
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hydro_pipeline.outputs import colours as ramp
from hydro_pipeline.outputs.colours import ndvi_class
from hydro_pipeline.product import NODATA, PRODUCT

MAX_BYTES = 44_000
"""Largest thumbnail: as a base64 data URI it stays below 60 KB."""
GLANCE_BYTES = 700
"""Largest glance: Dagster shows Markdown in place up to 1,000 characters, behind a link above."""

EMPTY, INK = (255, 255, 255), (0, 0, 0)
GREEN, BROWN = (52, 138, 64), (130, 50, 116)

BAR_HEIGHT = 34
"""The colour bar with its labels, pixels."""
MARGIN = 12
LEAST_WIDTH = 180
HISTOGRAM = (200, 90)
"""Width and height of one histogram with its labels, pixels."""


def thumbnail_png(preview: NDArray[np.int16]) -> bytes:
    """NDVI as a PNG with a colour bar, at most `MAX_BYTES`.

    `preview` is (y, x), units of 1e-4, nodata -32768 (drawn white). Fewer colours are used, then
    fewer pixels, where a noisy picture would be too large.
    """
    png = b""
    for step in (1, 2, 3, 4):
        for colours in (128, 32, 12):
            png = _thumbnail(preview[::step, ::step], colours)
            if len(png) <= MAX_BYTES:
                return png
    return png


def glance_webp(preview: NDArray[np.int16]) -> bytes:
    """NDVI in the thumbnail's colours as a very small WebP, at most `GLANCE_BYTES`, no colour bar.

    `preview` is (y, x), units of 1e-4, nodata -32768 (drawn white).
    """
    picture = _picture(preview, 128).convert("RGB")
    webp = b""
    for side in (120, 96, 72, 48, 32):
        small = picture.copy()
        small.thumbnail((side, side))
        for quality in (10, 3):
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=quality, method=6)
            webp = buffer.getvalue()
            if len(webp) <= GLANCE_BYTES:
                return webp
    return webp


def histograms_png(preview: NDArray[np.int16], age: NDArray[np.int16]) -> bytes:
    """NDVI and age of a day's pixels as two histograms, PNG.

    `preview` is (y, x) NDVI in units of 1e-4, nodata -32768; `age` (y, x) days, -1 = none.
    """
    width, height = HISTOGRAM
    image = Image.new("RGB", (2 * width, height), EMPTY)
    draw = ImageDraw.Draw(image)
    ages = age[age >= 0]
    oldest = int(ages.max(initial=0))
    main = PRODUCT.main
    values = preview[preview != NODATA] * main.scale
    _histogram(draw, 0, values, main.shown, 48, GREEN, main.title)
    _histogram(draw, width, ages, (0, oldest + 1), min(oldest + 1, 48), BROWN, "age, days")
    return _png(image.quantize(16))


def series_png(series: Mapping[str, tuple[Sequence[date], Sequence[float]]]) -> bytes:
    """Mean NDVI over days, one line per field, PNG.

    `series` maps a field's name to its days and values; nan leaves a gap.
    """
    from matplotlib.figure import Figure  # takes a second, and most runs draw no series

    figure = Figure(figsize=(5.2, 2.2), dpi=80, layout="constrained")
    axes = figure.subplots()
    for name, (days, values) in series.items():
        axes.plot(
            np.array(days, "datetime64[D]"), values, marker=".", markersize=3, lw=1, label=name
        )
    axes.set_ylabel(f"mean {PRODUCT.main.title}")
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=7, rotation=20)
    if series:
        axes.legend(fontsize=6, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _png(Image.open(buffer).convert("RGB").quantize(32))


def _picture(preview: NDArray[np.int16], colours: int) -> Image.Image:
    """NDVI with a palette: 0 is missing, 1 to `colours` low to high, the next one is ink."""
    classes = ndvi_class(preview)
    index = np.where(classes, 1 + (classes.astype(int) - 1) * colours // 255, 0).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette([*EMPTY, *_ramp(colours).ravel().tolist(), *INK])
    return image


def _thumbnail(preview: NDArray[np.int16], colours: int) -> bytes:
    low, high = PRODUCT.main.shown
    picture = _picture(preview, colours)
    width, height = picture.size
    image = Image.new("P", (max(width, LEAST_WIDTH), height + BAR_HEIGHT), 0)
    image.putpalette(picture.getpalette() or [])
    image.paste(picture, ((image.width - width) // 2, 0))
    draw = _plain(ImageDraw.Draw(image))
    length = image.width - 2 * MARGIN
    for x in range(length):
        draw.line([(MARGIN + x, height + 6), (MARGIN + x, height + 15)], 1 + x * colours // length)
    for value, text in ((low, f"{low:g}"), (0.4, f"{PRODUCT.main.title} 0.4"), (high, f"{high:g}")):
        at = MARGIN + (value - low) / (high - low) * length
        draw.text((at, height + 18), text, colours + 1, _font(), anchor="mt")
    return _png(image)


def _histogram(
    draw: ImageDraw.ImageDraw,
    left: int,
    values: NDArray[np.integer] | NDArray[np.floating],
    span: tuple[float, float],
    bins: int,
    colour: tuple[int, int, int],
    title: str,
) -> None:
    width, height = HISTOGRAM[0] - 2 * MARGIN, HISTOGRAM[1] - BAR_HEIGHT
    counts, _ = np.histogram(values, bins, span)
    for i, share in enumerate(counts / max(int(counts.max()), 1)):
        x0, x1 = (left + MARGIN + round(width * k / bins) for k in (i, i + 1))
        draw.rectangle([x0, 4 + (1 - share) * height, x1 - 1, 4 + height], fill=colour)
    draw.line([left + MARGIN, 5 + height, left + MARGIN + width, 5 + height], fill=INK)
    for at, text in ((0.0, f"{span[0]:g}"), (0.5, title), (1.0, f"{span[1]:g}")):
        place = (left + MARGIN + at * width, height + 10)
        _plain(draw).text(place, text, INK, _font(), anchor="mt")


def _ramp(colours: int) -> NDArray[np.uint8]:
    """(colours, 3) RGB."""
    every = ramp.colours(PRODUCT.main.colours)
    chosen: NDArray[np.uint8] = every[np.linspace(1, 255, colours).round().astype(int)]
    return chosen


def _plain(draw: ImageDraw.ImageDraw) -> ImageDraw.ImageDraw:
    """Text without soft edges, which a palette cannot hold."""
    draw.fontmode = "1"
    return draw


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(10)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
