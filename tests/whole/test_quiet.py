"""Libraries do not speak beside the pipeline: what is worth saying is raised."""

import subprocess
import sys
from pathlib import Path

from tests.support.imports import ROOT

SCRIPT = """
import sys
from pathlib import Path
from hydro_pipeline.settings import Settings
from tests.support.seasons import make_season, small_season
season = small_season(Path(sys.argv[1]) / "season")
made = make_season(season, Settings.load(root=sys.argv[1] + "/root"))
made.put_area(season.area("other"))
for path in season.directory.glob("*/B04.tif"):
    path.write_bytes(b"")
try:
    list(made.ingest_days("other", [season.first_day], run_id="a-run"))
except Exception as error:
    print(error)
"""


def test_a_season_and_a_broken_file_leave_stderr_empty(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert "B04.tif could not be read" in done.stdout
    assert done.stderr == ""
