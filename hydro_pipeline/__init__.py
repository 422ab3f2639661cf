"""Daily, cloud-gap-filled NDVI and per-field statistics from Sentinel-2."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hydro_pipeline.outputs.access import history, open_cube, open_field_stats, open_scenes

__all__ = ["history", "open_cube", "open_field_stats", "open_scenes"]


def __getattr__(name: str) -> Any:
    """The functions of `access`, imported when first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hydro_pipeline.outputs import access

    return getattr(access, name)
