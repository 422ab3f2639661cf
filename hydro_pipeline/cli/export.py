"""`hydro export`, `report` and `stac`: what is stored, for other programs and for people."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import track

from hydro_pipeline.cli.terminal import FROM, TO, Name, err, open_pipeline, say


def export(
    name: Name,
    to: Annotated[Path, typer.Argument(metavar="DEST", help="File or directory to write.")],
    file_format: Annotated[
        Literal["cog", "zarr", "netcdf", "csv", "geoparquet"],
        typer.Option("--format", help="cog and zarr make a directory, the others a file."),
    ],
    first: Annotated[dt.datetime | None, FROM] = None,
    last: Annotated[dt.datetime | None, TO] = None,
    field: Annotated[
        str | None, typer.Option(metavar="ID", help="One field: its rows, the pixels around it.")
    ] = None,
) -> None:
    """Write composites (cog, zarr, netcdf) or statistics (csv, geoparquet) of a range of days.

    Without --from or --to, from the first or to the last day that there is.
    """
    from hydro_pipeline.outputs.exports import Export, Format

    state = open_pipeline().open(name)
    wanted = Export(state, first and first.date(), last and last.date(), field)
    written = wanted.write(Format(file_format), to)
    say(f"{len(written)} files written to {to}/" if len(written) > 1 else f"written: {written[0]}")


def report(
    name: Name,
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File to write; unset: under HYDRO_ROOT."),
    ] = None,
) -> None:
    """Write the report page of an area: map, table and series in one file, for any browser."""
    from hydro_pipeline.report.page import write_report

    made = write_report(open_pipeline().open(name), to)
    say(f"{made.url}: {made.fields} fields, {made.days} days, {made.size / 1e6:.1f} MB")
    if made.warnings:
        say(f"{made.warnings} data warnings, listed at the page's end")


def stac(
    name: Name,
    first: Annotated[dt.datetime | None, FROM] = None,
    last: Annotated[dt.datetime | None, TO] = None,
) -> None:
    """Publish days as a static STAC catalog with their maps, under stac/ in the root.

    Without --from or --to, from the first or to the last day. Days already there are left alone.
    """
    from hydro_pipeline.outputs.stac_items import Publication
    from hydro_pipeline.storage.keys import collection_key

    state = open_pipeline().open(name)
    days = list(Publication(state).publish(first and first.date(), last and last.date()))
    say(f"{len(days)} days written; {state.store.url(collection_key(name))}")


def record(
    name: Name,
    first: Annotated[dt.datetime, FROM],
    last: Annotated[dt.datetime, TO],
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write.")],
) -> None:
    """Save what the catalog answers for a range of days, and the pixels over the area.

    The result is a static catalog: HYDRO_CATALOG=DIR/items.json replays it without internet.
    """
    if last < first:
        raise typer.BadParameter(
            f"{last:%Y-%m-%d} is before --from {first:%Y-%m-%d}", param_hint="--to"
        )
    from hydro_pipeline.imagery.recording import record

    pipeline = open_pipeline()
    area = pipeline.area(name)
    settings = pipeline.settings_of(area)
    saved = record(pipeline.catalog(area), area, first.date(), last.date(), to, settings)
    size = scenes = 0
    for scenes, entry in enumerate(track(saved, "scenes", console=err), start=1):  # noqa: B007
        size += entry.bytes
    say(f"scenes: {scenes}, {size / 1e6:.1f} MB; replay them: HYDRO_CATALOG={to / 'items.json'}")
