"""An area's days in formats that other programs read: COG, Zarr, NetCDF, CSV, GeoParquet."""

import contextlib
import datetime as dt
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from zarr.codecs import BloscCodec

from hydro_pipeline.cube.layout import MEANING
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.errors import FieldsError, InputError
from hydro_pipeline.fields.fields import Field
from hydro_pipeline.fields.file import LONLAT, reprojected
from hydro_pipeline.grid import Window
from hydro_pipeline.outputs.access import packed
from hydro_pipeline.outputs.cog import age_cog, variable_cog, visual_cog
from hydro_pipeline.outputs.csv import write_csv
from hydro_pipeline.product import NO_AGE, NODATA, Product
from hydro_pipeline.usecases.state import AreaState
from hydro_pipeline.variable import Variable

CHUNKS: dict[Any, int] = {"time": 16, "y": 256, "x": 256}
"""Of exported Zarr: fewer objects than the cube's, and quick to read along time."""
BLOSC = BloscCodec(cname="zstd", shuffle="bitshuffle")


class Format(StrEnum):
    """What an export writes."""

    COG = "cog"
    ZARR = "zarr"
    NETCDF = "netcdf"
    CSV = "csv"
    GEOPARQUET = "geoparquet"


@dataclass(frozen=True)
class Export:
    """What is exported: an area's days, of all fields or one."""

    state: AreaState
    first: dt.date | None = None
    last: dt.date | None = None
    """Included; None is no bound."""
    field_id: str | None = None
    """Rows of this field alone; pixels of the rectangle around it."""

    def write(self, file_format: Format, to: Path) -> list[Path]:
        """Write the days to `to` and return what was written.

        A file, and a directory of Zarr, is there when it is whole. `cog` makes files of each day in
        the directory `to`: each variable without loss and as a coloured map, and the age. `zarr`
        makes the directory `to`: plain, consolidated Zarr v3, packed as the cube is. `netcdf`,
        `csv` and `geoparquet` make one file; the last has a row's outline with it. Raises
        `DamagedCubeError` where a chunk cannot be read, `MissingDayError` where the cube lacks the
        days, `FieldsError` for an unknown field, `InputError` if a directory for Zarr is there
        already, `CubeMeaningError` where the area was replaced by another than the cube's.
        """
        _ = self.state.cube
        to.parent.mkdir(parents=True, exist_ok=True)
        match file_format:
            case Format.COG:
                return self._cogs(to)
            case Format.ZARR:
                return self._zarr(to)
            case Format.NETCDF:
                return self._netcdf(to)
            case Format.CSV:
                with _whole(to) as part:
                    write_csv(self._rows(), part)
            case Format.GEOPARQUET:
                with _whole(to) as part:
                    self._outlined().to_parquet(
                        part, compression="zstd", schema_version="1.1.0", write_covering_bbox=True
                    )
        return [to]

    def _cogs(self, to: Path) -> list[Path]:
        cube = self.state.made_cube
        window = self._window()
        to.mkdir(exist_ok=True)
        written = []
        for day in self._days(cube):
            for name, data in day_cogs(cube, day, window).items():
                path = to / f"{cube.area_name}_{day}_{name}.tif"
                with _whole(path) as part:
                    part.write_bytes(data)
                written.append(path)
        return written

    def _zarr(self, to: Path) -> list[Path]:
        if to.exists():
            raise InputError(f"{to} is there already; give another name or remove it first")
        dataset = self._dataset(float).chunk(CHUNKS)
        for name in self.state.product.names:
            dataset[name].encoding |= {"fill_value": NODATA, "compressors": BLOSC}
        with warnings.catch_warnings():
            # Zarr v3 has no word on consolidated metadata yet; readers without it ignore them.
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            with _whole(to) as part:
                dataset.to_zarr(part, zarr_format=3, consolidated=True)
        return [to]

    def _netcdf(self, to: Path) -> list[Path]:
        dataset = self._dataset(np.float32)
        chunks = tuple(min(CHUNKS[name], dataset.sizes[name]) for name in ("time", "y", "x"))
        for name in self.state.product.names:
            dataset[name].encoding |= {"zlib": True, "shuffle": True, "chunksizes": chunks}
        with _whole(to) as part:
            dataset.to_netcdf(part, engine="h5netcdf")
        return [to]

    def _dataset(self, real: type[float | np.float32]) -> xr.Dataset:
        """The stored int16 pixels of the days and the window, attributes in the types of CF.

        `real` is the type of scale and offset, and with it of what readers unpack.
        """
        stored = packed(self.state.store, self.state.name)
        rows, cols = self._window().slices
        cube = self.state.made_cube
        days = self._days(cube)
        picked = stored.sel(time=slice(str(days[0]), str(days[-1]))).isel(y=rows, x=cols)
        for variable in picked.variables.values():
            variable.encoding = {"_FillValue": None}
        for name in cube.product.names:
            attributes = picked[name].attrs
            nodata = np.int16(attributes.pop("_FillValue"))
            picked[name].encoding = {"_FillValue": nodata, "grid_mapping": "spatial_ref"}
            for bound in attributes.keys() & {"valid_min", "valid_max"}:
                attributes[bound] = np.int16(attributes[bound])
            for factor in attributes.keys() & {"scale_factor", "add_offset"}:
                attributes[factor] = real(attributes[factor])
        picked.time.encoding |= {"units": "days since 1970-01-01", "dtype": "int32"}
        picked.attrs.pop(MEANING, None)
        picked.attrs["history"] = f"exported from snapshot {cube.session.snapshot_id} of {cube.url}"
        return picked

    def _rows(self) -> pa.Table:
        return self.state.stats(self.first, self.last, self.field_id)

    def _outlined(self) -> gpd.GeoDataFrame:
        """Rows of statistics with the outline that the season has now, longitude and latitude."""
        outlines = {(f.field_id, f.planting_date): f.geometry for f in self.state.fields.fields}
        rows = self._rows()
        seasons = zip(rows["field_id"].to_pylist(), rows["planting_date"].to_pylist(), strict=True)
        geometry = [outlines.get(season) for season in seasons]
        frame = rows.to_pandas(date_as_object=False)
        return gpd.GeoDataFrame(frame, geometry=geometry, crs="EPSG:4326")

    def _days(self, cube: Cube) -> Sequence[dt.date]:
        first, last = self.first or cube.first_day, self.last or cube.last_day
        return cube.days[cube.index(first) : cube.index(last) + 1]

    def _window(self) -> Window:
        """The whole grid, or the rectangle of pixels around the field."""
        grid = self.state.made_cube.grid
        if self.field_id is None:
            return Window.whole(grid.shape.yx)
        return field_window(grid, self._seasons(self.field_id))

    def _seasons(self, field_id: str) -> list[Field]:
        found = [f for f in self.state.fields.fields if f.field_id == field_id]
        if not found:
            raise FieldsError(
                f"area {self.state.name} has no field {field_id!r}; "
                f"hydro fields list {self.state.name} "
                "shows those it has"
            )
        return found


