"""Whose certificates are trusted: the public authorities', and those in `HYDRO_CA_FILE`."""

import os
import tempfile
from functools import cache
from pathlib import Path

import certifi

UNTRUSTED = (
    "its TLS certificate is not trusted, or it does not speak TLS; check the address, and "
    "HYDRO_CA_FILE where the authority is private"
)
_SIGNS = (
    "certificate",
    "no alternative",  # curl, of the host's name
    "wrong version number",
    "wrong_version_number",
    "invalidcontenttype",
    "packet length too long",
    "record overflow",
    "http_request",
    "unsupported protocol",
    "handshake failure",
)


def untrusted(text: str) -> bool:
    """Whether an error's text says that TLS failed in a way that does not pass by itself."""
    low = text.lower()
    return any(sign in low for sign in _SIGNS)


@cache
def bundle(ca_file: str) -> str:
    """Path of one PEM file with the public authorities and those of `ca_file`, made once a process.

    Raises `OSError` if the file cannot be read.
    """
    content = Path(certifi.where()).read_bytes() + b"\n" + Path(ca_file).read_bytes()
    handle, path = tempfile.mkstemp(prefix="hydro-ca-", suffix=".pem")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return path
