"""Run days through Dagster in this process, with progress bars for whoever watches."""

import datetime as dt
import os
from collections import Counter
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hydro_pipeline.cli.terminal import warn
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.update import StatsReport


@dataclass(frozen=True)
class DaysRun:
    """The reports of one run, in order."""

    days: list[DayReport] = field(default_factory=list)
    stats: list[StatsReport] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of statistics computed."""
        return sum(len(report.computed) for report in self.stats)

    @property
    def chunks(self) -> int:
        """Chunks of the cube read for statistics."""
        return sum(report.chunks_read for report in self.stats)

    def summary(self) -> str:
        """What was done, in one line."""
        parts = []
        if self.days:
            outcomes = Counter(report.outcome for report in self.days)
            counted = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
            changed = sum(report.changed for report in self.days)
            parts.append(f"days run: {counted}; pixels changed on {changed}")
            refused = [len(report.refused) for report in self.days if report.refused]
            if refused:
                parts.append(
                    f"{sum(refused)} scenes refused on {len(refused)} days, hydro status says why"
                )
        parts.append(f"statistics: {self.rows} rows computed")
        if dropped := sum(report.dropped for report in self.stats):
            parts.append(f"{dropped} dropped")
        return "; ".join(parts)


def run_days(
    settings: Settings,
    area: str,
    first: dt.date,
    last: dt.date,
    assets: Literal["all", "field_stats"] = "all",
) -> DaysRun:
    """Materialize the days `first` to `last` of an area, both included.

    The run is recorded in the Dagster instance of `DAGSTER_HOME`, or `./.dagster` where that is not
    set, and so seen in the UI that `make ui` opens. Raises the `HydroError` that stopped the run;
    what was committed before it stays. The bars go to what standard error is now, also while
    Dagster captures it.
    """
    _use_dagster_home()
    done = DaysRun()
    with (
        os.fdopen(os.dup(2), "w") as terminal,
        Progress(
            TextColumn("{task.description:14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[day]}"),
            console=Console(file=terminal),
        ) as progress,
    ):
        stages = ("composite", "field_stats") if assets == "all" else ("field_stats",)
        total = (last - first).days + 1
        bars = {stage: progress.add_task(stage, total=total, day="") for stage in stages}

        def on_report(report: DayReport | StatsReport) -> None:
            if isinstance(report, DayReport):
                done.days.append(report)
                stage = "composite"
            else:
                done.stats.append(report)
                stage = "field_stats"
            progress.update(bars[stage], completed=(report.day - first).days + 1, day=report.day)

        from hydro_pipeline.defs.launch import materialize

        materialize(area, first, last, assets, on_report, settings)
    return done


def _use_dagster_home() -> None:
    home = Path(os.environ.get("DAGSTER_HOME") or Path(".dagster").resolve())
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            shipped = files("hydro_pipeline.defs") / "dagster.yaml"
            (home / "dagster.yaml").write_text(shipped.read_text())
    except OSError as error:
        warn(f"runs are not recorded: DAGSTER_HOME={home} cannot be used: {error.strerror}")
        os.environ.pop("DAGSTER_HOME", None)
    else:
        os.environ["DAGSTER_HOME"] = str(home)
