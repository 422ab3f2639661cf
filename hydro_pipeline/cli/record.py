"""`hydro record`: a place and time as a static catalog."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from hydro_pipeline.cli.terminal import FROM, TO, Name, err, open_pipeline, say


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
    saved = record(pipeline.catalog, area, first.date(), last.date(), to, pipeline.settings)
    size = scenes = 0
    for scenes, entry in enumerate(track(saved, "scenes", console=err), start=1):  # noqa: B007
        size += entry.bytes
    say(f"scenes: {scenes}, {size / 1e6:.1f} MB; replay them: HYDRO_CATALOG={to / 'items.json'}")
