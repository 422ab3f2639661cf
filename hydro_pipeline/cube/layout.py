"""What a stored cube looks like: its arrays, their encoding, and the meaning of its pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr
from odc.geo.xr import xr_coords
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import CubeMeaningError
from hydro_pipeline.grid import Tiling
from hydro_pipeline.outside import deadlines
from hydro_pipeline.product import NODATA, Product
from hydro_pipeline.settings import Settings

FORMAT = 1
MEANING = "hydro_pipeline"
"""Root attribute that holds the meaning."""
MEANING_0_1_0: dict[str, Any] = {
    "bands": {
        "red": {"asset": "red", "native_m": 10.0},
        "nir": {"asset": "nir", "native_m": 10.0},
        "scl": {"asset": "scl", "native_m": 20.0},
    },
    "dn_per_unit": 10_000.0,
    "spoiling_classes": [3, 8, 9, 10],
    "variables": {
        "ndvi": {
            "top": {"nir": 1.0, "red": -1.0},
            "bottom": {"nir": 1.0, "red": 1.0},
            "valid": [-1.0, 1.0],
            "scale": 1e-4,
        }
    },
    "pixel_code": 1,
}
"""What goes without saying in a cube made by 0.1.0."""

CACHE_BYTES = 12 << 20
MANIFEST_DAYS = 32
"""Days of one array whose chunks are listed in one manifest."""
MANIFESTS_AT_ONCE = 16
UPDATES_LISTED = 64
"""Latest operations that the repository's root object lists; each commit writes it anew."""

LARGE_PX = 2000
"""Areas up to this many pixels on a side get small chunks."""

DAILY = {
    "revision": ("int32", "how often the day's pixels changed", "1"),
    "scene_count": ("int32", "scenes that the day was made from", "1"),
    "observed_fraction": ("float64", "share of pixels seen clear on this very day", "1"),
    "valid_fraction": ("float64", "share of pixels that have a value", "1"),
}


def chunk_size(area: Area) -> int:
    """Side of a cube chunk in pixels."""
    return 256 if max(area.grid.shape) <= LARGE_PX else 512


def tiling_of(arrays: Mapping[str, Any], names: Sequence[str]) -> Tiling:
    """The grid of a cube's arrays by name as it is cut into chunks."""
    _, height, width = arrays[names[0]].shape
    return Tiling((height, width), int(arrays[names[0]].chunks[1]))


def grid_meaning(area: Area) -> dict[str, Any]:
    """Where the area's pixels are."""
    return {
        "crs": area.crs,
        "transform": list(area.grid.transform)[:6],
        "shape": list(area.grid.shape),
    }


def meaning(area: Area, settings: Settings) -> dict[str, Any]:
    """What gives the area's pixels their meaning; a cube holds exactly one."""
    return {
        "format": FORMAT,
        "area": area.name,
        **grid_meaning(area),
        "max_age_days": settings.max_age_days,
        **settings.product.meaning(),
    }


GRID = ("crs", "transform", "shape")
"""What of a cube's meaning says where its pixels are."""


def completed(stored: dict[str, Any]) -> dict[str, Any]:
    """A cube's meaning as it is stored, with what it does not say because 0.1.0 made it."""
    return MEANING_0_1_0 | stored


def check_meaning(stored: dict[str, Any], wanted: dict[str, Any], url: str) -> None:
    """Raise `CubeMeaningError` if a cube's meaning is not the wanted one."""
    stored = completed(stored)
    if any(stored.get(key) != wanted.get(key) for key in GRID):
        here, there = ({key: of.get(key) for key in GRID} for of in (wanted, stored))
        raise CubeMeaningError(
            f"the area {wanted.get('area')} was replaced: its area.geojson gives the grid {here}, "
            f"but the pixels of the cube {url} are on {there}. "
            "Put the old area.geojson back, or give the new area another name"
        )
    different = [
        f"{key} is {stored.get(key)!r} there and {wanted.get(key)!r} now"
        for key in {**wanted, **stored}
        if stored.get(key) != wanted.get(key)
    ]
    if different:
        raise CubeMeaningError(
            f"the cube {url} was made with other settings or by another version: "
            f"{'; '.join(different)}. "
            "Use the old ones, give the area another name, or remove that folder "
            "and the area's scenes/ and field_stats/ to build it anew"
        )


