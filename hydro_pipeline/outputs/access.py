"""Stored data for notebooks and scripts: the cube, the statistics, the history, a day's scenes.

Every function takes `root`, a directory or `s3://bucket/prefix`; None is `HYDRO_ROOT`. The store's
keys and all else come from the `HYDRO_*` environment. All raise what `Settings.load` and `Store`
raise.
"""

import datetime as dt
from collections.abc import Sequence

import dask.array as da
import icechunk
import numpy as np
import pandas as pd
import pystac
import rioxarray  # noqa: F401
import xarray as xr
import zarr

from hydro_pipeline.cube.layout import MEANING, completed
from hydro_pipeline.cube.read import BRANCH, Cube, open_repository
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.cube.waiting import sync
from hydro_pipeline.errors import MissingDayError
from hydro_pipeline.indices import product_of
from hydro_pipeline.outputs.guarded import Guarded
from hydro_pipeline.product import NODATA
from hydro_pipeline.scenes.day_record import read_record
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.schema import schema_of
from hydro_pipeline.stats.table import read_table, stored_days
from hydro_pipeline.storage.keys import cube_key, scenes_key
from hydro_pipeline.storage.store import Store


def open_cube(root: str | None, area: str, *, snapshot: str | None = None) -> xr.Dataset:
    """An area's cube, lazily: its variables, `ndvi` for example, and `age` in days, all float32
    (time, y, x), NaN = no value.

    The days' `revision`, `scene_count`, `observed_fraction` and `valid_fraction` come as
    coordinates. The CRS is in `spatial_ref`, for `.rio` and `.odc`. `snapshot` is an id out of
    `history`: the cube as it was then. Raises `MissingDayError` if no day was ever committed;
    computing raises `DamagedCubeError` where a chunk is lost or damaged.
    """
    stored = packed(_store(root), area, snapshot)
    product = product_of(completed(stored.attrs[MEANING]))
    variables = product.variables_by_name
    days = xr.DataArray(stored.time.values.astype("datetime64[D]").astype(np.int16), dims="time")
    age = (days - stored.observed_on).where(stored.observed_on != NODATA)
    described = {
        name: (stored[name].where(stored[name] != NODATA) * np.float32(of.scale), of.units)
        for name, of in variables.items()
    } | {"age": (age, "days")}
    names = {name: stored[name].attrs["long_name"] for name in variables}
    names["age"] = "days since the value was observed"
    dataset = xr.Dataset(
        {
            name: array.transpose("time", "y", "x")
            .drop_attrs()
            .assign_attrs(long_name=names[name], units=units, grid_mapping="spatial_ref")
            for name, (array, units) in described.items()
        },
        attrs={name: said for name, said in stored.attrs.items() if name != MEANING},
    )
    return dataset.assign_coords(
        {name: stored[name] for name in stored if name not in product.names}
    )


def packed(store: Store, area: str, snapshot: str | None = None) -> xr.Dataset:
    """The cube as it is stored, lazily: int16 variables and `observed_on` (days since 1970-01-01),
    nodata -32768, with the attributes that CF gives them. Computing raises `DamagedCubeError`
    where a chunk is lost or damaged.
    """
    repository = open_repository(store, area)
    url = store.url(cube_key(area))
    if repository is None:
        raise _no_cube(url, area)
    with translated(url):
        branch = BRANCH if snapshot is None else None
        session = sync(repository.readonly_session_async(branch, snapshot_id=snapshot))
        try:
            dataset: xr.Dataset = xr.open_zarr(
                session.store,
                consolidated=False,
                chunks={},
                mask_and_scale=False,
                decode_times={"time": True, "observed_on": False},
                decode_coords="all",
            )
        except FileNotFoundError:
            raise _no_cube(url, area) from None
        if not dataset.sizes["time"]:
            raise _no_cube(url, area)
        arrays = dict(zarr.open_group(session.store, mode="r").arrays())
    first = dataset.time.values[0].astype("datetime64[D]").item()
    for name in (each for each in dataset.data_vars if dataset[each].ndim == 3):
        stored = Guarded(arrays[str(name)], str(name), url, first)
        token = f"{name}-{area}-{session.snapshot_id}"
        lazy = da.from_array(stored, dataset[name].data.chunks, name=token)
        dataset[name] = dataset[name].copy(data=lazy)
    for axis in ("x", "y"):
        dataset[axis].attrs |= {
            "standard_name": f"projection_{axis}_coordinate",
            "axis": axis.upper(),
        }
    return dataset


def history(root: str | None, area: str) -> pd.DataFrame:
    """Every commit of an area's cube, newest first.

    Columns: `written_at`, `day`, `outcome`, `scenes` (ids), `refreshed` (later days that changed
    with it), `run_id`; the index is the snapshot's id. Raises `MissingDayError` without a cube.
    """
    store = _store(root)
    repository = open_repository(store, area)
    if repository is None:
        raise _no_cube(store.url(cube_key(area)), area)
    with translated(store.url(cube_key(area))):
        commits = [c for c in repository.ancestry(branch=BRANCH) if "day" in c.metadata]
    return pd.DataFrame([_row(commit) for commit in commits]).set_index("snapshot")


def open_field_stats(
    root: str | None,
    area: str,
    first: dt.date | None = None,
    last: dt.date | None = None,
    field_id: str | None = None,
) -> pd.DataFrame:
    """Rows of field statistics, ordered by `date` and `field_id`; dates are datetime64.

    `first` and `last` are included; None is no bound. Empty where there is nothing.
    """
    store = _store(root)
    days = stored_days(store, area, first, last)
    cube = Cube.open(store, area)
    schema = schema_of(store.settings.product if cube is None else cube.product)
    table = read_table(store, area, days, schema, field_id)
    rows: pd.DataFrame = table.to_pandas(date_as_object=False)
    return rows


def open_scenes(root: str | None, area: str, day: dt.date) -> pystac.ItemCollection:
    """The scenes that a day was made from; decisions on them are in `extra_fields["hydro:used"]`.

    Raises `MissingDayError` if the day has no record.
    """
    store = _store(root)
    record = read_record(store, area, day)
    if record is None:
        raise MissingDayError(
            f"{store.url(scenes_key(area, day))} is not there: {day} was not made yet; "
            f"hydro status {area} lists the days that were"
        )
    return pystac.ItemCollection.from_dict(record)


def _row(commit: icechunk.SnapshotInfo) -> dict[str, object]:
    said = commit.metadata
    refreshed: Sequence[str] = said.get("refreshed", [])
    return {
        "snapshot": commit.id,
        "written_at": commit.written_at,
        "day": pd.Timestamp(said["day"]),
        "outcome": said.get("outcome"),
        "scenes": list(said.get("scenes", [])),
        "refreshed": [pd.Timestamp(day) for day in refreshed],
        "run_id": said.get("run_id"),
    }


def _store(root: str | None) -> Store:
    return Store(Settings.load() if root is None else Settings.load(root=str(root)))


def _no_cube(url: str, area: str) -> MissingDayError:
    return MissingDayError(
        f"{url}: there is no cube yet; run its first days: hydro run {area} --from DATE --to DATE"
    )
