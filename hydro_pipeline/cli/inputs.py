"""`hydro area` and `hydro fields`: what is watched."""

from pathlib import Path
from typing import Annotated

import typer

from hydro_pipeline.cli.terminal import (
    Name,
    examples,
    limited,
    open_pipeline,
    out,
    say,
    table,
    warn,
)

area_app = typer.Typer(no_args_is_help=True, help="Set the areas that are watched.")
fields_app = typer.Typer(no_args_is_help=True, help="Add and list the fields of an area.")


@area_app.command(
    "set",
    epilog=examples(
        "hydro area set mol --bbox=5.05,51.19,5.07,51.21",
        "hydro area set valley --geojson outline.geojson --crs EPSG:32631 --resolution 20",
        "hydro area set mol --variables ndvi,ndmi,red,nir,swir16",
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
    variables: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of this area: HYDRO_VARIABLES.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this area: HYDRO_COLLECTION.")
    ] = None,
    clear_classes: Annotated[
        str | None, typer.Option(metavar="LIST", help="Of this area: HYDRO_CLEAR_CLASSES.")
    ] = None,
    cloud_buffer: Annotated[
        str | None, typer.Option(metavar="METRES", help="Of this area: HYDRO_CLOUD_BUFFER_M.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Of this area: HYDRO_MAX_AGE_DAYS.")
    ] = None,
) -> None:
    """Set an area: the bounding box and the pixel grid that all its days share.

    What is given of this area alone is stored with it, and wins over the environment; an empty
    text takes it away again. An area that is there keeps what is not given, its box too.
    """
    from dataclasses import replace

    from hydro_pipeline.area.area import Area
    from hydro_pipeline.area.name import check_characters
    from hydro_pipeline.area.rules import rules_of
    from hydro_pipeline.storage.keys import area_folder, area_key

    given = {
        "variables": variables, "collection": collection, "clear_classes": clear_classes,
        "cloud_buffer_m": cloud_buffer, "max_age_days": max_age,
    }  # fmt: skip
    given = {rule: value for rule, value in given.items() if value is not None}
    pipeline = open_pipeline()
    check_characters(name)
    known = pipeline.area(name) if pipeline.store.etag(area_key(name)) else None
    kept = known if given and {bbox, geojson, crs, resolution} == {None} else None
    if kept is None and (bbox is None) == (geojson is None):
        raise typer.BadParameter("give either --bbox=W,S,E,N or --geojson FILE")
    if geojson is not None:
        area = Area.from_geojson(name, geojson.read_bytes(), crs=crs, resolution=resolution)
    else:
        area = kept or Area.from_bbox(
            name, _bbox(bbox or ""), crs=crs, resolution=resolution or 10.0
        )
    rules = {**(dict(known.rules) if known else {}), **dict(area.rules), **given}
    area = replace(area, rules=rules_of(name, {k: v for k, v in rules.items() if v != ""}))
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
    force: Annotated[
        bool, typer.Option("--force", help="Store an empty file in place of one with fields.")
    ] = False,
) -> None:
    """Check files of fields and store them; says first which rows of statistics that takes away.

    Each feature needs a field_id and a planting_date; one that lacks them is left out. A field may
    come long after it was planted: `hydro catch-up` gives it its past. A field planted again, in
    the same file or another, has a season for each planting, which ends the day before the next.
    """
    from hydro_pipeline.area.name import note
    from hydro_pipeline.fields.fields import check_file, put_fields
    from hydro_pipeline.fields.size import check_size
    from hydro_pipeline.usecases.displaced import by_file

    pipeline = open_pipeline()
    area = pipeline.area(name)
    if own := note(name):
        warn(own)
    for file in files:
        check_size(file.name, file.stat().st_size)
        data = file.read_bytes()
        checked = check_file(pipeline.store, area, file.name, data, force)
        for sentence in limited(by_file(pipeline.open(name), checked)):
            say(sentence)
        reading = put_fields(pipeline.store, area, file.name, data, force=force)
        left_out = f", {reading.left_out} left out" if reading.left_out else ""
        say(f"{file.name}: {len({f.field_id for f in reading.fields})} fields{left_out}")
        for sentence in reading.told():
            warn(sentence)
    if stale := pipeline.open(name).stale_days():
        say(f"{len(stale)} days need statistics now: hydro catch-up {name}")


@fields_app.command("list", epilog=examples("hydro fields list mol"))
def fields_list(name: Name) -> None:
    """List the fields of an area, and what is wrong with its files."""
    from hydro_pipeline.fields.seasons import ends

    state = open_pipeline().open(name)
    fields = state.fields.fields
    last_days = ends([(f.field_id, f.planting_date) for f in fields])
    rows = [
        (f.field_id, f.planting_date, last, f.source)
        for f, last in zip(fields, last_days, strict=True)
    ]
    out.print(table(("field_id", "planting_date", "last_day", "file"), rows))
    for sentence in state.remarks:
        warn(sentence)
