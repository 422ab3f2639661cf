"""Mend what is damaged of an area: days made again from the scenes that are recorded of them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pystac

from hydro_pipeline.area.area import Area
from hydro_pipeline.cube.head import look, open_head
from hydro_pipeline.ingest.chain import Chain
from hydro_pipeline.ingest.look_ahead import read_ahead
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.ingest.run import run
from hydro_pipeline.scenes.choice import Sources
from hydro_pipeline.scenes.recorded import read_recorded
from hydro_pipeline.usecases.pipeline import Pipeline


def repair(
    pipeline: Pipeline, name: str, days: Iterable[dt.date], run_id: str = ""
) -> Iterator[DayReport]:
    """Make `days` again from their recorded scenes, in order, and all their rows.

    What is damaged of them is written anew, without being read; days after them follow, and those
    of these that are damaged too are made again in their turn. The record of a day stays; a day
    without one is made from what the catalog has. Raises `DamagedCubeError` where the day before
    one is damaged, which has to be repaired first, and what `run` raises.
    """
    area, left = pipeline.area(name), set(days)
    while left:
        day = min(left)
        report = _mend(pipeline, area, day, run_id)
        left = left - {day} | set(report.damaged)
        changed = sorted({day, *report.refreshed} - left)
        for _ in pipeline.update_field_stats(name, changed, anew=True):
            pass
        yield report


def _mend(pipeline: Pipeline, area: Area, day: dt.date, run_id: str) -> DayReport:
    recorded = _recorded(pipeline, area, day)
    if recorded is None:
        offered = pipeline.catalog(area).scenes(area, day, day)[day]
        sources = Sources(offered, refused=offered.refused)
    else:
        sources = Sources(recorded)
    settings = pipeline.settings_of(area)
    chain = Chain.of(pipeline.store, area, settings, run_id)
    chain = replace(chain, mends=True, records=recorded is None)
    head = look(open_head(chain.target), day)
    found = read_ahead([(day, sources)], area, settings, chain.tiling)
    (report,) = run(chain, head, found, day)
    return report


def _recorded(pipeline: Pipeline, area: Area, day: dt.date) -> Sequence[pystac.Item] | None:
    """The items that a day was made from; None if that is not recorded, or not readable."""
    collection = pipeline.settings_of(area).collection
    found = read_recorded(pipeline.store, area, collection, [day])[day]
    if found.record is None:
        return None
    return [item for item in found.items if item.id in found.used]
