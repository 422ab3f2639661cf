"""HTTP for catalogs: pystac-client's requests with retries, time limits and honest paging."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from pystac.link import HREF, Link
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from hydro_pipeline.errors import CatalogAnswerError, CatalogUnavailableError
from hydro_pipeline.outside.deadlines import CATALOG, SEARCH_S, within
from hydro_pipeline.outside.trust import UNTRUSTED, bundle, untrusted
from hydro_pipeline.outside.urls import shown
from hydro_pipeline.parallel import Tries, retry
from hydro_pipeline.scenes.doors import same_place
from hydro_pipeline.scenes.headers import Login, retry_after
from hydro_pipeline.scenes.paging import Answered
from hydro_pipeline.scenes.safe_json import safe_json
from hydro_pipeline.settings import Settings

EMPTY_PAGES = 10
"""In a row, in mid-search, that are followed at most."""
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SAME_METHOD = frozenset({307, 308})
"""Redirects after which a POST stays one."""
HOPS = 5
"""Redirects of one request."""
MOST_BYTES = 256 << 20
"""Of one answer: a page of items is a thousandth of it."""
ALERT = "\\x15\\x03"
"""What TLS says to who does not speak it, as it stands in an error's text."""


@dataclass(frozen=True)
class Limits:
    """How long to try. All in seconds but `attempts` and `pages`."""

    connect: float = CATALOG.connect
    read: float = CATALOG.read
    """Longest silence within an answer."""
    attempts: int = 7
    """Tries of one request."""
    first_delay: float = 0.5
    """Wait before the second try; doubles each time, times a random 0.5 to 1.5."""
    request: float = CATALOG.total
    """One request with all its tries."""
    search: float = SEARCH_S
    """One search with all its pages."""
    pages: int = 2000

    @property
    def tries(self) -> Tries:
        """Of one request."""
        return Tries(self.attempts, self.first_delay, self.request)


class _TryAgainError(CatalogUnavailableError):
    """A failure that may pass; `after` is what the server asked to wait, seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class CatalogIO(StacApiIO):
    """A `StacApiIO` that speaks to the catalog's host alone and never waits without end.

    Only the catalog's own login is sent. Raises `CatalogUnavailableError` when the service stays
    down or answers only in part, and `CatalogAnswerError` when it answers with something else than
    STAC, leads elsewhere, or is not to be trusted.
    """

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        super().__init__(max_retries=None)
        self.limits = limits or Limits()
        self.requests_made = 0
        self.home = settings.catalog
        self.session.auth = Login(settings.catalog_login)
        self._trusted = bundle(settings.ca_file) if settings.ca_file else None
        self._deadline = float("inf")

    def read_json(self, source: HREF, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON object at `source`, tried again while failures look passing."""
        url = str(source.get_href() if isinstance(source, Link) else source)
        self._check_place(url)
        self._deadline = time.monotonic() + self.limits.request
        read = partial(super().read_text, source, *args, **kwargs)

        def ask(number: int) -> dict[str, Any]:
            try:
                return self._parsed(read(), url)
            except _TryAgainError as error:
                raise _TryAgainError(
                    f"catalog {shown(url)}: no usable answer after {number} tries ({error}); "
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
        """One try of one request; the body as text. Redirects within the host are followed."""
        method = (method or "GET").upper()
        sent = {"json": parameters} if method == "POST" else {"params": parameters}
        ask = partial(self._ask, method, href, headers, sent)
        try:
            left = min(self._deadline - time.monotonic(), self.limits.request)
            response, data = within(left, ask)
        except TimeoutError:
            raise _TryAgainError(
                f"answer still incomplete after {self.limits.request:g} s"
            ) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
            raise CatalogAnswerError(
                f"catalog {shown(href)}: not a usable address: {shown(str(error))}"
            ) from None
        except (requests.RequestException, UnicodeError) as error:
            text = shown(f"{type(error).__name__}: {str(error)[:300]}")
            tls = isinstance(error, requests.exceptions.SSLError)
            if (tls and untrusted(text)) or ALERT in text:
                raise CatalogAnswerError(f"catalog {shown(href)}: {UNTRUSTED} ({text})") from None
            raise _TryAgainError(text) from None
        text = data.decode("utf-8", errors="surrogateescape")
        if response.status_code in RETRY_STATUS:
            raise _TryAgainError(f"HTTP {response.status_code}", retry_after(response))
        if not response.ok:
            refused = APIError(f"HTTP {response.status_code}: {_gist(text)}")
            refused.status_code = response.status_code
            raise refused
        return text

    def _ask(
        self, method: str, href: str, headers: dict[str, str] | None, sent: dict[str, Any]
    ) -> tuple[requests.Response, bytes]:
        """The answer after redirects, and its body."""
        url = href
        for _ in range(HOPS + 1):
            self._check_place(url)
            self.requests_made += 1
            with self.session.request(
                method, url, headers=headers, stream=True, allow_redirects=False,
                timeout=(self.limits.connect, self.limits.read), verify=self._trusted, **sent,
            ) as response:  # fmt: skip
                to = response.headers.get("Location")
                if response.status_code not in REDIRECTS or not to:
                    return response, self._read(response)
            if method != "GET" and response.status_code not in SAME_METHOD:
                raise CatalogAnswerError(
                    f"catalog {shown(url)}: answered the search with HTTP {response.status_code} "
                    f"to {shown(to)}, which would drop what was asked; set HYDRO_CATALOG to "
                    "where it is now"
                )
            url, sent = urljoin(url, to), sent if method != "GET" else {}
        raise CatalogAnswerError(f"catalog {shown(href)}: more than {HOPS} redirects")

    def _check_place(self, url: str) -> None:
        if not same_place(url, self.home):
            raise CatalogAnswerError(
                f"catalog {shown(self.home)}: led to {shown(url)}, which is not of its host, or "
                "less safe: refused"
            )

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
            new = answered.add(page, features, url)
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
        parts, size = [], 0
        for part in response.iter_content(1 << 16):
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise CatalogAnswerError(
                    f"catalog {shown(self.home)}: an answer of more than {MOST_BYTES >> 20} MiB"
                )
            if time.monotonic() > self._deadline:
                raise requests.Timeout(f"answer still incomplete after {self.limits.request:g} s")
        return b"".join(parts)

    def _parsed(self, text: str, url: str) -> dict[str, Any]:
        try:
            document = safe_json(text)
        except (ValueError, RecursionError):
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
