"""What users wrote, as it can be shown: short, and with every character printable. Pure."""

import reprlib
from typing import Any

SHOWN = 60
"""Characters of a value that are shown."""

_short = reprlib.Repr(maxlevel=3, maxstring=SHOWN, maxother=SHOWN, maxlong=SHOWN)


def shown(value: Any) -> str:
    """A value as Python writes it, shortened; whatever it is, it can be printed."""
    return _short.repr(value)


def printable(text: str, limit: int = 200) -> str:
    """A name with what cannot be printed escaped, and its middle left out if it is long."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"
