"""How the files of scenes are opened and read: odc-stac's rasterio driver, made strict.

A read either gives the right pixels or raises `SceneReadError`, after it was tried again while the
failure may pass, or `SceneGoneError` at once.
"""

import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver, RioReader
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from hydro_pipeline.errors import SceneError, SceneGoneError, SceneReadError
from hydro_pipeline.imagery.gdal import drop_cached, options_of, with_authorities
from hydro_pipeline.imagery.opening import read as read_file
from hydro_pipeline.imagery.relay import in_words, refusal, relayed
from hydro_pipeline.outside.deadlines import IMAGERY_READ_S
from hydro_pipeline.outside.trust import UNTRUSTED, untrusted
from hydro_pipeline.outside.urls import shown
from hydro_pipeline.parallel import Tries, retry
from hydro_pipeline.scenes.doors import Doors, ShutError
from hydro_pipeline.settings import Settings

GONE = (
    *(f"HTTP response code: {status}" for status in (401, 403, 404)),
    *("AccessDenied", "SignatureDoesNotMatch", "ObjectNotFound", "BucketNotFound"),
)
"""What GDAL says of a file that is not there or not for us, over HTTP and in S3."""
TRIES = Tries(attempts=4, first_delay=1.0, limit=IMAGERY_READ_S)
"""Of a read, on top of GDAL's own retries of single requests."""


class Kept:
    """What was read of files for a strip of `grid`, for the next one south of it; for threads.

    `margin_m` is how far beyond its strip a pixel may be needed.
    """

    def __init__(self, grid: GeoBox, margin_m: float) -> None:
        self._grid, self._margin_m = grid, margin_m
        self._lock = threading.Lock()
        self._pieces: dict[tuple[str, GeoBox], Any] = {}

    def piece(self, href: str, where: GeoBox, read: Callable[[], Any]) -> Any:
        """What `read` gives for that place of a file, called once while it is kept."""
        with self._lock:
            if (href, where) in self._pieces:
                return self._pieces[href, where]
        piece = read()
        with self._lock:
            self._pieces[href, where] = piece
        return piece

    def drop(self, row: int) -> None:
        """Let go of what is not needed for `row` of the grid and the rows south of it."""
        _, north = self._grid.affine @ (0, row)
        with self._lock:
            self._pieces = {
                key: piece
                for key, piece in self._pieces.items()
                if key[1].boundingbox.bottom < north + self._margin_m
            }


class SceneDriver(RioDriver):
    """Reads one scene's file, only within `grid`, and names both in errors."""

    def __init__(
        self, scene_id: str, grid: GeoBox, settings: Settings, kept: Kept | None = None
    ) -> None:
        super().__init__()
        self.scene_id = scene_id
        self.grid = grid
        self.kept = kept
        self.doors = Doors.of(settings)
        self._options = options_of(settings)

    def capture_env(self) -> dict[str, Any]:
        """All that a read depends on, so that dask tells different reads apart."""
        return {"options": self._options, "scene": self.scene_id, "grid": self.grid}

    @contextmanager
    def restore_env(self, env: dict[str, Any], load_state: Any) -> Iterator[Any]:
        """The GDAL environment of a read."""
        _quieten()
        options = with_authorities(env["options"]) | relayed(self.doors)
        with super().restore_env(options, load_state) as context:
            yield context

    def open(self, src: RasterSource, ctx: Any) -> "SceneReader":
        """A reader of `src`; opens nothing yet."""
        return SceneReader(src, ctx, self)