def repository_config() -> icechunk.RepositoryConfig:
    """Manifests split along time, so that a commit's cost does not grow with the cube's age.

    A chunk that days have in common is fetched once by a process, while it is among the last
    `CACHE_BYTES` fetched. What every reader needs, the variables per day, is asked for at once.
    """
    config = icechunk.RepositoryConfig.default()
    config.num_updates_per_repo_info_file = UPDATES_LISTED
    config.caching = icechunk.CachingConfig(num_bytes_chunks=CACHE_BYTES)
    config.storage = storage_settings()
    config.manifest = icechunk.ManifestConfig(
        max_concurrent_manifest_fetches_during_commit=MANIFESTS_AT_ONCE,
        preload=icechunk.ManifestPreloadConfig(
            preload_if=icechunk.ManifestPreloadCondition.name_matches(
                f"^({'|'.join(['time', *DAILY])})$"
            )
        ),
        splitting=icechunk.ManifestSplittingConfig.from_dict(
            {
                icechunk.ManifestSplitCondition.AnyArray(): {
                    icechunk.ManifestSplitDimCondition.DimensionName("time"): MANIFEST_DAYS
                }
            }
        ),
    )
    return config


def storage_settings() -> icechunk.StorageSettings:
    """How long Icechunk waits for a bucket. What comes of an answer's body has no deadline here:
    see `waiting`.
    """
    deadline = deadlines.ICECHUNK
    return icechunk.StorageSettings(
        timeouts=icechunk.StorageTimeoutSettings(
            connect_timeout_ms=round(deadline.connect * 1000),
            read_timeout_ms=round(deadline.read * 1000),
            operation_timeout_ms=round(deadline.total * 1000),
        )
    )


def create_arrays(
    store: icechunk.IcechunkStore, area: Area, product: Product, meaning: dict[str, Any]
) -> None:
    """Write the empty arrays of a cube: dims time (of length 0), y, x; CF attributes throughout."""
    height, width = area.grid.shape
    side = chunk_size(area)
    georeference = xr_coords(area.grid)
    group = zarr.create_group(
        store,
        attributes={
            "Conventions": "CF-1.11",
            "title": f"Daily cloud-gap-filled {product.title} of {area.name}",
            "source": f"{product.sensor.title}; {product.sensor.credit}",
            MEANING: meaning,
        },
    )
    for name, attributes in product.arrays.items():
        create_pixels(group, name, attributes, (0, height, width), side)
    for name, (dtype, long_name, units) in DAILY.items():
        _create_daily(group, name, dtype, {"long_name": long_name, "units": units})
    _create_daily(
        group,
        "time",
        "int32",
        {
            "standard_name": "time",
            "axis": "T",
            "units": "days since 1970-01-01",
            "calendar": "proleptic_gregorian",
        },
    )
    for name in ("y", "x", "spatial_ref"):
        _create_fixed(group, name, georeference[name])


def create_pixels(
    group: zarr.Group,
    name: str,
    attributes: dict[str, Any],
    shape: tuple[int, int, int],
    side: int,
) -> zarr.Array[Any]:
    """Write an array of pixels (time, y, x) without any value, in chunks of `side` pixels."""
    return group.create_array(
        name,
        shape=shape,
        chunks=(1, side, side),
        dtype="int16",
        fill_value=NODATA,
        compressors=(
            BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
            Crc32cCodec(),  # A chunk in which a bit has flipped must not be believed.
        ),
        dimension_names=("time", "y", "x"),
        attributes={**attributes, "_FillValue": NODATA, "grid_mapping": "spatial_ref"},
    )


def _create_daily(group: zarr.Group, name: str, dtype: str, attributes: dict[str, Any]) -> None:
    group.create_array(
        name,
        shape=(0,),
        chunks=(4096,),
        dtype=dtype,
        compressors=(ZstdCodec(), Crc32cCodec()),
        fill_value=-1,
        dimension_names=("time",),
        attributes=attributes,
    )


def _create_fixed(group: zarr.Group, name: str, coordinate: xr.DataArray) -> None:
    array = group.create_array(
        name,
        shape=coordinate.shape,
        chunks=coordinate.shape or "auto",
        dtype=coordinate.dtype,
        dimension_names=[str(d) for d in coordinate.dims],
        attributes={k: v for k, v in coordinate.attrs.items() if k != "crs"},
    )
    array[...] = np.asarray(coordinate.values)
