"""What the commands of `hydro` share: arguments, lines, tables, one line for an error."""

import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hydro_pipeline.outside.shown import plain

if TYPE_CHECKING:
    from hydro_pipeline.usecases.pipeline import Pipeline

Name = Annotated[str, typer.Argument(help="Name of the area.", metavar="NAME")]
FROM = typer.Option("--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First day.")
TO = typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last day, included.")

SENTENCES = 20
"""Of many, how many are shown."""
PIPED_WIDTH = 120
"""Columns of a table that goes to a file or another program."""

out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
err = Console(stderr=True, highlight=False)


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def open_pipeline() -> "Pipeline":
    """The pipeline of the environment's settings. Raises `SettingError`."""
    from hydro_pipeline.settings import Settings
    from hydro_pipeline.usecases.pipeline import Pipeline

    return Pipeline(Settings.load())


def say(text: str, style: str = "") -> None:
    """One line on standard output: no markup, no wrapping, no control characters."""
    out.print(plain(text), style=style, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """One line on standard error that does not stop anything."""
    err.print(f"[yellow]warning:[/] {escape(plain(text))}", soft_wrap=True)


def fail(text: str) -> None:
    """One line on standard error that says why the command could not do its work."""
    err.print(f"[bold red]error:[/] {escape(plain(' '.join(text.split())))}", soft_wrap=True)


def limited(sentences: Sequence[str]) -> list[str]:
    """The first of many sentences, and how many more there are."""
    more = len(sentences) - SENTENCES
    return [*sentences[:SENTENCES], *([f"and {more} more like these"] if more > 0 else [])]


def table(columns: Sequence[str], rows: Iterable[Iterable[Any]], title: str | None = None) -> Table:
    """A table of texts and numbers; numbers are aligned to the right, None is left empty."""
    cells = [list(row) for row in rows]
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = any(isinstance(row[i], int | float) for row in cells)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        made.add_row(*(escape(_cell(value)) for value in row))
    return made


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"
    return plain(str(value))


def settings_rows(settings: Any | None = None) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every setting; the defaults if no settings are given."""
    from hydro_pipeline.settings import Settings

    return [
        (
            f"HYDRO_{name.upper()}",
            _setting(field.default if settings is None else getattr(settings, name)),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def origin(name: str, rules: Collection[str]) -> str:
    """Where the value of a setting comes from; `rules` are those that an area has of its own."""
    if name in rules:
        return "the area"
    given = f"HYDRO_{name}".upper() in {key.upper() for key in os.environ}
    return "environment" if given else "default"


def settings_markdown() -> str:
    """The settings and their defaults as a Markdown table."""
    rows = [
        f"| `{name}` | {f'`{default}`' if default else 'unset'} | {meaning} |"
        for name, default, meaning in settings_rows()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def _setting(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
