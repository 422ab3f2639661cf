"""A server on loopback that says what it is told to, byte by byte: silent, slow, anything else."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Connection = socket.socket
Answer = Callable[[Connection, bytes], None]
"""Answers a request, given its head, on a connection."""


@dataclass
class Loopback:
    """A server that is running."""

    port: int
    scheme: str = "http"
    heads: list[bytes] = field(default_factory=list)
    """The head of every request, in the order in which they came."""

    @property
    def url(self) -> str:
        """Its root, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """Method and path of every request."""
        return [head.split(b" HTTP", 1)[0].decode() for head in self.heads]


@contextmanager
def serve(
    answer: Answer, context: ssl.SSLContext | None = None, wait: bool = True
) -> Iterator[Loopback]:
    """A server that lets `answer` say what comes back; over TLS if a context is given.

    It does so when the head of a request is there, or at its first bytes if it is not to `wait`. A
    connection is closed once it is answered. At the end all that still waits is ended.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Loopback(listening.getsockname()[1], "https" if context else "http")
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def one(accepted: Any) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(accepted))
            if context:
                connection = context.wrap_socket(connection, server_side=True)
                stack.enter_context(contextlib.closing(connection))
                opened.append(connection)
            head = b""
            while b"\r\n\r\n" not in head and (wait or not head):
                part = connection.recv(1 << 16)
                if not part:
                    return
                head += part
            server.heads.append(head)
            answer(connection, head)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            opened.append(connection)
            threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in opened:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in (accepting, *threads):
            thread.join(10)


def silent(connection: Connection, _head: bytes) -> None:
    """Say nothing until the other side goes."""
    with contextlib.suppress(OSError):
        while connection.recv(1 << 16):
            pass


def dripping(whole: bytes, at_once: int = 0, pause_s: float = 0.05) -> Answer:
    """Say the first bytes at once and the others one by one, with a pause before each."""

    def answer(connection: Connection, _head: bytes) -> None:
        connection.sendall(whole[:at_once])
        for n in range(at_once, len(whole)):
            time.sleep(pause_s)
            connection.sendall(whole[n : n + 1])

    return answer


def saying(whole: bytes) -> Answer:
    """Say all of it at once."""
    return lambda connection, _head: connection.sendall(whole)


def http(
    body: bytes, status: str = "200 OK", media_type: str = "application/json", **headers: str
) -> bytes:
    """An HTTP answer; an underscore in a header's name is a hyphen."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body
