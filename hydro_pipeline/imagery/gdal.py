"""How GDAL is set up for the files of scenes, and what is asked of them ahead of their reads.

Imagery is public and read unsigned: whatever keys the environment holds for the private bucket are
not used here.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rasterio import Env, cache
from rasterio.errors import RasterioError
from rasterio.session import AWSSession

from hydro_pipeline.imagery.opening import opened
from hydro_pipeline.imagery.relay import relayed
from hydro_pipeline.outside.deadlines import IMAGERY, IMAGERY_BYTES_PER_S
from hydro_pipeline.outside.trust import bundle
from hydro_pipeline.scenes.doors import Doors, ShutError
from hydro_pipeline.settings import Settings

GDAL_OPTIONS: dict[str, str | int] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": 16 << 20,
    "GDAL_NUM_THREADS": "ALL_CPUS",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_NETRC": "NO",
    "GDAL_HTTP_CONNECTTIMEOUT": f"{IMAGERY.connect:g}",
    "GDAL_HTTP_LOW_SPEED_TIME": f"{IMAGERY.read:g}",
    "GDAL_HTTP_LOW_SPEED_LIMIT": f"{IMAGERY_BYTES_PER_S}",
    "GDAL_HTTP_TIMEOUT": f"{IMAGERY.total:g}",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "CPL_VSIL_CURL_CACHE_SIZE": "16777216",
    "CPL_VSIL_CURL_CHUNK_SIZE": "4096",
    "AWS_HTTPS": "YES",
    "AWS_VIRTUAL_HOSTING": "TRUE",
}
PUBLIC_S3 = {"endpoint_url": "s3.amazonaws.com", "region_name": "us-west-2"}
"""Where `s3://` hrefs of scenes are, whatever the environment says of the private bucket."""

PROBE_OPTIONS: dict[str, str | int] = {
    "GDAL_HTTP_CONNECTTIMEOUT": "5",
    "GDAL_HTTP_TIMEOUT": "5",
    "GDAL_HTTP_MAX_RETRY": "0",
}
"""Where a file is only opened to see whether it can be."""


def drop_cached(href: str) -> None:
    """Drop what GDAL remembers of a remote file: its header, and that it once failed to open.

    Under the options of a read, because GDAL takes some of them for good when first used.
    """
    if "://" in href:
        with Env(AWSSession(aws_unsigned=True), **GDAL_OPTIONS):
            cache.invalidate(href)


def open_ahead(href: str, settings: Settings) -> None:
    """Fetch what is at the beginning of a remote file, so that its reads need not.

    A file that cannot be opened is left for its reads to say so.
    """
    if "://" not in href:
        return
    try:
        with gdal_environment(settings), opened(Doors.of(settings).file(href)):
            pass
    except (RasterioError, ShutError):
        drop_cached(href)


def opens(hrefs: Iterable[str], settings: Settings) -> bool:
    """Whether every one of these files can be opened now: a few small requests, tried once.

    What is in them may still be unreadable.
    """
    doors = Doors.of(settings)
    for href in hrefs:
        drop_cached(href)
        try:
            with gdal_environment(settings, **PROBE_OPTIONS), opened(doors.file(href)):
                pass
        except (RasterioError, ShutError):
            drop_cached(href)
            return False
    return True


@contextmanager
def gdal_environment(settings: Settings, **others: str | int) -> Iterator[None]:
    """GDAL as scenes are read with it, for this thread; `others` replace options of it."""
    options = with_authorities(options_of(settings)) | relayed(Doors.of(settings)) | others
    with Env(AWSSession(**options.pop("_aws")), **options):
        yield


def options_of(settings: Settings) -> dict[str, Any]:
    """GDAL's options for a read, as a value; `with_authorities` makes them those of a machine."""
    signing = (
        {"aws_unsigned": False, "requester_pays": True}
        if settings.requester_pays
        else {"aws_unsigned": True}
    )
    return {**GDAL_OPTIONS, "_aws": {**PUBLIC_S3, **signing}, "_ca_file": settings.ca_file}


def with_authorities(options: dict[str, Any]) -> dict[str, Any]:
    """The options with what this machine's file of authorities means to GDAL."""
    options = dict(options)
    ca_file = options.pop("_ca_file")
    return options | ({"GDAL_CURL_CA_BUNDLE": bundle(ca_file)} if ca_file else {})
