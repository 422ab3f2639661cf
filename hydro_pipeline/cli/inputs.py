"""`hydro area` and `hydro fields`: what is watched."""

from pathlib import Path
from typing import Annotated

import typer

from hydro_pipeline.cli.terminal import Name, examples, open_pipeline, out, say, table, warn

area_app = typer.Typer(no_args_is_help=True, help="Set the areas that are watched.")
fields_app = typer.Typer(no_args_is_help=True, help="Add and list the fields of an area.")


@area_app.command(
    "set",
    epilog=examples(
        "hydro area set mol --bbox=5.05,51.19,5.07,51.21",
        "hydro area set valley --geojson outline.geojson --crs EPSG:32631 --resolution 20",
    ),
)
def area_set(
    name: Name,
    bbox: Annotated[
        str | None,
        typer.Option(metavar="W,S,E,N", help="West, south, east, north in degrees."),
    ] = None,
    geojson: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its bounding box is taken.")
    ] = None,
    crs: Annotated[
        str | None, typer.Option(metavar="EPSG:n", help="CRS of the grid; unset: the UTM zone.")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(metavar="METRES", help="Pixel size; unset: 10.")
    ] = None,
) -> None:
    """Set an area: the bounding box and the pixel grid that all its days share."""
    from hydro_pipeline.area import Area
    from hydro_pipeline.storage.keys import area_folder

    if (bbox is None) == (geojson is None):
        raise typer.BadParameter("give either --bbox=W,S,E,N or --geojson FILE")
    if geojson is not None:
        area = Area.from_geojson(name, geojson.read_bytes(), crs=crs, resolution=resolution)
    else:
        area = Area.from_bbox(name, _bbox(bbox or ""), crs=crs, resolution=resolution or 10.0)
    pipeline = open_pipeline()
    pipeline.put_area(area)
    height, width = area.grid.shape
    say(f"area {name}: {width} x {height} pixels of {area.resolution:g} m in {area.crs}")
    say(f"stored under {pipeline.store.url(area_folder(name))}/")


def _bbox(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: give four numbers in degrees, west,south,east,north", param_hint="--bbox"
        ) from None
    return west, south, east, north


@fields_app.command("put", epilog=examples("hydro fields put mol fields.geojson late.parquet"))
def fields_put(
    name: Name,
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="GeoJSON or GeoParquet.")
    ],
) -> None:
    """Check files of fields and store them; a file with an error is not stored.

    Each feature needs a field_id and a planting_date. A field may come long after it was planted:
    `hydro catch-up` gives it its past.
    """
    from hydro_pipeline.fields.fields import put_fields

    pipeline = open_pipeline()
    area = pipeline.area(name)
    for file in files:
        reading = put_fields(pipeline.store, area, file.name, file.read_bytes())
        say(f"{file.name}: {len(reading.fields)} fields")
        for problem in reading.problems:
            warn(problem.message)
    if stale := pipeline.open(name).stale_days():
        say(f"{len(stale)} days need statistics now: hydro catch-up {name}")


@fields_app.command("list", epilog=examples("hydro fields list mol"))
def fields_list(name: Name) -> None:
    """List the fields of an area, and what is wrong with its files."""
    reading = open_pipeline().open(name).fields
    rows = [(f.field_id, f.planting_date, f.source) for f in reading.fields]
    out.print(table(("field_id", "planting_date", "file"), rows))
    for problem in reading.problems:
        warn(problem.message)
