"""What GDAL is let open: one kind of file, of a size that scenes have, within a deadline."""

import time

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from hydro_pipeline.errors import SceneError, SceneGoneError, SceneReadError
from hydro_pipeline.imagery import reading
from hydro_pipeline.imagery.opening import opened
from hydro_pipeline.imagery.reading import gdal_environment, read_with_retries
from hydro_pipeline.parallel import Tries
from hydro_pipeline.scenes.doors import Doors
from hydro_pipeline.settings import Settings
from tests.support.certificates import Authority
from tests.support.loopback import dripping, http, saying, serve, silent

TILES = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "SPARSE_OK": True}
GRID = GeoBox((64, 64), rasterio.Affine(10, 0, 600_000, 0, -10, 5_700_000), "EPSG:32631")


def tiff(path, **options):
    options = {"count": 1, "dtype": "uint16", "width": 64, "height": 64} | options
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32631", transform=GRID.affine, **options
    ) as file:
        if file.width == 64:
            file.write(np.ones((file.count, 64, 64), options["dtype"]))
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    options = {"MAX_RETRY": "0", "CONNECTTIMEOUT": "1", "LOW_SPEED_TIME": "1", "TIMEOUT": "1"}
    options = {f"GDAL_HTTP_{name}": value for name, value in options.items()}
    monkeypatch.setattr(reading, "GDAL_OPTIONS", reading.GDAL_OPTIONS | options)
    monkeypatch.setattr(reading, "TRIES", Tries(attempts=2, first_delay=0.01, limit=0.5))


def shape(href, **settings):
    known = Settings.load(**settings)

    def read(path):
        with opened(path) as file:
            return file.shape

    with gdal_environment(known):
        return read_with_retries("S", str(href), Doors.of(known), read)


def local(path):
    return shape(path, catalog=str(path.parent / "items.json"))


def test_a_tiff_is_read(tmp_path):
    assert local(tiff(tmp_path / "a.tif")) == (64, 64)


def test_other_formats_are_not(tmp_path):
    source = tiff(tmp_path / "a.tif")
    vrt = (
        '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="UInt16" band="1">'
        f"<SimpleSource><SourceFilename>{source}</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    service = "<Service name='TMS'><ServerUrl>http://127.0.0.1/</ServerUrl></Service>"
    wms = f"<GDAL_WMS>{service}</GDAL_WMS>"
    pixels = np.ones((1, 64, 64), np.uint8)
    for driver in ("PNG", "JPEG"):
        with rasterio.open(
            tmp_path / driver, "w", driver=driver, width=64, height=64, count=1, dtype="uint8"
        ) as file:
            file.write(pixels)
    for name, content in {"vrt": vrt, "wms": wms}.items():
        (tmp_path / name).write_text(content)
    with rasterio.open(tmp_path / "vrt") as readable:
        assert readable.read(1).any()
    for name in ("vrt", "wms", "PNG", "JPEG"):
        disguised = (tmp_path / name).rename(tmp_path / f"{name}.tif")
        with pytest.raises(SceneReadError, match="not recognized as being in a supported file"):
            local(disguised)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"width": 16_384, "height": 16_384, **TILES}, "8192 x 8192 pixels, too large"),
        ({"width": 90_000, "height": 90_000, **TILES}, "90000 x 90000 pixels, more than 32768"),
        ({"width": 40_000, "height": 1, "SPARSE_OK": True}, "more than 32768 on a side"),
        ({"count": 3}, "3 bands"),
        ({"dtype": "float64"}, "bands of float64"),
    ],
)
def test_a_file_larger_than_any_scenes_is_refused_before_it_is_read(tmp_path, options, why):
    path = tiff(tmp_path / "a.tif", **options)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(SceneError, match=rf"scene S: .*a\.tif is not read: .*{why}"):
        local(path)


def test_an_address_that_is_not_opened_is_named_without_its_query():
    with pytest.raises(SceneError, match=r"scene S: https://127\.0\.0\.1/a\?\*\*\* is not opened"):
        shape("https://127.0.0.1/a?sig=secret")


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_is_silent_or_drips_ends_in_time(drips):
    whole = http(b"x" * 100_000, media_type="image/tiff", Accept_Ranges="bytes")
    started = time.monotonic()
    late = pytest.raises(SceneReadError, match="could not be read")
    with serve(dripping(whole, 9) if drips else silent) as server, late:
        shape(f"{server.url}/a{drips}.tif", trusted="127.0.0.1")
    assert time.monotonic() - started < 5


def test_certificates_are_final_or_trusted_by_a_setting(tmp_path):
    authority = Authority.make(tmp_path)
    missing = saying(http(b"", status="404 Not Found"))
    with serve(missing, authority.context()) as server:
        untrusted = r"\(1 try\): its TLS certificate is not trusted.*HYDRO_CA_FILE"
        with pytest.raises(SceneError, match=untrusted):
            shape(f"{server.url}/a.tif", trusted="127.0.0.1")
        with pytest.raises(SceneGoneError, match="404"):
            shape(f"{server.url}/b.tif", trusted="127.0.0.1", ca_file=str(authority.file))
    refused = pytest.raises(SceneError, match="not trusted")
    with serve(missing, authority.context("127.0.0.2")) as server, refused:
        shape(f"{server.url}/c.tif", trusted="127.0.0.1", ca_file=str(authority.file))
