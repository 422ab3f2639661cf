"""A moto S3 server on loopback that remembers what was asked of it, and can fail."""

import logging
import uuid
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class CountingS3:
    """Holds one bucket. `fault` is asked before each request: None, `before`, `after`, `never`.

    With `before` the request is not done, with `after` it is done; both are answered with 503.
    With `never` it is not done and answered with 403, which nobody tries again.
    """

    def __init__(self, fault: Callable[[str, str], str | None] = lambda method, path: None) -> None:
        self.requests: list[tuple[str, str]] = []
        self.queries: list[tuple[str, str, str]] = []
        """Method, path and query of each request."""
        self.fault = fault
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = {
            # All of moto's servers in a process have the same buckets.
            "HYDRO_ROOT": f"s3://{BUCKET}/{uuid.uuid4().hex}",
            "HYDRO_S3_ENDPOINT_URL": self.url,
            "HYDRO_S3_ACCESS_KEY_ID": "testing",
            "HYDRO_S3_SECRET_ACCESS_KEY": "testing",
        }

    def __enter__(self) -> "CountingS3":
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._thread.start()
        self.client().create_bucket(Bucket=BUCKET)
        self.requests.clear()
        self.queries.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def client(self) -> Any:
        """boto3's, of the server."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def asked(self) -> list[tuple[str, str]]:
        """The requests but those for manifests: Icechunk fetches them ahead, in its own time."""
        return [(method, path) for method, path in self.requests if "/manifests/" not in path]

    def gets(self, part: str) -> list[str]:
        """Paths of the GET requests that hold `part`."""
        return [path for method, path in self.requests if method == "GET" and part in path]

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        self.queries.append((method, path, environ.get("QUERY_STRING", "")))
        fault = self.fault(method, path)
        if fault == "after":
            list(self._moto(environ, lambda *a, **k: None))
        if fault == "never":
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        if fault:
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        return self._moto(environ, start_response)  # type: ignore[no-any-return]
