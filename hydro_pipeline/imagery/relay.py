"""How GDAL gets to the outside: by a relay of this process, which knows the doors.

GDAL looks names up and follows redirects by itself, and can be told neither not to nor where to. It
does ask a SOCKS5 proxy for every connection, though, and that is what this is. It only passes bytes
on: requests, TLS, retries and deadlines stay GDAL's.
"""

import ipaddress
import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from threading import Lock, Thread

from hydro_pipeline.outside.deadlines import IMAGERY
from hydro_pipeline.scenes.doors import REMEDY, Doors, ShutError

BUFFER = 1 << 18
PAUSE_S = 0.1
HELLO = 0x16
"""The first byte that TLS says."""
PLAIN = 470
"""HTTP status, of no other meaning, of an answer to what should not be asked without TLS."""
GRANTED, SHUT, UNKNOWN, UNREACHABLE = 0, 2, 4, 5
"""Of the answers of SOCKS5."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "gdal_http_proxy", "gdal_https_proxy")
_REFUSED = re.compile(r"cannot complete SOCKS5 connection to (\S+)\. \((\d+)\)")
_SAID = {UNKNOWN: "the name of the host {} is not known", UNREACHABLE: "no connection to {}"}


class Relay:
    """A SOCKS5 proxy on loopback that connects to nothing but what `doors` let in."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._why: dict[str, str] = {}
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The proxy's address, as curl understands it; names are looked up by the relay."""
        return f"socks5h://127.0.0.1:{self._listening.getsockname()[1]}"

    def why(self, host: str) -> str:
        """Why a host was not connected to."""
        return self._why.get(_name(host), host)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                # Too many open files: connections that end make room.
                time.sleep(PAUSE_S)
                continue
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError, IndexError):
            host, port = _asked(client)
            client.settimeout(None)
            answer, server = self._connected(host, port)
            client.sendall(bytes((5, answer, 0, 1, *bytes(6))))
            if server is None:
                return
            with server:
                if not self._doors.is_own(host, "http") and _first(client) not in (None, HELLO):
                    head = f"HTTP/1.1 {PLAIN} Refused\r\nContent-Length: 0\r\n"
                    client.sendall(f"{head}Connection: close\r\n\r\n".encode())
                    client.recv(BUFFER)
                    return
                _exchange(client, server)

    def _connected(self, host: str, port: int) -> tuple[int, socket.socket | None]:
        try:
            addresses = self._doors.addresses(host)
        except ShutError as error:
            self._why[_name(host)] = str(error)
            return SHUT, None
        except (OSError, UnicodeError):
            return UNKNOWN, None
        for address in addresses:
            with suppress(OSError):
                server = socket.create_connection((str(address), port), IMAGERY.connect)
                server.settimeout(None)
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return GRANTED, server
        return UNREACHABLE, None


def relayed(doors: Doors) -> dict[str, str]:
    """GDAL's options by which all its connections go through a relay; none behind a proxy.

    Where the environment names a proxy, that one decides what may be connected to.
    """
    relay = _relay_of(doors)
    return {"GDAL_HTTP_PROXY": relay.url, "GDAL_HTTPS_PROXY": relay.url} if relay else {}


def refusal(reason: str, doors: Doors) -> str | None:
    """Why a connection was refused, if GDAL's `reason` of a failure says that one was."""
    if f"HTTP response code: {PLAIN}" in reason:
        return f"it leads to http, which is only spoken to a catalog asked over it; {REMEDY}"
    found, relay = _REFUSED.search(reason), _relay_of(doors)
    if found is None or int(found[2]) != SHUT or relay is None:
        return None
    return f"it leads elsewhere: {relay.why(found[1])}"


_starting = Lock()


def _relay_of(doors: Doors) -> Relay | None:
    if any(os.environ.get(name) for key in PROXIES for name in (key, key.upper())):
        return None
    for name in ("no_proxy", "NO_PROXY"):
        # Means nothing where there is no proxy, but would let curl go past this one.
        os.environ.pop(name, None)
    with _starting:
        return _relay(replace(doors, folders=()), os.getpid())


@cache
def _relay(doors: Doors, _process: int) -> Relay:
    return Relay(doors)


def in_words(reason: str) -> str:
    """GDAL's reason of a failure, without words of SOCKS5."""
    return _REFUSED.sub(
        lambda found: _SAID.get(int(found[2]), "no connection to {}").format(found[1]), reason
    )


def _name(host: str) -> str:
    return host.strip("[]").lower().rstrip(".")


def _asked(client: socket.socket) -> tuple[str, int]:
    """Host and port that a client of SOCKS5 wants to be connected to."""
    client.settimeout(IMAGERY.connect)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _version, methods = _exactly(client, 2)
    _exactly(client, methods)
    client.sendall(b"\5\0")
    _version, _connect, _zero, kind = _exactly(client, 4)
    if kind == 3:
        host = _exactly(client, _exactly(client, 1)[0]).decode("ascii")
    else:
        host = str(ipaddress.ip_address(_exactly(client, 4 if kind == 1 else 16)))
    return _name(host), int.from_bytes(_exactly(client, 2))


def _exactly(client: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size:
        part = client.recv(size - len(said))
        if not part:
            raise ConnectionError
        said += part
    return said


def _first(client: socket.socket) -> int | None:
    """The first byte that a client says, which is still to be read; None if it says nothing."""
    said = client.recv(1, socket.MSG_PEEK)
    return said[0] if said else None


def _exchange(client: socket.socket, server: socket.socket) -> None:
    """Pass on what either says, until the client goes; an end stays an end, a reset a reset."""

    def send() -> None:
        with suppress(OSError):
            _copy(client, server)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    sending = Thread(target=send, daemon=True)
    sending.start()
    try:
        _copy(server, client)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        with suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.shutdown(socket.SHUT_RD)
    sending.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    buffer = memoryview(bytearray(BUFFER))
    while size := source.recv_into(buffer):
        sink.sendall(buffer[:size])
