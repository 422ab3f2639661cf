"""S3 servers on loopback that honour conditional writes in part, as some are known to."""

import io
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.counting_s3 import BUCKET, CountingS3

__all__ = ["BUCKET", "OddS3"]

Environ = dict[str, Any]
REFUSED = b"<Error><Code>PreconditionFailed</Code><Message>refused</Message></Error>"


def ignores_everything(environ: Environ, _versioned: bool) -> bool:
    """No condition is looked at."""
    environ.pop("HTTP_IF_MATCH", None)
    environ.pop("HTTP_IF_NONE_MATCH", None)
    return True


def ignores_if_match(environ: Environ, _versioned: bool) -> bool:
    """Only If-None-Match is looked at."""
    environ.pop("HTTP_IF_MATCH", None)
    return True


def refuses_if_match(environ: Environ, _versioned: bool) -> bool:
    """A right If-Match is refused like a wrong one, as Ceph RGW 16 does."""
    return not (environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_MATCH" in environ)


def refuses_if_none_match(environ: Environ, _versioned: bool) -> bool:
    """An object that is not there cannot be made by If-None-Match."""
    return not (environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ)


def ignores_if_none_match_where_versioned(environ: Environ, versioned: bool) -> bool:
    """With versioning on, a new version is written whatever is there, as Ceph RGW 16 does."""
    if versioned:
        environ.pop("HTTP_IF_NONE_MATCH", None)
    return True


class OddS3(CountingS3):
    """`habit` changes a request, or says that it is refused; it is told if versioning is on."""

    def __init__(self, habit: Callable[[Environ, bool], bool]) -> None:
        super().__init__()
        self.habit = habit
        self.versioned = False

    def _answer(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT" and "versioning" in environ["QUERY_STRING"]:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self.versioned = b"Enabled" in body
            environ["wsgi.input"] = io.BytesIO(body)
        if not self.habit(environ, self.versioned):
            start_response("412 Precondition Failed", [("Content-Type", "application/xml")])
            return [REFUSED]
        return super()._answer(environ, start_response)
