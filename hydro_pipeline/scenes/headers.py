"""What is told to a catalog, and heard from it, in headers."""

import datetime as dt
import re
from base64 import b64encode
from email.utils import parsedate_to_datetime

import requests
from pydantic import SecretStr
from requests.auth import AuthBase


class Login(AuthBase):
    """The catalog's own login, if any, in place of what `requests` would take from ~/.netrc."""

    def __init__(self, login: SecretStr | None) -> None:
        self._login = login

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with no other login than the catalog's."""
        request.headers.pop("Authorization", None)
        if self._login is not None:
            text = b64encode(self._login.get_secret_value().encode()).decode()
            request.headers["Authorization"] = f"Basic {text}"
        return request


def retry_after(response: requests.Response) -> float | None:
    """What the server asks to wait, seconds; None where there is no telling."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