def field_window(grid: GeoBox, seasons: Sequence[Field]) -> Window:
    """Rows and columns of the grid that a field touches, in any of its seasons."""
    drawn = np.array([field.geometry for field in seasons], dtype=object)
    to_pixels = ~grid.affine
    west, south, east, north = shapely.total_bounds(reprojected(drawn, LONLAT, str(grid.crs)))
    left, top = to_pixels @ (west, north)
    right, bottom = to_pixels @ (east, south)
    height, width = grid.shape
    return Window.between(
        max(0, int(top)),
        max(0, int(left)),
        min(height, int(np.ceil(bottom))),
        min(width, int(np.ceil(right))),
    )


def day_cogs(cube: Cube, day: dt.date, window: Window) -> dict[str, bytes]:
    """A day and window as Cloud-Optimized GeoTIFFs: each variable by its name, `age`, and each
    variable as a coloured map by the name that `visual_name` gives.
    """
    values, seen = cube.read(day, window)
    age = np.where(seen == NODATA, NO_AGE, day_number(day) - seen.astype(np.int32))
    grid, product = cube.grid[window.slices], cube.product
    pairs = list(zip(values, product.variables, strict=True))
    tags = {
        "AREA": cube.area_name,
        "DAY": str(day),
        "REVISION": str(cube.revisions[day]),
        "TIFFTAG_IMAGEDESCRIPTION": f"{product.title} of {cube.area_name} on {day}, "
        f"gaps filled from earlier days; {product.sensor.credit}",
    }
    return {
        **{v.name: variable_cog(pixels, v, grid, tags) for pixels, v in pairs},
        "age": age_cog(age.astype(np.int16), grid, tags),
        **{visual_name(product, v): visual_cog(pixels, v, grid, tags) for pixels, v in pairs},
    }


def visual_name(product: Product, variable: Variable) -> str:
    """What the coloured map of a variable is called: `visual` of the product's main one."""
    return "visual" if variable == product.main else f"visual_{variable.name}"


@contextlib.contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """A path beside `to` to write to, which becomes `to` at the end."""
    part = to.with_name(f".{to.name}.part")
    if part.is_dir():
        shutil.rmtree(part)
    part.unlink(missing_ok=True)
    yield part
    part.replace(to)
