"""Every error this package raises on purpose.

The tree is grouped by what the handler would do: `HydroError.retryable` is True where the same
call may succeed later with nothing changed by a person (a service that is down, a lost race), and
False where somebody has to change an input, a setting or a stored object first.
"""

import datetime as dt
from typing import ClassVar

from hydro_pipeline.outside.shown import plain


class HydroError(Exception):
    """Base class. The message names the thing, the value, and what to do about it; it is one line
    without control characters, wherever its values came from.
    """

    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        return plain(" ".join(super().__str__().splitlines()))


class InputError(HydroError):
    """Something a person gave is wrong: fix it and run again."""


class SettingError(InputError):
    """A `HYDRO_*` setting is wrong or missing."""


class AreaError(InputError):
    """An area is unknown, or its bounding box, CRS or resolution cannot be used."""


class FieldsError(InputError):
    """A fields file, or a field in it, cannot be used."""


class StoreAccessError(InputError):
    """The object store answers, but refuses: wrong keys, missing bucket, no permission."""


class MissingDayError(HydroError):
    """A day cannot be made because the day before it is not in the cube."""


class CubeMeaningError(HydroError):
    """The stored cube was made with other values of the settings that give pixels their meaning."""


class StoredObjectError(HydroError):
    """A stored object is there but cannot be read as what it should be."""


class DamagedCubeError(StoredObjectError):
    """Stored pixels, or what says where they are, are lost or not what was written."""

    def __init__(self, message: str, day: dt.date | None = None) -> None:
        super().__init__(message)
        self.day = day
        """Whose pixels; None where the damage is not one day's."""


class CatalogAnswerError(HydroError):
    """The catalog answered with something that is not a usable STAC answer."""


class SceneError(HydroError):
    """A scene's STAC item is malformed, or contradicts its own pixels."""

    def __init__(self, message: str = "", scene_id: str | None = None) -> None:
        super().__init__(message)
        self.scene_id = scene_id
        """Of the one scene without which its day could be made, if that is known."""


class SceneGoneError(SceneError):
    """A scene's file is not there, or not for us: HTTP 401, 403 or 404."""


class TransientError(HydroError):
    """The same call may succeed later."""

    retryable: ClassVar[bool] = True


class StoreUnavailableError(TransientError):
    """The object store cannot be reached, or fails."""


class CatalogUnavailableError(TransientError):
    """The catalog cannot be reached, fails, or cut its answer short."""


class SceneReadError(TransientError):
    """A scene's pixels could not be read, which may pass."""


class ClusterError(TransientError):
    """The Dask cluster cannot be reached, or lost its workers."""


class ConflictError(TransientError):
    """Another writer changed the same object first."""
