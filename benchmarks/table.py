"""What was measured, as one table and as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured thing, beside what it is compared with."""

    case: str
    what: str
    ours: float
    unit: str
    other: float | None = None
    """The other side of the ratio, in the same unit."""
    than: str = ""
    """What the other side is."""
    ratio: float | None = None
    target: str = ""
    """`>= 10` or `<= 1.2`: what the ratio has to be; with no ratio, what `ours` has to be."""

    differences: dict[str, float] | None = None
    """Largest difference from the other side, by statistic."""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.differences:
            return all(value <= limit_of(name) for name, value in self.differences.items())
        if not self.target:
            return None
        sign, limit = self.target.split()
        value = self.ours if self.ratio is None else self.ratio
        return value >= float(limit) if sign == ">=" else value <= float(limit)


def limit_of(statistic: str) -> float:
    """What a statistic may differ by: half a step of the stored values; counts by nothing."""
    return 1e-9 if statistic == "count" else 5.1e-5


def differs(case: str, what: str, differences: dict[str, float], than: str) -> Row:
    """A row of largest differences from the other side."""
    return Row(case, what, max(differences.values()), "", than=than, differences=differences)


def faster(
    case: str, what: str, ours: float, other: float, than: str, target: str = "", unit: str = "s"
) -> Row:
    """A row whose ratio says how many times less `ours` is."""
    return Row(case, what, ours, unit, other, than, other / ours, target)


def costs(
    case: str, what: str, ours: float, other: float, than: str, target: str = "", unit: str = "s"
) -> Row:
    """A row whose ratio says how many times more `ours` is."""
    return Row(case, what, ours, unit, other, than, ours / other, target)


def machine() -> str:
    """The machine in a few words."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, load {load:.1f} at the start"


def show(rows: list[Row], title: str, console: Console) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    for name in ("case", "measured", "ours", "other", "", "ratio", "target", ""):
        table.add_column(name, justify="right" if name in ("ours", "other", "ratio") else "left")
    for row in rows:
        what = row.what
        if row.differences:
            each = (f"{name} {value:.1e}" for name, value in row.differences.items())
            what += f"\n[dim]{', '.join(each)}"
        table.add_row(
            row.case,
            what,
            _number(row.ours, row.unit),
            "" if row.other is None else _number(row.other, row.unit),
            row.than,
            "" if row.ratio is None else f"{row.ratio:.3g}",
            row.target,
            {True: "yes", False: "[red]no", None: ""}[row.reached],
        )
    console.print(table)


def save(rows: list[Row], path: Path, **facts: Any) -> None:
    """Write the rows, and facts about the run, as JSON."""
    document = {**facts, "rows": [asdict(row) | {"reached": row.reached} for row in rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def _number(value: float, unit: str) -> str:
    if value == 0:
        return f"0 {unit}"
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
