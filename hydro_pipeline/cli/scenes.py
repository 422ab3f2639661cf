"""`hydro scenes`: what the days are made from, and what operators decide on it."""

import datetime as dt
import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hydro_pipeline.cli.terminal import (
    FROM,
    TO,
    Name,
    examples,
    open_pipeline,
    out,
    say,
    table,
    warn,
)

if TYPE_CHECKING:
    from hydro_pipeline.usecases.pipeline import Pipeline
    from hydro_pipeline.usecases.state import AreaState

scenes_app = typer.Typer(
    no_args_is_help=True, help="Show what days are made from; leave scenes out."
)

Scene = Annotated[str, typer.Argument(help="Id of the scene.", metavar="SCENE")]
Undo = Annotated[bool, typer.Option("--undo", help="Take the decision back.")]


@scenes_app.command(
    "list",
    epilog=examples(
        "hydro scenes list mol", "hydro scenes list mol --from 2026-05-01 --to 2026-05-31"
    ),
)
def scenes_list(
    name: Name,
    first: Annotated[dt.datetime | None, FROM] = None,
    last: Annotated[dt.datetime | None, TO] = None,
) -> None:
    """Show what each day is made from: scenes, shares of the area, and what became of others."""
    from hydro_pipeline.usecases.scenes import scene_uses

    uses = scene_uses(open_pipeline().open(name), first and first.date(), last and last.date())
    rows = ((use.day, use.scene, use.used_share, use.state, use.why) for use in uses)
    out.print(table(("day", "scene", "used_share", "state", "why"), rows))


@scenes_app.command(
    "check",
    epilog=examples(
        "hydro scenes check mol --from 2024-01-01 --to 2024-12-31",
        "hydro scenes check mol --from 2024-01-01 --to 2024-12-31 --remake",
    ),
)
def scenes_check(
    name: Name,
    first: Annotated[dt.datetime, FROM],
    last: Annotated[dt.datetime, TO],
    remake: Annotated[
        bool, typer.Option("--remake", help="Make the days again that would be made otherwise.")
    ] = False,
) -> None:
    """Ask the catalog for newer and missing scenes of any days, however long ago."""
    if last < first:
        raise typer.BadParameter(
            f"{last:%Y-%m-%d} is before --from {first:%Y-%m-%d}", param_hint="--to"
        )
    from hydro_pipeline.usecases.late_scenes import look, take_back

    pipeline = open_pipeline()
    state = pipeline.open(name)
    looks = look(state, first.date(), last.date())
    for each in looks:
        if each.problem:
            warn(f"{each.day}: {each.problem}")
        if each.missing:
            say(f"{each.day}: missing from the catalog, still used: {', '.join(each.missing)}")
        if each.change:
            say(f"{each.day}: {each.change}")
    changed = [each.day for each in looks if each.change]
    if not changed:
        say(f"area {name}: {len(looks)} days looked at, none would be made from newer scenes")
    elif remake:
        take_back(state, looks, dt.datetime.now(dt.UTC))
        _remake(pipeline, name, changed)
    else:
        say(f"{len(changed)} of {len(looks)} days would be made otherwise: add --remake")


@scenes_app.command(
    "drop",
    epilog=examples(
        'hydro scenes drop mol S2A_31UFS_20260503_0_L2A --why "haze"',
        "hydro scenes drop mol S2A_31UFS_20260503_0_L2A --undo",
    ),
)
def scenes_drop(
    name: Name,
    scene: Scene,
    why: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "",
    undo: Undo = False,
) -> None:
    """Do without a scene, whatever version of it is offered, and make its days again."""
    from hydro_pipeline.scenes.scene import Verdict
    from hydro_pipeline.usecases import scenes

    pipeline = open_pipeline()
    state, now = pipeline.open(name), dt.datetime.now(dt.UTC)
    if undo:
        days = scenes.undo(state, scene, Verdict.DROP, _me(), now, why)
    else:
        days = scenes.drop(state, scene, _me(), now, why)
    _decided(pipeline, state, scene, "used again" if undo else "dropped", days)


@scenes_app.command(
    "skip",
    epilog=examples(
        'hydro scenes skip mol S2A_31UFS_20260503_0_L2A --why "its file is 404 for good"',
        "hydro scenes skip mol S2A_31UFS_20260503_0_L2A --undo",
    ),
)
def scenes_skip(
    name: Name,
    scene: Scene,
    why: Annotated[str, typer.Option(help="Why, for whoever asks later; needed.")] = "",
    undo: Undo = False,
) -> None:
    """Do without a scene that cannot be used, until it can be read again or is offered anew."""
    if not why and not undo:
        raise typer.BadParameter("say why the scene is skipped", param_hint="--why")
    from hydro_pipeline.scenes.scene import Verdict
    from hydro_pipeline.usecases import scenes

    pipeline = open_pipeline()
    state, now = pipeline.open(name), dt.datetime.now(dt.UTC)
    if undo:
        days = scenes.undo(state, scene, Verdict.SKIP, _me(), now, why)
    else:
        days = scenes.skip_scene(state, scene, _me(), now, why)
    _decided(pipeline, state, scene, "used again" if undo else "skipped", days)


def _decided(
    pipeline: "Pipeline", state: "AreaState", scene: str, done: str, days: Sequence[dt.date]
) -> None:
    say(f"area {state.name}: {scene} is {done}")
    if days:
        _remake(pipeline, state.name, days)
    else:
        say("it is in no day of the cube yet; the next run of its day heeds that")


def _remake(pipeline: "Pipeline", name: str, days: Sequence[dt.date]) -> None:
    from hydro_pipeline.cli.progress import run_days
    from hydro_pipeline.days import ranges

    for first, last in ranges(days):
        say(f"{first} to {last}: {run_days(pipeline.settings, name, first, last).summary()}")


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