class SceneReader(RioReader):
    """Reads windows of one file."""

    def __init__(self, src: RasterSource, ctx: Any, driver: SceneDriver) -> None:
        super().__init__(src, ctx)
        self._driver = driver

    def read(
        self, cfg: RasterLoadParams, dst_geobox: GeoBox, *, dst: Any = None, selection: Any = None
    ) -> Any:
        """Where pixels of `dst_geobox` within the driver's grid belong in it, and the pixels, which
        `paste` reads right there unless they are kept.
        """
        driver, inner = self._driver, dst_geobox.overlap_roi(self._driver.grid)
        geobox, href = dst_geobox[inner], self._src.uri

        def read_into(place: NDArray[Any]) -> NDArray[Any]:
            def read(path: str) -> None:
                read_file(path, cfg, geobox, place)

            read_with_retries(driver.scene_id, href, driver.doors, read)
            return place

        def piece() -> NDArray[Any]:
            return read_into(np.zeros(geobox.shape.yx, cfg.dtype))

        if driver.kept is None:
            return inner, _Unread(geobox.shape.yx, read_into)
        return inner, driver.kept.piece(href, dst_geobox, piece)


@dataclass(frozen=True)
class _Unread:
    """Pixels that are still to be read: what odc-loader asks of an array, before it is pasted."""

    shape: tuple[int, int]
    read_into: Callable[[NDArray[Any]], NDArray[Any]]
    ndim: int = 2


def paste(place: NDArray[Any], pixels: NDArray[Any] | _Unread) -> None:
    """Put the pixels of the one file that is read into a place that is all 0."""
    if isinstance(pixels, _Unread):
        pixels.read_into(place)
    else:
        place[...] = pixels


class _FailedError(Exception):
    """A try of a read that failed."""

    def __init__(self, reason: str, tries: int, may_pass: bool) -> None:
        super().__init__(reason)
        self.reason, self.tries, self.may_pass = reason, tries, may_pass


def read_with_retries[T](scene_id: str, href: str, doors: Doors, read: Callable[[str], T]) -> T:
    """What `read` gives of the path that GDAL opens, tried again while its failure may pass.

    Raises at once `SceneError` where the file is not to be opened, or its server leads to what is
    not, or is not to be trusted, and `SceneGoneError` where it is gone; else `SceneReadError` in
    the end.
    """
    try:
        path = doors.file(href)
    except ShutError as error:
        told = f"scene {scene_id}: {shown(href)} is not opened: {error}"
        raise SceneError(told, scene_id) from None

    def attempt(number: int) -> T:
        try:
            return read(path)
        except ShutError as error:
            told = f"scene {scene_id}: {shown(href)} is not read: {error}"
            raise SceneError(told, scene_id) from None
        except Exception as error:
            drop_cached(href)
            reason = _reason(error)
            final = _gone(reason) or untrusted(reason) or refusal(reason, doors) is not None
            may_pass = "://" in path and isinstance(error, RasterioIOError) and not final
        raise _FailedError(reason, number, may_pass)

    try:
        return retry(attempt, TRIES, lambda e: isinstance(e, _FailedError) and e.may_pass)
    except _FailedError as error:
        failed = error
    # Out of the handlers: GDAL's error as its context would keep it from being pickled.
    shut = refusal(failed.reason, doors)
    if shut is not None:
        raise SceneError(f"scene {scene_id}: {shown(href)} is not read: {shut}", scene_id)
    why = shown(in_words(failed.reason))
    if untrusted(failed.reason):
        why = f"{UNTRUSTED} ({why})"
    message = (
        f"scene {scene_id}: {shown(href)} could not be read "
        f"({failed.tries} {'try' if failed.tries == 1 else 'tries'}): {why}"
    )
    if _gone(failed.reason):
        raise SceneGoneError(message, scene_id)
    if untrusted(failed.reason):
        raise SceneError(message)
    raise SceneReadError(message)


def _gone(reason: str) -> bool:
    return any(text in reason for text in GONE)


@functools.cache
def _quieten() -> None:
    """Silence what is raised anyway or says nothing; once a process, before its first read."""
    logging.getLogger("odc.loader._rio").setLevel(logging.CRITICAL)
    # Warping silences this for a moment, but not safely where threads do so at once.
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)


def _reason(error: BaseException) -> str:
    """The texts of an error and of what caused it."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause).removesuffix(" See previous exception for details.")
        if text and text not in texts:
            texts.append(text)
        cause = cause.__cause__ or cause.__context__
    return " <- ".join(texts)[:500] or type(error).__name__
