"""A root that version 0.1.0 wrote, laid out for tests: `tests/data/stored/made_by_0_1_0.zip`.

It holds area `farm`: 4 days from 2024-04-01 of a season of 6, statistics of 2 fields.
"""

import datetime as dt
import zipfile
from pathlib import Path

from hydro_pipeline.simulation.season import Season, simulate

KEPT = Path(__file__).parents[1] / "data/stored/made_by_0_1_0.zip"
FIRST = dt.date(2024, 4, 1)
DAYS = 4
PLACE = b"SEASON"
"""Stands in the kept records for the folder of the season."""


def season_of(folder: Path) -> Season:
    """The season that the root was made from."""
    return simulate(folder, first_day=FIRST, days=6, size_km=0.6, n_fields=2, n_late=0)


def lay_out(season: Season, root: Path) -> None:
    """Put the kept root into `root`, its records naming the season's files."""
    with zipfile.ZipFile(KEPT) as kept:
        kept.extractall(root)
    for record in root.glob("scenes/*/*.json"):
        record.write_bytes(record.read_bytes().replace(PLACE, str(season.directory).encode()))
