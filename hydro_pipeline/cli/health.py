"""`hydro verify` and `hydro repair`: is what is stored what it should be, and if not, mend it."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hydro_pipeline.cli.terminal import FROM, TO, Name, fail, open_pipeline, say, warn

if TYPE_CHECKING:
    from hydro_pipeline.usecases.verify import Verified


def verify(
    name: Name,
    first: Annotated[dt.datetime | None, FROM] = None,
    last: Annotated[dt.datetime | None, TO] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only so many days, evenly spread.")
    ] = None,
) -> None:
    """Read what is stored of an area's days, and say what is damaged; exit code 1 if anything is.

    Chunks, carry-forward, shares, records of scenes, and rows, which are computed again.
    `hydro status` tells what is damaged until it is mended.
    """
    from hydro_pipeline.usecases.verify import noted
    from hydro_pipeline.usecases.verify import verify as verified

    state = open_pipeline().open(name)
    found = []
    for one in verified(state, first and first.date(), last and last.date(), sample):
        noted(state, one)
        found.append(one)
    _say(name, found)
    if any(one.damage for one in found):
        raise typer.Exit(1)


def repair(
    name: Name,
    day: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="This day; unset: all damaged days."
        ),
    ] = None,
) -> None:
    """Make damaged days again from the scenes that are recorded of them, and their rows.

    Days after them follow. Without --day, all that is stored is read first; where the newest state
    of the cube cannot be opened, the newest that can be is gone back to, and the days since are
    made again.
    """
    from hydro_pipeline.cube.restore import go_back
    from hydro_pipeline.usecases.repair import repair as repaired
    from hydro_pipeline.usecases.verify import noted
    from hydro_pipeline.usecases.verify import verify as verified

    pipeline = open_pipeline()
    pipeline.area(name)
    if day is None:
        days = set(go_back(pipeline.store, name))
        if days:
            say(f"area {name}: back to the newest state that can be read; {len(days)} days to make")
        state = pipeline.open(name)
        for found in verified(state, None, None) if state.cube else ():
            noted(state, found)
            days |= {found.day} if found.damage else set()
    else:
        days = {day.date()}
    count = 0
    for report in repaired(pipeline, name, days):
        count += 1
        said = f"; {len(report.refreshed)} days after it changed" if report.refreshed else ""
        say(f"{name} {report.day}: made again from {len(report.scenes)} scenes{said}")
    say(f"area {name}: {count} days repaired" if count else f"area {name}: nothing is damaged")


def _say(name: str, found: "Sequence[Verified]") -> None:
    damaged = [one for one in found if one.damage]
    for one in found:
        for sentence in one.damage:
            fail(f"{name} {one.day}: {sentence}")
        for sentence in one.remarks:
            warn(f"{name} {sentence}")
    told = f"{len(damaged)} damaged: hydro repair {name}" if damaged else "none damaged"
    say(f"area {name}: {len(found)} days read, {told}")
