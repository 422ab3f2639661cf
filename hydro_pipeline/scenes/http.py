"""HTTP for catalogs: pystac-client's requests with retries, time limits and honest paging."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from pystac.link import HREF, Link
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from hydro_pipeline.errors import CatalogAnswerError, CatalogUnavailableError
from hydro_pipeline.parallel import Tries, retry
from hydro_pipeline.scenes.paging import Answered
from hydro_pipeline.scenes.safe_json import safe_json

EMPTY_PAGES = 10
"""In a row, in mid-search, that are followed at most."""
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Limits:
    """How long to try. All in seconds but `attempts` and `pages`."""

    connect: float = 10
    read: float = 30
    """Longest silence within an answer."""
    attempts: int = 7
    """Tries of one request."""
    first_delay: float = 0.5
    """Wait before the second try; doubles each time, times a random 0.5 to 1.5."""
    longest_delay: float = 20
    request: float = 120
    """One request with all its tries."""
    search: float = 900
    """One search with all its pages."""
    pages: int = 2000

    @property
    def tries(self) -> Tries:
        """Of one request."""
        return Tries(self.attempts, self.first_delay, self.longest_delay, self.request)


class _TryAgainError(CatalogUnavailableError):
    """A failure that may pass; `after` is what the server asked to wait, seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class CatalogIO(StacApiIO):
    """A `StacApiIO` that never sends credentials and never waits without end.

    Raises `CatalogUnavailableError` when the service stays down or answers only in part, and
    `CatalogAnswerError` when it answers with something else than STAC.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(max_retries=None)
        self.limits = limits or Limits()
        self.requests_made = 0
        self.session.auth = _no_auth
        self._deadline = float("inf")

    def read_json(self, source: HREF, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON object at `source`, tried again while failures look passing."""
        url = source.get_href() if isinstance(source, Link) else str(source)
        self._deadline = time.monotonic() + self.limits.request
        read = partial(super().read_text, source, *args, **kwargs)

        def ask(number: int) -> dict[str, Any]:
            try:
                return self._parsed(read(), str(url))
            except _TryAgainError as error:
                raise _TryAgainError(
                    f"catalog {url}: no usable answer after {number} tries ({error}); "
                    "try again later",
                    error.after,
                ) from None

        return retry(
            ask,
            self.limits.tries,
            lambda error: isinstance(error, _TryAgainError),
            lambda error: error.after if isinstance(error, _TryAgainError) else None,
        )

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """One try of one request; the body as text."""
        method = (method or "GET").upper()
        body = {"json": parameters} if method == "POST" else {"params": parameters}
        self.requests_made += 1
        try:
            with self.session.request(
                method, href, headers=headers, stream=True,
                timeout=(self.limits.connect, self.limits.read), **body,  # type: ignore[arg-type]
            ) as response:  # fmt: skip
                data = self._read(response)
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise CatalogAnswerError(f"catalog {href}: not a usable address: {error}") from None
        except requests.RequestException as error:
            raise _TryAgainError(f"{type(error).__name__}: {str(error)[:200]}") from None
        text = data.decode("utf-8", errors="surrogateescape")
        if response.status_code in RETRY_STATUS:
            raise _TryAgainError(f"HTTP {response.status_code}", _retry_after(response))
        if not response.ok:
            refused = APIError(f"HTTP {response.status_code}: {_gist(text)}")
            refused.status_code = response.status_code
            raise refused
        return text

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """All pages of a search. Ends with an error, not early, if items are missing."""
        end = time.monotonic() + self.limits.search
        answered = Answered()
        seen, empty = {_key(url, method, parameters)}, 0
        page = self.read_json(url, method=method, parameters=parameters)
        for number in itertools.count(1):
            features = page.get("features")
            if not isinstance(features, list):
                raise CatalogAnswerError(
                    f"catalog {url}: page {number} of the search is no FeatureCollection: "
                    f"{_gist(json.dumps(page, default=str))}"
                )
            new = answered.add(page, features)
            link = _next_link(page)
            if features:
                yield page
            if link is None or not (features or answered.is_due):
                break
            extra = link.extra_fields
            key = _key(link.get_href() or "", extra.get("method"), extra.get("body"))
            empty = 0 if features else empty + 1
            again = bool(features) and not new
            if key in seen or again or empty >= EMPTY_PAGES or number >= self.limits.pages:
                raise CatalogAnswerError(
                    f"catalog {url}: paging does not end: page {number + 1} is one that was there"
                )
            if time.monotonic() > end:
                raise CatalogUnavailableError(
                    f"catalog {url}: the search took more than {self.limits.search:g} s and "
                    f"{number} pages; run a shorter range of days"
                )
            seen.add(key)
            page = self.read_json(link, parameters=parameters)
        answered.check(url)

    def _read(self, response: requests.Response) -> bytes:
        parts = []
        for part in response.iter_content(1 << 16):
            parts.append(part)
            if time.monotonic() > self._deadline:
                raise requests.Timeout(f"answer still incomplete after {self.limits.request:g} s")
        return b"".join(parts)

    def _parsed(self, text: str, url: str) -> dict[str, Any]:
        try:
            document = safe_json(text)
        except ValueError:
            if text.lstrip().startswith("{") or not text.strip():
                raise _TryAgainError("the answer was cut short") from None
            raise CatalogAnswerError(
                f"catalog {url}: answered with something else than JSON: {_gist(text)}; "
                "check HYDRO_CATALOG"
            ) from None
        if not isinstance(document, dict):
            raise CatalogAnswerError(
                f"catalog {url}: answered with JSON that is no object: {_gist(text)}"
            )
        return document


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of what `requests` would take from ~/.netrc."""
    request.headers.pop("Authorization", None)
    return request


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _gist(text: str) -> str:
    return repr(" ".join(text.split())[:100])


def _key(url: str, method: Any, body: Any) -> str:
    return json.dumps([url, method, body], sort_keys=True, default=str)


def _next_link(page: dict[str, Any]) -> Link | None:
    links = page.get("links")
    for link in links if isinstance(links, list) else ():
        if (
            isinstance(link, dict)
            and link.get("rel") == "next"
            and isinstance(link.get("href"), str)
        ):
            return Link.from_dict(link)
    return None
