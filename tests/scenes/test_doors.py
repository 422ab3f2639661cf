"""Which addresses of assets are opened, and why others are not."""

import ipaddress
import socket

import pytest

from hydro_pipeline.scenes import doors
from hydro_pipeline.scenes.doors import Doors, ShutError
from hydro_pipeline.settings import Settings

PUBLIC = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/a/B04.tif"


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Names as they would be resolved: `inside` to a private address, others to a public one."""
    real = socket.getaddrinfo

    def resolve(host, *args, **kwargs):
        if host.endswith((".com", ".org")):
            host = "10.1.2.3" if "inside" in host else "8.8.8.8"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    doors._addresses.cache_clear()
    yield
    doors._addresses.cache_clear()


def opened(href: str, catalog: str = "https://stac.example.com/v1", **settings) -> str:
    return Doors.of(Settings.load(catalog=catalog, **settings)).file(href)


@pytest.mark.parametrize(
    "href", [PUBLIC, PUBLIC + "?sig=a%2Fb", "https://8.8.8.8:444/x", "s3://sentinel-cogs/a b.tif"]
)
def test_what_is_public_is_opened_as_it_is(href):
    assert opened(href) == href


SHUT = {
    "vrt://https://example.com/a.tif": "vrt:// is not read",
    "zip+https://example.com/a.zip": "is not read",
    "ftp://example.com/a.tif": "ftp:// is not read",
    "gs://bucket/a.tif": "gs:// is not read",
    "az://bucket/a.tif": "az:// is not read",
    "zip:///a.zip!b.tif": "zip:// is not read",
    "http://example.com/a.tif": "http is only spoken to a catalog that is asked over it",
    "http://stac.example.com/a.tif": "http is only spoken",
    "https://169.254.169.254/latest/meta-data": "169.254.169.254 is inside a network",
    "https://127.0.0.1/a.tif": "inside a network",
    "https://2130706433/a.tif": "127.0.0.1, inside",
    "https://0x7f.1/a.tif": "127.0.0.1, inside",
    "https://0177.0.0.1/a.tif": "127.0.0.1, inside",
    "https://127.1/a.tif": "127.0.0.1, inside",
    "https://0/a.tif": "inside",
    "https://10.0.0.1/a.tif": "inside",
    "https://172.16.0.1/a.tif": "inside",
    "https://192.168.1.1:8443/a.tif": "inside",
    "https://100.64.0.1/a.tif": "inside",
    "https://[::1]/a.tif": "inside",
    "https://[fd00::1]/a.tif": "inside",
    "https://[fe80::1]/a.tif": "inside",
    "https://[::ffff:127.0.0.1]/a.tif": "inside",
    "https://[::ffff:a9fe:a9fe]/a.tif": "inside",
    "https://[64:ff9b::a9fe:a9fe]/a.tif": "inside",
    "https://[2002:7f00:1::]/a.tif": "inside",
    "https://localhost/a.tif": "inside",
    "https://LOCALHOST./a.tif": "inside",
    "https://inside.example.com/a.tif": "10.1.2.3, inside",
    "https://example.com@127.0.0.1/a.tif": "no plain address",
    "https://example.com\\@127.0.0.1/a.tif": "no plain address",
    "https://example.com/a\nb": "no plain address",
    "https://[::1%25lo]/a.tif": "no plain address",
    "https:///a.tif": "no plain address",
    "https://１２７.0.0.1/a.tif": "no plain address",
    "s3://a@b/key": "no bucket",
    "s3:///key": "no bucket",
    "/etc/passwd": "a file of this machine",
    "file:///etc/passwd": "a file of this machine",
    "/vsicurl/http://127.0.0.1/a.tif": "a file of this machine",
    "data:image/tiff;base64,AAAA": "a file of this machine",
    "<VRTDataset/>": "a file of this machine",
}


@pytest.mark.parametrize(("href", "why"), SHUT.items(), ids=[ascii(href) for href in SHUT])
def test_what_is_not_is_refused_by_name(href, why):
    with pytest.raises(ShutError) as error:
        opened(href)
    assert why in str(error.value)


def test_the_catalogs_own_host_may_be_inside():
    assert opened("http://localhost:9000/a.tif", "http://localhost:8080/v1")
    assert opened("https://localhost:9000/a.tif", "https://localhost/v1")
    assert opened("https://127.0.0.1/a.tif", "http://127.0.0.1:1/items.json")
    bucket = {"s3_endpoint_url": "http://minio:9000", "catalog": "s3://bucket/items.json"}
    assert opened("http://minio:9000/bucket/a.tif", **bucket)
    with pytest.raises(ShutError, match="http is only spoken"):
        opened("http://localhost/a.tif", "https://localhost/v1")
    with pytest.raises(ShutError, match="inside a network"):
        opened("https://127.0.0.1/a.tif", "http://localhost:8080/v1")


def test_what_is_trusted_by_name_is_opened(tmp_path):
    trusted = f"minio, 10.0.0.1,{tmp_path}"
    for href in ("http://minio:9000/a.tif", "https://10.0.0.1/a.tif", f"{tmp_path}/a.tif"):
        assert opened(href, trusted=trusted) == href
    with pytest.raises(ShutError):
        opened("https://10.0.0.2/a.tif", trusted=trusted)


def test_files_are_those_under_the_catalogs_folder(tmp_path):
    folder, beyond = tmp_path / "season", tmp_path / "beyond.tif"
    (folder / "scene").mkdir(parents=True)
    beyond.write_bytes(b"")
    (folder / "link.tif").symlink_to(beyond)
    (folder / "way").symlink_to(tmp_path)
    catalog = str(folder / "items.json")
    inside = str(folder / "scene" / "a b.tif")
    assert opened(inside, catalog) == inside
    assert opened(f"file://{folder}/scene/a%20b.tif", catalog) == inside
    assert opened(f"{folder}/scene/../c.tif", catalog) == f"{folder}/c.tif"
    for href in (
        *(f"{folder}/../beyond.tif", f"{folder}/link.tif", f"{folder}/way/beyond.tif"),
        *(str(beyond), f"file://{beyond}", f"{folder}-other/a.tif", "/etc/passwd"),
    ):
        with pytest.raises(ShutError, match="beyond the catalog's folder"):
            opened(href, catalog)
    for href in ("/vsizip/a.zip", f"/VSICURL/http://127.0.0.1{folder}", "a.tif", f"{folder}/\0"):
        with pytest.raises(ShutError, match="no plain path"):
            opened(href, catalog)


def test_a_name_that_cannot_be_resolved_is_left_to_the_reader(monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert opened(PUBLIC) == PUBLIC
    with pytest.raises(socket.gaierror):
        Doors.of(Settings.load()).addresses("example.com")


def test_addresses_are_looked_up_anew(monkeypatch):
    """Who owns a name says where it leads, each time."""
    known = Doors.of(Settings.load(catalog="https://own.example/v1"))
    assert doors.internal("example.org") is None

    def inward(_host, port, **_):
        return [(socket.AF_INET, 1, 6, "", ("10.1.2.3", port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", inward)
    assert known.addresses("own.example") == [ipaddress.ip_address("10.1.2.3")]
    with pytest.raises(ShutError, match=r"example\.org is 10\.1\.2\.3, inside a network"):
        known.addresses("example.org")


def test_a_name_is_resolved_once(monkeypatch):
    asked = []
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: asked.append(host) or real(host, *a, **k)
    )
    for n in range(3):
        opened(f"https://example.org/{n}.tif")
    assert asked == ["example.org"]
    assert doors.internal("example.org") is None
    assert ipaddress.ip_address("8.8.8.8") in doors._addresses("example.org")
