"""`hydro stats` and `hydro status`: what is there."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydro_pipeline.cli.terminal import (
    FROM,
    TO,
    Name,
    fail,
    open_pipeline,
    out,
    say,
    table,
    warn,
)
from hydro_pipeline.errors import InputError, StoredObjectError

if TYPE_CHECKING:
    import pyarrow

    from hydro_pipeline.usecases.status import AreaStatus

SHOWN_ROWS = 30
SHOWN_WARNINGS = 20


def stats(
    name: Name,
    first: Annotated[dt.datetime | None, FROM] = None,
    last: Annotated[dt.datetime | None, TO] = None,
    field: Annotated[str | None, typer.Option(metavar="ID", help="One field only.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write all columns to a .csv or .parquet file."),
    ] = None,
) -> None:
    """Show the statistics of an area's fields, or write them to a file."""
    if file is not None and file.suffix not in {".csv", ".parquet"}:
        raise typer.BadParameter(f"{file}: end the name with .csv or .parquet", param_hint="--out")
    state = open_pipeline().open(name)
    _ = state.cube  # Statistics of an area that was replaced are refused.
    rows = state.stats(first and first.date(), last and last.date(), field)
    if file is not None:
        _write(rows, file)
        say(f"{rows.num_rows} rows written to {file}")
        return
    means = [state.product.main.column(statistic) for statistic in ("mean", "median", "std")]
    columns = (
        *("date", "field_id", "days_after_planting"), *means,
        *("pixel_count", "valid_fraction", "observed_fraction", "age_mean_days", "last_observed"),
    )  # fmt: skip
    shown = rows.select(columns).slice(0, SHOWN_ROWS)
    out.print(table(columns, zip(*shown.to_pydict().values(), strict=True)))
    say(
        f"{shown.num_rows} of {rows.num_rows} rows, {len(columns)} of {rows.num_columns} "
        "columns; --out FILE.csv or FILE.parquet writes them all"
    )


def _write(rows: "pyarrow.Table", file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".csv":
        from hydro_pipeline.outputs.csv import write_csv

        write_csv(rows, file)
    else:
        from pyarrow.parquet import write_table

        write_table(rows, file)


def status(
    name: Annotated[str | None, typer.Argument(help="One area; unset: all.")] = None,
) -> None:
    """Show days, gaps, fields and stale statistics."""
    from hydro_pipeline.usecases.status import status as stands

    pipeline = open_pipeline()
    names = [name] if name else pipeline.names()
    if not names:
        say(f"no area in {pipeline.settings.root} yet; set one with `hydro area set`")
    today, broken = dt.datetime.now(dt.UTC).date(), False
    for stranger in [] if name else pipeline.strangers():
        warn(stranger)
    for each in names:
        try:
            _say_status(stands(pipeline.open(each), today))
        except (StoredObjectError, InputError) as error:  # Other areas may be as they should.
            fail(f"{each}: {error}")
            broken = True
    if broken:
        raise typer.Exit(1)


def _say_status(found: "AreaStatus") -> None:
    name, (height, width) = found.area.name, found.area.grid.shape
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    days, due, stale = "none yet", "none", "none"
    if found.first_day and found.last_day:
        count = (found.last_day - found.first_day).days + 1
        days = f"{found.first_day} to {found.last_day}, {count} days: {outcomes}"
    if found.gaps:
        first, last = found.gaps[0], found.gaps[-1]
        due = f"{len(found.gaps)} days: hydro run {name} --from {first} --to {last}"
    if found.stale_days:
        stale = (
            f"{found.stale_pairs} statistics on {len(found.stale_days)} days: hydro catch-up {name}"
        )
    say(f"area {name}: {width} x {height} pixels of {found.area.resolution:g} m, {found.area.crs}")
    say(f"  days    {days}")
    say(f"  due     {due}")
    say(f"  fields  {len(found.fields.fields)}")
    say(f"  stale   {stale}")
    if found.mismatch:
        warn(found.mismatch)
    if found.missing or found.left_out:
        verdicts = [decision.verdict.value for decision in found.left_out]
        say(
            f"  scenes  {len(found.missing)} missing from the catalog, {verdicts.count('drop')} "
            f"dropped, {verdicts.count('skip')} skipped: hydro scenes list {name}"
        )
    if found.refused:
        say(f"  refused {sum(found.refused.values())} scenes on {len(found.refused)} days")
    for note in found.notes:
        warn(f"{name} {note.told}")
    for text in (*(each.told for each in found.missing), *found.problems):
        warn(f"{name} {text}")
    for sentence in (*found.displaced, *found.remarks):
        warn(sentence)
    for text in found.warnings[:SHOWN_WARNINGS]:
        warn(f"{name} {text}")
    if (more := len(found.warnings) - SHOWN_WARNINGS) > 0:
        warn(f"{name} {more} more on its scenes: hydro report {name} shows them all")
