"""Arrays as text that the page unpacks: little-endian bytes, zlib, base64. Pure."""

import base64
import zlib
from typing import Any

from numpy.typing import NDArray


def pack(array: NDArray[Any]) -> str:
    """An array of integers as text, each kept as the difference to the one before on its row.

    Differences wrap around, so that summing them up in the array's own type restores it.
    """
    array = array.astype(array.dtype.newbyteorder("<"))
    steps = array.copy()
    steps[..., 1:] -= array[..., :-1]
    return text(steps.tobytes())


def text(data: bytes) -> str:
    """Bytes, compressed, as base64."""
    return base64.b64encode(zlib.compress(data)).decode()
