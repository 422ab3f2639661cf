"""The definitions on a fast clock whose today is in the file `TODAY`; loaded by test_daemon."""

import datetime as dt
import os
from pathlib import Path

from hydro_pipeline.defs import runs, schedules, sensors, steps

schedules.EVERY_TEN_MINUTES = "* * * * *"
schedules.last_due_day = lambda *_: dt.date.fromisoformat(Path(os.environ["TODAY"]).read_text())
sensors.MINUTE = sensors.HOUR = 5
steps.RETRY_WAIT_S = 0.2
runs.FIRST_WAIT = dt.timedelta(seconds=15)

from hydro_pipeline.definitions import defs  # noqa: E402, F401
