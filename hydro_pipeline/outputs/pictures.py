"""Small pictures of a day for people: a map with a colour bar, histograms, the series of fields."""

import io
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hydro_pipeline.outputs import colours as ramp
from hydro_pipeline.outputs.colours import variable_class
from hydro_pipeline.outside.shown import plain
from hydro_pipeline.product import NODATA
from hydro_pipeline.variable import Anchors, Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BYTES = 44_000
"""Largest thumbnail: as a base64 data URI it stays below 60 KB."""
GLANCE_BYTES = 700
"""Largest glance: Dagster shows Markdown in place up to 1,000 characters, behind a link above."""

EMPTY = (255, 255, 255)
GREEN, BROWN = "#348a40", "#823274"

DPI = 64
"""Pixels of a figure's inch; a power of two, so that a size in pixels is exact in inches."""
BAR_HEIGHT = 34
"""The colour bar with its labels, pixels."""
BAR_COLOURS = 100
MARGIN = 12
LEAST_WIDTH = 180
HISTOGRAMS = (400, 90)
"""Width and height of both histograms with their labels, pixels."""


def thumbnail_png(preview: NDArray[np.int16], variable: Variable) -> bytes:
    """A variable as a PNG with a colour bar, at most `MAX_BYTES`.

    `preview` is (y, x), as stored, nodata -32768 (drawn white). Fewer colours are used, then
    fewer pixels, where a noisy picture would be too large.
    """
    png = b""
    for step in (1, 2, 3, 4):
        for colours in (128, 32, 12):
            png = _thumbnail(preview[::step, ::step], variable, colours)
            if len(png) <= MAX_BYTES:
                return png
    return png


def glance_webp(preview: NDArray[np.int16], variable: Variable) -> bytes:
    """A variable in the thumbnail's colours as a very small WebP, at most `GLANCE_BYTES`, no bar.

    `preview` is (y, x), as stored, nodata -32768 (drawn white).
    """
    picture = _picture(preview, variable, 128).convert("RGB")
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


def histograms_png(preview: NDArray[np.int16], age: NDArray[np.int16], variable: Variable) -> bytes:
    """A variable and the age of a day's pixels as two histograms, PNG.

    `preview` is (y, x), as stored, nodata -32768; `age` (y, x) days, -1 = none.
    """
    figure = _figure(*HISTOGRAMS)
    left, right = figure.subplots(1, 2)
    values = preview[preview != NODATA] * variable.scale
    _histogram(left, values, variable.shown, 48, GREEN, variable.title)
    ages = age[age >= 0]
    oldest = int(ages.max(initial=0)) + 1
    _histogram(right, ages, (0, oldest), min(oldest, 48), BROWN, "age, days")
    figure.subplots_adjust(left=0.03, right=0.97, bottom=0.3, top=0.97, wspace=0.13)
    return _png(_drawn(figure).quantize(16))


def series_png(
    series: Mapping[str, tuple[Sequence[date], Sequence[float]]], variable: Variable
) -> bytes:
    """The mean of a variable over days, one line per field, PNG.

    `series` maps a field's name to its days and values; nan leaves a gap.
    """
    figure = _figure(416, 176)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for days, values in series.values():
        axes.plot(np.array(days, "datetime64[D]"), values, marker=".", markersize=3, lw=1)
    axes.set_ylabel(f"mean {variable.title}")
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=7, rotation=20)
    if series:
        legend = axes.legend(axes.lines, map(plain, series), fontsize=6, frameon=False)
        for name in legend.get_texts():
            name.set_parse_math(False)
    return _png(_drawn(figure).quantize(32))


def _picture(preview: NDArray[np.int16], variable: Variable, colours: int) -> Image.Image:
    """A variable with a palette: 0 is missing, 1 to `colours` low to high."""
    classes = variable_class(preview, variable)
    index = np.where(classes, 1 + (classes.astype(int) - 1) * colours // 255, 0).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette([*EMPTY, *_ramp(variable.colours, colours).ravel().tolist()])
    return image


def _thumbnail(preview: NDArray[np.int16], variable: Variable, colours: int) -> bytes:
    picture = _picture(preview, variable, colours)
    bar = _bar(max(picture.width, LEAST_WIDTH), variable.colours, variable.title)
    image = Image.new("P", (bar.width, picture.height + BAR_HEIGHT), 0)
    palette = (picture.getpalette() or [])[: 3 * (1 + colours)]
    image.putpalette(palette + (bar.getpalette() or []))
    image.paste(picture, ((image.width - picture.width) // 2, 0))
    image.paste(Image.fromarray(np.asarray(bar) + np.uint8(1 + colours)), (0, picture.height))
    return _png(image)


@cache
def _bar(width: int, anchors: Anchors, title: str) -> Image.Image:
    """Colours with labels, `width` times `BAR_HEIGHT` pixels, of `BAR_COLOURS`."""
    shown = anchors[0][0], anchors[-1][0]
    figure = _figure(width, BAR_HEIGHT)
    axes = figure.add_axes((MARGIN / width, 0.55, 1 - 2 * MARGIN / width, 0.3))
    axes.imshow(_ramp(anchors, 255)[np.newaxis], aspect="auto", extent=(*shown, 0, 1))
    _label(axes, shown, title)
    axes.spines[:].set_visible(False)
    return _drawn(figure).quantize(BAR_COLOURS)


def _histogram(
    axes: "Axes",
    values: NDArray[np.integer] | NDArray[np.floating],
    span: tuple[float, float],
    bins: int,
    colour: str,
    title: str,
) -> None:
    counts, edges = np.histogram(values, bins, span)
    axes.stairs(counts, edges, fill=True, color=colour)
    _label(axes, span, title)
    axes.spines[["left", "right", "top"]].set_visible(False)


def _label(axes: "Axes", span: tuple[float, float], title: str) -> None:
    """Nothing but a title between the numbers at both ends."""
    low, high = span
    axes.set(xlim=span, yticks=[])
    axes.set_xticks([low, (low + high) / 2, high], labels=[f"{low:g}", title, f"{high:g}"])
    axes.tick_params(labelsize=10, length=0, pad=2)


def _figure(width: int, height: int) -> "Figure":
    """An empty figure, its size in pixels, outside of pyplot."""
    from matplotlib.figure import Figure  # takes a second, and only what draws needs it

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI)


def _drawn(figure: "Figure") -> Image.Image:
    """A figure's pixels, RGB."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def _ramp(anchors: Anchors, colours: int) -> NDArray[np.uint8]:
    """(colours, 3) RGB."""
    every = ramp.colours(anchors)
    chosen: NDArray[np.uint8] = every[np.linspace(1, 255, colours).round().astype(int)]
    return chosen


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
