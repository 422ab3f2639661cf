"""The command line `hydro`. Heavy imports wait until a command needs them."""

import datetime as dt
import sys
import warnings
from typing import Annotated

import typer

from hydro_pipeline.cli.export import export, record, report, stac
from hydro_pipeline.cli.health import repair, verify
from hydro_pipeline.cli.inputs import area_app, fields_app
from hydro_pipeline.cli.outputs import stats, status
from hydro_pipeline.cli.scenes import scenes_app
from hydro_pipeline.cli.terminal import (
    FROM,
    TO,
    Name,
    examples,
    fail,
    open_pipeline,
    origin,
    out,
    say,
    settings_rows,
    table,
    warn,
)
from hydro_pipeline.cli.variables import variables_app
from hydro_pipeline.errors import HydroError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    epilog=examples(
        "hydro init",
        "hydro area set mol --bbox=5.05,51.19,5.07,51.21",
        "hydro fields put mol fields.geojson",
        "hydro run mol --from 2026-05-01 --to 2026-05-31",
        "hydro stats mol --out stats.csv",
    ),
)
app.add_typer(area_app, name="area")
app.add_typer(fields_app, name="fields")
app.add_typer(scenes_app, name="scenes")
app.add_typer(variables_app, name="variables")


def main() -> None:
    """Run `hydro`: exit code 1 and one line where a command cannot do its work."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    warnings.showwarning = lambda message, *_, **__: warn(str(message))
    try:
        app(arguments)
    except HydroError as error:
        if debug:
            raise
        fail(str(error))
    except Exception as error:
        if debug:
            raise
        fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"hydro_pipeline {version('hydro-pipeline')}")
        raise typer.Exit


@app.callback()
def hydro(
    _debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Daily, cloud-gap-filled NDVI and per-field statistics from Sentinel-2."""


@app.command(epilog=examples("hydro init", "HYDRO_ROOT=s3://my-bucket/ndvi hydro init"))
def init() -> None:
    """Make the bucket or directory of HYDRO_ROOT, check it, and say what is there."""
    from hydro_pipeline.settings import Settings
    from hydro_pipeline.storage.root import prepare_root

    for line in prepare_root(Settings.load()):
        say(line)


@app.command(epilog=examples("hydro preflight"))
def preflight() -> None:
    """Check settings, kernels, store, areas and definitions; exit code 1 if one fails."""
    from hydro_pipeline.cli.preflight import preflight as checks

    failed = False
    for check in checks():
        mark = {True: "ok", False: "FAILED", None: "-"}[check.ok]
        say(f"{check.name:12} {mark:7} {check.found}")
        failed = failed or not check.ok
    if failed:
        raise typer.Exit(1)


@app.command(epilog=examples("hydro run mol --from 2026-05-01 --to 2026-05-31"))
def run(name: Name, first: Annotated[dt.datetime, FROM], last: Annotated[dt.datetime, TO]) -> None:
    """Make the composite and the statistics of a range of days, through Dagster."""
    if last < first:
        raise typer.BadParameter(
            f"{last:%Y-%m-%d} is before --from {first:%Y-%m-%d}", param_hint="--to"
        )
    from hydro_pipeline.cli.progress import run_days

    pipeline = open_pipeline()
    pipeline.area(name)
    say(run_days(pipeline.settings, name, first.date(), last.date()).summary())


@app.command("catch-up", epilog=examples("hydro catch-up mol"))
def catch_up(name: Name) -> None:
    """Compute the statistics that are missing or out of date: late and edited fields.

    Reads the stored cube only: no catalog request, no imagery.
    """
    from hydro_pipeline.cli.progress import run_days

    pipeline = open_pipeline()
    stale = pipeline.open(name).stale_days()
    if stale:
        done = run_days(pipeline.settings, name, min(stale), max(stale), "field_stats")
        say(done.summary())
    else:
        say(f"area {name}: all statistics are up to date")


@app.command(epilog=examples("hydro maintain mol", "hydro maintain mol --keep-days 30"))
def maintain(
    name: Name,
    keep_days: Annotated[
        int, typer.Option(min=1, help="Days for which every past state stays.")
    ] = 90,
) -> None:
    """Forget past states of a cube, and delete what only they referred to; its days stay."""
    from hydro_pipeline.cube.maintain import maintain

    pipeline = open_pipeline()
    pipeline.area(name)
    done = maintain(pipeline.store, name, dt.datetime.now(dt.UTC), keep_days)
    say(
        f"area {name}: {done.expired} past states forgotten, {done.deleted} objects deleted, "
        f"{done.freed / 1e6:.1f} MB freed; {done.orphans} objects that killed writers left removed"
    )


app.command(
    epilog=examples(
        "hydro stats mol --field F04",
        "hydro stats mol --from 2026-05-01 --to 2026-05-31 --out stats.csv",
    )
)(stats)
app.command(epilog=examples("hydro status", "hydro status mol"))(status)
app.command(epilog=examples("hydro verify mol", "hydro verify mol --sample 10"))(verify)
app.command(epilog=examples("hydro repair mol", "hydro repair mol --day 2026-05-07"))(repair)


app.command(
    epilog=examples(
        "hydro export mol --format cog --from 2026-05-01 --to 2026-05-31 maps",
        "hydro export mol --format netcdf --field F04 f04.nc",
    )
)(export)
app.command(epilog=examples("hydro report mol", "hydro report mol --out mol.html"))(report)
app.command(epilog=examples("hydro stac mol --from 2026-05-01"))(stac)


app.command(
    epilog=examples("hydro record mol --from 2026-05-01 --to 2026-05-10 --out fixtures/mol")
)(record)


@app.command(epilog=examples("hydro settings"))
def settings(
    area: Annotated[
        str | None, typer.Option(metavar="NAME", help="What holds for this area.")
    ] = None,
) -> None:
    """List every setting with its value now, where it comes from, and its meaning."""
    from hydro_pipeline.settings import Settings

    found, rules = Settings.load(), set[str]()
    if area is not None:
        from hydro_pipeline.area.settings import settings_of

        known = open_pipeline().area(area)
        found, rules = settings_of(known, found), {name for name, _ in known.rules}
    rows = [
        (name, value, origin(name.removeprefix("HYDRO_").lower(), rules), meaning)
        for name, value, meaning in settings_rows(found)
    ]
    out.print(table(("variable", "value", "from", "meaning"), rows))


@app.command(epilog=examples("hydro demo"))
def demo() -> None:
    """Simulate a season, run it day by day, catch up two late fields, and explain it."""
    from hydro_pipeline.cli.demo import run_demo

    run_demo()
