"""What every case is given."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.servers import Wire


@dataclass(frozen=True)
class Bench:
    """How to measure."""

    folder: Path
    """Seasons are kept here; roots are made here and removed."""
    wire: Wire
    """To the bucket, which is one's own."""
    far: Wire
    """To the catalog and its imagery, which are the public's."""
    repeat: int
    console: Console

    def say(self, text: str) -> None:
        """One line of progress."""
        self.console.print(f"[dim]{text}")
