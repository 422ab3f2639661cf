"""What is done in processes that are killed; done again, each goes on where it stopped."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from hydro_pipeline.area.area import Area
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.outputs.exports import Export, Format
from hydro_pipeline.storage.root import prepare_root
from hydro_pipeline.usecases.late_scenes import changed_days
from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.areas import AREA
from tests.support.operations import DAYS, NOW, catch_up, report, tidy


def run_days(pipeline: Pipeline, _folder: Path) -> None:
    list(pipeline.ingest_days(AREA, DAYS, run_id="a-run", resume=True))
    list(pipeline.update_field_stats(AREA, DAYS))


def refresh(pipeline: Pipeline, _folder: Path) -> None:
    changed = changed_days(pipeline.open(AREA), NOW)
    list(pipeline.ingest_days(AREA, sorted(changed)))
    catch_up(pipeline)


def put(pipeline: Pipeline, folder: Path) -> None:
    edited = json.loads((folder / "late.geojson").read_text())
    edited["features"][0]["properties"]["planting_date"] = str(DAYS[1])
    data = json.dumps(edited).encode()
    put_fields(pipeline.store, pipeline.area(AREA), "late.geojson", data)


def export(pipeline: Pipeline, folder: Path) -> None:
    whole = Export(pipeline.open(AREA))
    for file_format in Format:
        to = folder / "export" / file_format
        if file_format is Format.ZARR:  # It is not written over.
            shutil.rmtree(to, ignore_errors=True)
        whole.write(file_format, to)


def create(pipeline: Pipeline, folder: Path) -> None:
    list(prepare_root(pipeline.settings))
    area = Area.from_geojson(AREA, (folder / "area.geojson").read_bytes())
    pipeline.put_area(area)
    put_fields(pipeline.store, area, "fields.geojson", (folder / "fields.geojson").read_bytes())
    list(pipeline.ingest_days(AREA, DAYS[:1]))
    list(pipeline.update_field_stats(AREA, DAYS[:1]))


OPERATIONS: Mapping[str, Callable[[Pipeline, Path], None]] = {
    "runs": run_days,
    "catch-up": lambda pipeline, _: catch_up(pipeline),
    "late scenes": refresh,
    "maintain": lambda pipeline, _: tidy(pipeline),
    "fields put": put,
    "export": export,
    "report": lambda pipeline, _: report(pipeline),
    "creation": create,
}
"""Each on a pipeline and a folder of files."""
