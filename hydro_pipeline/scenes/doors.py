"""Which addresses of a catalog's may be opened: what a catalog says is not to be trusted."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from hydro_pipeline.outside.deadlines import CATALOG, within
from hydro_pipeline.outside.urls import host_of
from hydro_pipeline.settings import Settings

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_URL = re.compile(
    r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?([/?][^\s\\\x00-\x20\x7f]*)?", re.I
)
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[ -~]+")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ShutError(Exception):
    """Says why an address is not opened."""


@dataclass(frozen=True)
class Doors:
    """Where the files of a catalog's scenes may lie."""

    home: str
    """Host of the catalog; empty if it is a file."""
    plain: bool
    """Whether the catalog is asked over http, so that its host's files may be."""
    folders: tuple[Path, ...] = ()
    """Folder of the catalog's file, if it is one of this machine, and trusted ones; no links."""
    trusted: frozenset[str] = frozenset()
    """Hosts that are as good as the catalog's own, over http too."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Of the catalog that settings name."""
        source = settings.catalog
        if source.startswith("s3://"):
            source = settings.s3_endpoint_url or source
        folders = [Path(place).resolve() for place in settings.trusted if place.startswith("/")]
        if "://" not in source:
            folders.insert(0, Path(source).resolve().parent)
        home = host_of(source) if source.startswith(("http://", "https://")) else ""
        trusted = frozenset(place.lower() for place in settings.trusted)
        return cls(home, source.startswith("http://"), tuple(folders), trusted)

    def file(self, href: str) -> str:
        """What GDAL may open for the absolute `href` of an asset. Raises `ShutError`.

        Over https every host of the internet, and the catalog's own; public buckets; files under
        the folder of a catalog on this machine. Names are resolved, once a process each.
        """
        scheme = urlsplit(href).scheme.lower() if "://" in href else ""
        if scheme in {"http", "https"}:
            self._check_host(href, scheme)
            return href
        if scheme == "s3":
            if not _BUCKET.fullmatch(href):
                raise ShutError("it names no bucket and key")
            return href
        if scheme not in {"", "file"}:
            raise ShutError(f"{scheme}:// is not read: only https, s3 and files beside the catalog")
        path = unquote(href[len("file://") :]) if scheme else href
        if not self.folders:
            raise ShutError(f"a file of this machine, but the catalog is none; {REMEDY}")
        if not path.startswith("/") or path.lower().startswith("/vsi") or "\0" in path:
            raise ShutError("no plain path")
        try:
            real = Path(path).resolve()
        except (OSError, RuntimeError) as error:
            raise ShutError(f"the path cannot be followed: {error}") from None
        if not any(real.is_relative_to(folder) for folder in self.folders):
            raise ShutError(f"a file beyond the catalog's folder {self.folders[0]}; {REMEDY}")
        return str(real)

    def _check_host(self, href: str, scheme: str) -> None:
        host = host_of(href)
        if not _URL.fullmatch(href) or not host:
            raise ShutError("no plain address of a host and a path")
        if self.is_own(host, scheme):
            return
        if scheme == "http":
            raise ShutError(f"http is only spoken to a catalog that is asked over it; {REMEDY}")
        if inside := internal(host):
            raise ShutError(_inside(host, inside))

    def is_own(self, host: str, scheme: str) -> bool:
        """Whether a host is the catalog's or trusted, hence may be inside a network."""
        return host in self.trusted or (host == self.home and (scheme == "https" or self.plain))

    def addresses(self, host: str) -> list[Address]:
        """Where to connect to for what is at a host now, over TLS if it is not the catalog's own.

        Raises `ShutError` if it is not to be connected to, and `OSError` or `UnicodeError` for a
        name that is not known.
        """
        found = _looked_up(host)
        if not self.is_own(host, "https"):
            for address in found:
                if not _public(address):
                    raise ShutError(_inside(host, str(address)))
        return found


REMEDY = "name the place in HYDRO_TRUSTED if this is meant"


def _inside(host: str, address: str) -> str:
    known = "" if host == address else f"{address}, "
    return f"{host} is {known}inside a network; {REMEDY}"


def same_place(url: str, home: str) -> bool:
    """Whether `url` is of the host of `home`, and no less safe than it."""
    safe = url.lower().startswith("https://") or home.lower().startswith("http://")
    return bool(_URL.fullmatch(url)) and host_of(url) == host_of(home) and safe


def internal(host: str) -> str | None:
    """The address that is not of the internet, of those of a host; None: there is none.

    A name that cannot be resolved here has none: behind a proxy names need not be known.
    """
    return next((str(address) for address in _addresses(host) if not _public(address)), None)


@cache
def _addresses(host: str) -> list[Address]:
    try:
        return _looked_up(host)
    except (OSError, UnicodeError):
        return []


def _looked_up(host: str) -> list[Address]:
    """All addresses of a host, however they are written."""
    found = within(CATALOG.connect, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is not None:
            return _public(hidden)
    return address.is_global and not address.is_multicast
