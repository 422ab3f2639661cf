"""A small S3 in memory: what obstore and Icechunk ask for, with latency, bandwidth and counters.

It checks no signature. One process serves it, so that its work is not counted as a client's.
"""

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Stored:
    """One object."""

    content: bytes
    etag: str
    modified: float
    """Seconds since 1970."""


class S3(ThreadingHTTPServer):
    """Buckets need not be made; `/bucket/key` is one name."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, latency_s: float = 0.0, bytes_per_s: float | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency_s = latency_s
        self.bytes_per_s = bytes_per_s
        self.objects: dict[str, Stored] = {}
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._free_at = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_for_line(self, size: int) -> None:
        if self.bytes_per_s:
            with self.lock:
                begin = max(self._free_at, time.monotonic())
                self._free_at = begin + size / self.bytes_per_s
            time.sleep(max(0.0, self._free_at - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away when they please."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def _serve(self) -> None:
        server: S3 = self.server  # type: ignore[assignment]
        data = _body(self)
        time.sleep(server.latency_s)
        split = urlsplit(self.path)
        key, query = unquote(split.path), parse_qs(split.query, keep_blank_values=True)
        with server.lock:
            status, headers, body = _answer(server.objects, self, key, query, data)
            server.counts[self.command] += 1
            server.counts["chunk_gets"] += self.command == "GET" and "/chunks/" in key
            server.counts["bytes_in"] += len(data)
            server.counts["bytes_out"] += len(body)
        server.wait_for_line(len(data) + len(body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD" or status >= 400:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


Answer = tuple[int, dict[str, str], bytes]


def _answer(
    objects: dict[str, Stored],
    request: _Handler,
    key: str,
    query: dict[str, list[str]],
    data: bytes,
) -> Answer:
    match request.command:
        case "POST" if "uploads" in query:
            begun = f"<InitiateMultipartUploadResult><UploadId>{time.time_ns()}</UploadId>"
            return 200, {}, f"{begun}</InitiateMultipartUploadResult>".encode()
        case "PUT" if "partNumber" in query:
            part = f"//{query['uploadId'][0]}/{int(query['partNumber'][0]):05}"
            objects[part] = Stored(data, f'"{hashlib.md5(data).hexdigest()}"', time.time())
            return 200, {"ETag": objects[part].etag}, b""
        case "POST" if "uploadId" in query:
            names = sorted(n for n in objects if n.startswith(f"//{query['uploadId'][0]}/"))
            data = b"".join(objects.pop(name).content for name in names)
            objects[key] = Stored(data, f'"{hashlib.md5(data).hexdigest()}"', time.time())
            tag = escape(objects[key].etag)
            done = f"<CompleteMultipartUploadResult><ETag>{tag}</ETag>"
            return 200, {}, f"{done}</CompleteMultipartUploadResult>".encode()
        case "PUT" if key.count("/") < 2 or key.endswith("/"):
            return 200, {}, b""
        case "PUT":
            found = objects.get(key)
            if request.headers.get("If-None-Match") == "*" and found:
                return _error(412, "PreconditionFailed")
            wanted = request.headers.get("If-Match")
            if wanted and (not found or wanted.strip('"') != found.etag.strip('"')):
                return _error(412, "PreconditionFailed")
            etag = f'"{hashlib.md5(data).hexdigest()}"'
            objects[key] = Stored(data, etag, time.time())
            return 200, {"ETag": etag}, b""
        case "DELETE":
            objects.pop(key, None)
            return 204, {}, b""
        case "POST":
            names = [part.split(b"</Key>")[0].decode() for part in data.split(b"<Key>")[1:]]
            for name in names:
                objects.pop(f"{key.rstrip('/')}/{name}", None)
            deleted = "".join(f"<Deleted><Key>{escape(n)}</Key></Deleted>" for n in names)
            return 200, {}, f"<DeleteResult>{deleted}</DeleteResult>".encode()
        case "GET" if "list-type" in query:
            return 200, {"Content-Type": "application/xml"}, _listing(objects, key, query)
    found = objects.get(key)
    if not found:
        return _error(404, "NoSuchKey")
    content = found.content
    modified = formatdate(found.modified, usegmt=True)
    headers = {"ETag": found.etag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
    if request.command == "HEAD":
        return 200, headers | {"Content-Length": str(len(content))}, b""
    asked = request.headers.get("Range")
    if not asked:
        return 200, headers, content
    first, last = asked.removeprefix("bytes=").split("-")
    start = int(first) if first else max(0, len(content) - int(last))
    stop = min(int(last) + 1, len(content)) if first and last else len(content)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return 206, headers, content[start:stop]


def _listing(objects: dict[str, Stored], bucket: str, query: dict[str, list[str]]) -> bytes:
    root = bucket.rstrip("/") + "/"
    prefix = query.get("prefix", [""])[0]
    delimiter = query.get("delimiter", [""])[0]
    after = query.get("start-after", [""])[0]
    parts, folders = [], set()
    for name in sorted(objects):
        key = name.removeprefix(root)
        if not name.startswith(root + prefix) or key <= after:
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            continue
        found = objects[name]
        when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.modified))
        parts.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified>"
            f"<ETag>{escape(found.etag)}</ETag><Size>{len(found.content)}</Size></Contents>"
        )
    parts += [f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders]
    return (
        f"<ListBucketResult><Name>{escape(bucket.strip('/'))}</Name><Prefix>{escape(prefix)}"
        f"</Prefix><KeyCount>{len(parts)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{''.join(parts)}</ListBucketResult>"
    ).encode()


def _error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return status, {"Content-Type": "application/xml"}, body


def _body(request: _Handler) -> bytes:
    """The body of a request, without the frames of `aws-chunked`."""
    data = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    if "aws-chunked" not in (request.headers.get("Content-Encoding") or ""):
        return data
    content = b""
    while data:
        head, _, data = data.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        if size == 0:
            break
        content, data = content + data[:size], data[size + 2 :]
    return content
