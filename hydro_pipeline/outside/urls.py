"""What an address is and how it is shown: a password in it never is. Pure."""

import re
from urllib.parse import urlsplit

HIDDEN = "***"
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?#'\"]*[?#])[^\s'\"]+", re.I)


def shown(text: str) -> str:
    """A text as people may see it, without logins, queries and fragments of addresses."""
    return _QUERY.sub(rf"\1{HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", text))


def host_of(url: str) -> str:
    """The host of an address, in lower case; empty if it has none, or none that can be."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        return (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def check_address(url: str) -> None:
    """Raise `ValueError` for what is no address, or holds what would be shown or get lost."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not host_of(url):
        raise ValueError("give an address, for example https://host:8080")
    if "@" in parts.netloc:
        raise ValueError("an address must not hold a login; it would be shown")
    if parts.query or parts.fragment:
        raise ValueError("an address must not hold a query (?...) or fragment (#...)")
