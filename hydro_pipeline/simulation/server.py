"""A stand-in for Earth Search on this machine: a STAC API and the files that its items name.

It answers as the real service does, counts what is asked of it, and fails when told to.
"""

import json
import os
import posixpath
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self, cast
from urllib.parse import unquote, urlsplit

from hydro_pipeline.simulation.answers import Answer, Api, Json, error, file


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    kind: Literal["stac", "cog"]
    method: str
    path: str
    """With the query, if any."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """Parsed JSON, or None."""
    attempt: int
    """1 for the first request of this method, path, body and range, 2 for its first retry, ..."""


@dataclass(frozen=True)
class Fault:
    """How one answer goes wrong. Several may be combined."""

    status: int | None = None
    """Answer with this status and an error body."""
    retry_after: str | None = None
    """Value of the Retry-After header."""
    delay_s: float = 0.0
    """Wait before answering."""
    reset_mid_body: bool = False
    """Reset the connection after half of the body."""
    truncate: int | None = None
    """Close the connection after so many bytes of the body; the headers announce all of it."""
    wrong_content_length: int = 0
    """Added to the announced Content-Length."""
    html: bool = False
    """Answer with an HTML page and status 200."""
    next_to_itself: bool = False
    """The `next` link of a search asks for this same page again, without end."""
    change: Callable[[Json], Any] | None = None
    """Makes the JSON answer from the right one."""


class StandIn:
    """Serves the ItemCollection `directory`/items.json and the files beside it, while entered.

    `latency_s` is added to every request; `bytes_per_s` is shared by all connections; no page of
    a search holds more than `page_limit` items. `fault` is asked before every answer. All of these
    may be changed at any time, as may `items`: assign a new list to publish or withdraw scenes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        latency_s: float = 0.0,
        bytes_per_s: float | None = None,
        page_limit: int = 100,
        fault: Callable[[Request], Fault | None] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.items: list[Json] = json.loads((directory / "items.json").read_text())["features"]
        self.latency_s = latency_s
        self.bytes_per_s = bytes_per_s
        self.page_limit = page_limit
        self.fault = fault
        self._lock = threading.Lock()
        self._line_free_at = 0.0
        self.reset_counts()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Root of the STAC API."""
        return f"{self.origin}/v1"

    @property
    def counts(self) -> dict[str, int]:
        """`stac_requests`, `cog_requests` and `cog_bytes` (of bodies) since the last reset."""
        with self._lock:
            return dict(self._counts)

    def reset_counts(self) -> None:
        """Forget all requests so far."""
        with self._lock:
            self._counts = {"stac_requests": 0, "cog_requests": 0, "cog_bytes": 0}
            self._attempts: Counter[tuple[str, ...]] = Counter()
            self.requests: list[Request] = []
            """Every request, in order of arrival."""
            self.cog_bytes_by_path: Counter[str] = Counter()
            """Bytes of bodies sent, by path of the file under `directory`."""

    def _arrived(self, method: str, path: str, headers: Mapping[str, str], data: bytes) -> Request:
        """Record a request."""
        key = (method, path, data.decode(errors="replace"), headers.get("range", ""))
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = None
        with self._lock:
            self._attempts[key] += 1
            kind: Literal["stac", "cog"] = "cog" if path.startswith("/cogs/") else "stac"
            request = Request(kind, method, path, headers, body, self._attempts[key])
            self._counts[f"{kind}_requests"] += 1
            self.requests.append(request)
        return request

    def _sent(self, request: Request, size: int) -> None:
        """Record that `size` bytes of a body are sent."""
        if request.kind == "cog":
            with self._lock:
                self._counts["cog_bytes"] += size
                self.cog_bytes_by_path[_file(request)] += size

    def _wait_for_line(self, size: int) -> None:
        """Wait until `size` bytes have passed the line that all connections share."""
        if self.bytes_per_s:
            with self._lock:
                free = max(self._line_free_at, time.monotonic()) + size / self.bytes_per_s
                self._line_free_at = free
            time.sleep(max(0.0, free - time.monotonic()))

    def _answer(self, request: Request, fault: Fault) -> Answer:
        """The answer to a request, with those of the fault's parts that concern its content."""
        if fault.html:
            return Answer(200, b"<!DOCTYPE html><title>Sign in</title>", "text/html")
        if fault.status:
            answer = error(fault.status, "Fault", "told to fail")
        elif request.kind == "cog":
            answer = file(self.directory / _file(request), request.headers.get("range"))
        else:
            api = Api(self.url, f"{self.origin}/cogs", self.items, self.page_limit)
            answer = api.answer(request.method, request.path, request.body)
        if fault.next_to_itself:
            answer = answer.changed(lambda page: _next_to_itself(page, request))
        if fault.change:
            answer = answer.changed(fault.change)
        if fault.retry_after is not None:
            answer = replace(answer, headers=(*answer.headers, ("Retry-After", fault.retry_after)))
        return answer


def _next_to_itself(page: Json, request: Request) -> Json:
    for link in page.get("links", []):
        if link["rel"] == "next" and request.method == "POST":
            link["body"] = request.body
        elif link["rel"] == "next":
            link["href"] = link["href"].partition("/v1/")[0] + request.path
    return page


def _file(request: Request) -> str:
    """Path under the directory, of a request for a file."""
    path = posixpath.normpath(unquote(urlsplit(request.path).path))
    return path.removeprefix("/cogs").lstrip("/")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end the connections that clients keep alive."""
        super().server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away at any time; anything else is reported."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def _serve(self) -> None:
        stand_in = cast(_Server, self.server).stand_in
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k.lower(): v for k, v in self.headers.items()}
        request = stand_in._arrived(self.command, self.path, headers, data)
        fault = (stand_in.fault and stand_in.fault(request)) or Fault()
        time.sleep(stand_in.latency_s + fault.delay_s)
        answer = stand_in._answer(request, fault)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body) + fault.wrong_content_length))
        self.end_headers()
        body = b"" if self.command == "HEAD" else answer.body
        if fault.truncate is not None:
            body = body[: fault.truncate]
        if fault.reset_mid_body:
            body = body[: len(body) // 2]
        stand_in._wait_for_line(len(body))
        stand_in._sent(request, len(body))
        self.wfile.write(body)
        self.wfile.flush()
        if fault.truncate is not None or fault.wrong_content_length:
            self.close_connection = True
        if fault.reset_mid_body:
            self.close_connection = True
            linger_and_reset = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_and_reset)
            os.close(self.connection.detach())

    do_GET = do_HEAD = do_POST = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Requests are recorded, not printed."""
