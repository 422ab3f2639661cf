"""What GDAL is let open: one kind of file, of a size that scenes have, within a deadline."""

import re
import socket
import time

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from hydro_pipeline.errors import SceneError, SceneGoneError, SceneReadError
from hydro_pipeline.imagery import gdal, reading
from hydro_pipeline.imagery.gdal import gdal_environment
from hydro_pipeline.imagery.opening import opened
from hydro_pipeline.imagery.reading import read_with_retries
from hydro_pipeline.parallel import Tries
from hydro_pipeline.scenes import doors
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
    monkeypatch.setattr(gdal, "GDAL_OPTIONS", gdal.GDAL_OPTIONS | options)
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
    with pytest.raises(SceneError, match=rf"scene S: .*a\.tif is not read: .*{why}") as caught:
        local(path)
    assert caught.value.scene_id == "S"


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


def behind(content, to="", status="302 Found", after=0):
    """A server of one file, which after so many answers leads to `to` instead."""
    left = [after]

    def answer(connection, head):
        asked = re.search(rb"Range: bytes=(\d+)-(\d+)", head)
        left[0] -= 1
        if to and left[0] < 0:
            said = http(b"", status, Location=to)
        elif asked and not head.startswith(b"HEAD"):
            first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            place = f"bytes {first}-{last}/{len(content)}"
            part = content[first : last + 1]
            said = http(part, "206 Partial Content", "image/tiff", Content_Range=place)
        else:
            said = http(content, media_type="image/tiff", Accept_Ranges="bytes")
            said = said[: -len(content)] if head.startswith(b"HEAD") else said
        connection.sendall(said)

    return answer


def pixels(href, **settings):
    known = Settings.load(trusted="127.0.0.1", **settings)

    def read(path):
        with opened(path) as file:
            return file.read(1)

    with gdal_environment(known):
        return read_with_retries("S", href, Doors.of(known), read)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(7).integers(0, 9000, (512, 512)).astype("uint16")


@pytest.fixture(scope="module")
def content(noise, tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "a.tif"
    options = {"width": 512, "height": 512, "tiled": True, "blockxsize": 256, "blockysize": 256}
    tiff(path, **options)
    with rasterio.open(path, "r+") as file:
        file.write(noise, 1)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("to", "status", "why"),
    [
        ("http://169.254.169.254/latest", "302 Found", "169.254.169.254 is inside a network"),
        ("https://169.254.169.254/latest", "307 Temporary Redirect", "169.254.169.254 is inside"),
        ("http://localhost:{port}/b.tif", "301 Moved", "localhost is .*, inside a network"),
        ("http://[::1]:{port}/b.tif", "308 Permanent Redirect", "::1 is inside a network"),
        ("http://0x7f000002:{port}/b.tif", "303 See Other", "127.0.0.2 is inside a network"),
    ],
)
@pytest.mark.parametrize("after", [0, 1], ids=["at once", "once it is open"])
def test_a_redirect_into_a_network_is_refused_by_name(content, to, status, why, after, request):
    name = re.sub(r"\W", "", request.node.name)
    with serve(behind(content)) as inner:
        to = to.format(port=inner.port)
        refused = pytest.raises(SceneError, match=rf"^scene S: .*tif is not read: .*{why}.*HYDRO_T")
        with serve(behind(content, to, status, after)) as server, refused as caught:
            pixels(f"{server.url}/{name}.tif")
        assert caught.value.scene_id == "S"  # So that it can be done without.
        assert inner.heads == []
        assert len(server.heads) <= after + 3


def test_a_redirect_to_a_file_is_not_followed(content, tmp_path):
    path = tmp_path / "secret.tif"
    path.write_bytes(content)
    with serve(behind(content, f"file://{path}")) as server, pytest.raises(SceneReadError):
        pixels(f"{server.url}/file.tif")


def test_redirects_among_trusted_places_are_followed(content, noise):
    with (
        serve(behind(content)) as last,
        serve(behind(content, f"{last.url}/c.tif")) as middle,
        serve(behind(content, f"{middle.url}/b.tif", "307 Temporary Redirect")) as first,
    ):
        assert (pixels(f"{first.url}/chain.tif") == noise).all()
        assert first.heads
        assert middle.heads
        assert last.heads


def test_a_chain_is_refused_where_it_leaves_them(content):
    with (
        serve(behind(content)) as inner,
        serve(behind(content, f"http://localhost:{inner.port}/c.tif")) as middle,
        serve(behind(content, f"{middle.url}/b.tif")) as first,
    ):
        with pytest.raises(SceneError, match="localhost is"):
            pixels(f"{first.url}/leaving.tif")
        assert inner.heads == []


def test_a_redirect_to_the_internet_is_followed_over_tls_alone(
    content, noise, tmp_path, monkeypatch
):
    monkeypatch.setattr(doors, "_public", lambda address: address.is_loopback)
    authority = Authority.make(tmp_path)
    known = {"ca_file": str(authority.file)}
    with serve(behind(content)) as plain:
        to = f"http://localhost:{plain.port}/b.tif"
        refused = pytest.raises(SceneError, match="leads to http, which is only spoken to")
        with serve(behind(content, to)) as server, refused:
            pixels(f"{server.url}/down.tif", **known)
        assert plain.heads == []
    with serve(behind(content), authority.context("localhost")) as tls:
        to = f"https://localhost:{tls.port}/b.tif"
        with serve(behind(content, to)) as server:
            assert (pixels(f"{server.url}/up.tif", **known) == noise).all()
        assert tls.heads


def test_no_proxy_opens_no_door(content, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    with serve(behind(content)) as inner:
        to = f"http://localhost:{inner.port}/b.tif"
        with serve(behind(content, to)) as server, pytest.raises(SceneError, match="localhost is"):
            pixels(f"{server.url}/past.tif")
        assert inner.heads == []


def test_a_name_of_the_internet_that_turns_inward_is_not_connected_to(content, monkeypatch):
    with serve(behind(content)) as server:
        answers = iter(["1.1.1.1"])

        def look_up(_host, port, **_):
            return [(socket.AF_INET, 1, 6, "", (next(answers, "127.0.0.1"), port or 0))]

        monkeypatch.setattr(doors.socket, "getaddrinfo", look_up)
        with pytest.raises(SceneError, match=r"turning\.example is 127\.0\.0\.1, inside"):
            pixels(f"https://turning.example:{server.port}/a.tif")
        assert server.heads == []


def test_a_host_that_does_not_answer_or_is_not_known_is_said_in_plain_words(monkeypatch):
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(SceneReadError, match=r"2 tries\): .*no connection to 127\.0\.0\.1"):
        pixels(f"http://127.0.0.1:{port}/none.tif")
    with pytest.raises(SceneReadError, match=r"the name of the host nowhere\.invalid is not known"):
        pixels("https://nowhere.invalid/a.tif")


def test_a_proxy_of_the_operators_is_asked_instead(content, noise, monkeypatch):
    with serve(behind(content)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert (pixels("http://127.0.0.1:9/by-proxy.tif") == noise).all()
        assert b" http://127.0.0.1:9/by-proxy.tif " in proxy.heads[0]
