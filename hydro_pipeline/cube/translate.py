"""Icechunk's and Zarr's errors as those of this package."""

import contextlib
from collections.abc import Iterator

import icechunk

from hydro_pipeline.cube.damage import damage
from hydro_pipeline.errors import (
    ConflictError,
    DamagedCubeError,
    HydroError,
    StoreAccessError,
    StoreUnavailableError,
)
from hydro_pipeline.outside.trust import UNTRUSTED, untrusted
from hydro_pipeline.storage.keys import cube_area

REFUSED = (
    *("Denied", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("(os error 1)", "(os error 13)", "(os error 30)"),
)
"""In the texts of Icechunk's errors where a bucket or a directory refuses."""


@contextlib.contextmanager
def translated(url: str, decoding: bool = False) -> Iterator[None]:
    """Turn Icechunk's errors into this package's; Zarr's too, where chunks are being decoded."""
    try:
        yield
    except HydroError:
        raise
    except (RuntimeError, ValueError) as error:
        if not decoding:
            raise
        raise _damaged(url, error) from error
    except icechunk.ConflictError:
        raise ConflictError(
            f"{url}: another run committed first; this day will be made again on top of it"
        ) from None
    except icechunk.IcechunkError as error:
        text = str(error)
        if any(word in text for word in REFUSED):
            raise StoreAccessError(
                f"{url}: access refused; check HYDRO_S3_ACCESS_KEY_ID and "
                "HYDRO_S3_SECRET_ACCESS_KEY and the bucket's policy, or who may write a directory"
            ) from error
        if untrusted(text):
            raise StoreAccessError(f"{url}: {UNTRUSTED} ({_short(text)})") from error
        if damage(error) is not None:
            raise _damaged(url, error) from error
        raise StoreUnavailableError(f"{url}: the store failed: {_short(text)}") from error
    except TimeoutError as error:
        raise StoreUnavailableError(f"{url}: the store is too slow: {error}") from error


def _damaged(url: str, error: BaseException) -> DamagedCubeError:
    return DamagedCubeError(
        f"{url}: an object that says what the cube holds is {damage(error)}; bring its last "
        "version back, where the bucket keeps versions, or go back to the last state that can be "
        f"read: hydro repair {cube_area(url)}"
    )


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
