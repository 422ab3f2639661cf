"""A stand-in for S3 on loopback that refuses every request, as S3 does where keys are wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

REFUSALS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
"""S3's error codes for no permission, an unknown key, and a secret that is not the key's."""


@contextmanager
def refusing_s3(code: str) -> Iterator[str]:
    """URL of a server that answers everything with 403 and the error `code`."""
    body = f"<Error><Code>{code}</Code><Message>refused</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _refuse  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
