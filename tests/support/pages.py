"""Report pages that the tests look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydro_pipeline.report.page import Report
from hydro_pipeline.usecases.pipeline import Pipeline


@dataclass(frozen=True)
class Reported:
    """A report page, and what it was made from."""

    pipeline: Pipeline
    report: Report
    content: dict[str, Any]
    """What the page carries for its scripts."""

    @property
    def page(self) -> Path:
        """The file."""
        return Path(self.report.url)
