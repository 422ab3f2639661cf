"""`hydro variables`: what can be measured, and what an area gets or loses."""

from collections.abc import Iterator
from typing import Annotated

import typer

from hydro_pipeline.cli.terminal import Name, examples, open_pipeline, out, say, table

variables_app = typer.Typer(
    invoke_without_command=True, help="List what can be measured: indices and bands."
)


@variables_app.callback()
def variables(context: typer.Context) -> None:
    """List what can be measured: formula, size of the bands' pixels, range, source."""
    if context.invoked_subcommand is not None:
        return
    from hydro_pipeline.settings import Settings

    settings = Settings.load()
    columns = ("variable", "formula", "pixels, m", "from", "to", "what", "source")
    out.print(table(columns, _rows(settings.collection)))
    say(
        f"HYDRO_VARIABLES={','.join(settings.variables)} is measured; bands are surface "
        "reflectance, and every pixel of a larger band is repeated."
    )


Names = Annotated[list[str], typer.Argument(metavar="VARIABLE...", help="By name.")]


@variables_app.command("add", epilog=examples("hydro variables add mol ndre"))
def add(
    name: Name,
    variables: Names,
    from_imagery: Annotated[
        bool,
        typer.Option("--from-imagery", help="Read bands again that the cube does not keep."),
    ] = False,
) -> None:
    """Give an area more variables, in its whole past, from the bands that its cube keeps."""
    from hydro_pipeline.usecases.variables import add as give

    pipeline = open_pipeline()
    added = give(pipeline, name, variables, from_imagery=from_imagery)
    measured = dict(pipeline.area(name).rules)["variables"]
    say(f"area {name} measures {measured}")
    if added.days:
        say(
            f"{', '.join(added.names)}: {added.days} days, "
            f"{added.bytes_written / 1e6:.1f} MB; statistics follow: hydro catch-up {name}"
        )
    if added.changed:
        say(f"on {len(added.changed)} days pixels in which one is undefined are carried now")


@variables_app.command("drop", epilog=examples("hydro variables drop mol ndre"))
def drop(name: Name, variables: Names) -> None:
    """Take variables away from an area, from its whole past."""
    from hydro_pipeline.usecases.variables import drop as take

    say(f"area {name} measures {', '.join(take(open_pipeline(), name, variables))}")


def _rows(collection: str) -> Iterator[tuple[str, ...]]:
    from hydro_pipeline.indices import INDICES, band_variable
    from hydro_pipeline.sensors import sensor

    of = sensor(collection)
    metres = {band.name: band.native_m for band in of.bands}
    for variable in (*INDICES.values(), *map(band_variable, of.bands)):
        if set(variable.bands) <= metres.keys():
            coarsest = max(metres[name] for name in variable.bands)
            low, high = variable.valid
            yield (
                variable.name, variable.formula, f"{coarsest:g}", f"{low:g}", f"{high:g}",
                variable.long_name, variable.source,
            )  # fmt: skip
