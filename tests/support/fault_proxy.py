"""An HTTP proxy on loopback, in front of any server of the tests, that does wrong as it is told."""

import contextlib
import http.client
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any, Self, cast
from urllib.parse import urlsplit

DRIP_S = 1.0
"""Between two bytes of an answer that drips."""
SKEW_S = 5 * 3600
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>"
OF_THE_CONNECTION = {"connection", "content-length", "date", "server", "transfer-encoding"}
"""Headers that are not handed on as they are."""


class Kind(StrEnum):
    """What goes wrong."""

    REFUSED = "403"
    TOO_MANY = "429"
    """With `Retry-After: 1`."""
    ERROR = "500"
    BUSY = "503"
    LOST = "done, then 503"
    RESET = "reset"
    """The connection, in place of an answer; nothing is done."""
    RESET_IN_BODY = "reset in the body"
    CUT = "cut, length of the whole"
    SHORT = "cut, length of the rest"
    DRIP_HEAD = "dripping head"
    DRIP_BODY = "dripping body"
    SILENT = "silent"
    HTML = "HTML with 200"
    """In place of an answer; nothing is done."""
    ETAG = "wrong ETag"
    SKEW = "clock skew"
    """The server's clock is hours ahead; one of S3 refuses the request for it."""


REFUSALS = {
    Kind.REFUSED: (403, "AccessDenied"),
    Kind.TOO_MANY: (429, "TooManyRequests"),
    Kind.ERROR: (500, "InternalError"),
    Kind.BUSY: (503, "SlowDown"),
    Kind.LOST: (503, "SlowDown"),
    Kind.SKEW: (403, "RequestTimeTooSkewed"),
}
DONE = {
    Kind.LOST, Kind.RESET_IN_BODY, Kind.CUT, Kind.SHORT, Kind.DRIP_HEAD, Kind.DRIP_BODY, Kind.ETAG,
}  # fmt: skip
"""The server behind does what was asked, and its answer is spoilt."""


def everything(_method: str, _path: str) -> bool:
    """Every request."""
    return True


@dataclass(frozen=True)
class Fault:
    """A kind of fault, and which requests it hits."""

    kind: Kind
    where: Callable[[str, str], bool] = everything
    """Asked with the method and the path, its query included."""
    times: int | None = None
    """How many of them are hit; None: all."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    length: int
    """As it is announced."""


class FaultProxy:
    """In front of the server at `behind`, while entered; `url` is where it listens.

    With `s3` it refuses as S3 does where clocks differ. `fault` may be set at any time.
    """

    def __init__(self, behind: str, s3: bool = False) -> None:
        self.s3 = s3
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request, in order of arrival."""
        self.hits: list[tuple[str, str]] = []
        """Those that the fault has hit since it was set."""
        self._behind = urlsplit(behind).netloc
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._held = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def fault(self) -> Fault | None:
        """What goes wrong; answers that are still held back by the last one are given up."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        with self._lock:
            self._held.set()
            self._held = threading.Event()
            self._fault, self.hits = fault, []

    def _arrived(self, method: str, path: str) -> tuple[Kind | None, threading.Event]:
        """What goes wrong with this request, and what tells that it need not any longer."""
        with self._lock:
            self.requests.append((method, path))
            fault = self._fault
            if fault is None or not fault.where(method, path):
                return None, self._held
            if fault.times is not None and len(self.hits) >= fault.times:
                return None, self._held
            self.hits.append((method, path))
            return fault.kind, self._held

    def _ask(self, method: str, path: str, headers: Any, body: bytes) -> _Answer:
        """What the server behind answers."""
        connection = http.client.HTTPConnection(self._behind, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in {"connection", "expect", "transfer-encoding"}:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
            length = int(answer.headers.get("Content-Length") or len(data))
            return _Answer(answer.status, tuple(answer.headers.items()), data, length)


def _spoilt(answer: _Answer, kind: Kind | None) -> _Answer:
    half = answer.body[: len(answer.body) // 2]
    match kind:
        case Kind.SHORT if answer.body:
            return _Answer(answer.status, answer.headers, half, len(half))
        case Kind.CUT | Kind.RESET_IN_BODY:
            return _Answer(answer.status, answer.headers, half, answer.length)
        case Kind.ETAG:
            kept = tuple(header for header in answer.headers if header[0].lower() != "etag")
            wrong = (("ETag", '"0123456789abcdef0123456789abcdef"'),)
            return _Answer(answer.status, kept + wrong, answer.body, answer.length)
    return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        proxy = cast(_Server, self.server).proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, held = proxy._arrived(self.command, self.path)
        if kind is Kind.SKEW and not proxy.s3:
            self._say(proxy._ask(self.command, self.path, self.headers, body), ahead_s=SKEW_S)
        elif kind is Kind.SILENT:
            self._hold(held)
        elif kind is Kind.RESET:
            self._reset()
        elif kind is Kind.HTML:
            self._say(_Answer(200, (("Content-Type", "text/html"),), HTML, len(HTML)))
        elif kind in REFUSALS:
            if kind in DONE:
                proxy._ask(self.command, self.path, self.headers, body)
            self._say(_refusal(kind), ahead_s=SKEW_S if kind is Kind.SKEW else 0)
        else:
            answer = _spoilt(proxy._ask(self.command, self.path, self.headers, body), kind)
            self._say(answer, kind, held)
            if kind is Kind.RESET_IN_BODY:
                self._reset()
            elif kind is Kind.CUT:
                self.close_connection = True

    def _say(
        self,
        answer: _Answer,
        kind: Kind | None = None,
        held: threading.Event | None = None,
        ahead_s: float = 0,
    ) -> None:
        """Send an answer, its head or its body dripping if `kind` says so, while it is `held`."""
        head = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
        head += [f"{k}: {v}" for k, v in answer.headers if k.lower() not in OF_THE_CONNECTION]
        head += [f"Date: {formatdate(time() + ahead_s, usegmt=True)}"]
        if answer.status not in (204, 304):
            head += [f"Content-Length: {answer.length}"]
        start = "\r\n".join([*head, "", ""]).encode("latin-1")
        whole = start + (b"" if self.command == "HEAD" else answer.body)
        at_once = {Kind.DRIP_HEAD: 0, Kind.DRIP_BODY: len(start)}.get(kind, len(whole))
        self.wfile.write(whole[:at_once])
        for n in range(at_once, len(whole)):
            self.wfile.write(whole[n : n + 1])
            if held is not None and held.wait(DRIP_S):
                self._reset()
                return

    def _hold(self, held: threading.Event) -> None:
        """Say nothing until the client goes, or need not wait any longer."""
        while not held.wait(0.02):
            if select.select([self.connection], [], [], 0)[0]:
                break
        self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Requests are recorded, not printed."""


def _refusal(kind: Kind) -> _Answer:
    status, code = REFUSALS[kind]
    body = f"<Error><Code>{code}</Code><Message>told to fail</Message></Error>".encode()
    headers = [("Content-Type", "application/xml")]
    headers += [("Retry-After", "1")] if kind is Kind.TOO_MANY else []
    return _Answer(status, tuple(headers), body, len(body))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end the connections that clients keep alive."""
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away at any time; anything else is reported."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
