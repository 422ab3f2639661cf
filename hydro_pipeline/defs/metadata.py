"""What the UI shows of a day."""

import base64
from collections.abc import Iterable
from typing import Any

import dagster as dg

from hydro_pipeline.field_stats import StatsReport
from hydro_pipeline.fields import FieldsReading
from hydro_pipeline.ingest import DayReport
from hydro_pipeline.preview import histograms_png, thumbnail_png
from hydro_pipeline.store import Store

LISTED = 50
"""Longer lists end in a count."""

Metadata = dict[str, Any]


def of_composite(report: DayReport, store: Store) -> Metadata:
    """A composite's day: numbers that plot over partitions, pictures, and what was decided."""
    values = {
        "outcome": report.outcome,
        "observed share": report.observed_fraction,
        "valid share": report.valid_fraction,
        "mean age, days": report.mean_age_days,
        "mean NDVI": report.mean_ndvi,
        "NDVI": picture(thumbnail_png(report.preview)),
        "histograms": picture(histograms_png(report.preview, report.preview_age)),
        "scenes": len(report.scenes),
        "scenes used": _bullets(report.scenes),
        "scenes refused": _bullets(f"{r.id}: {r.reason}" for r in report.refused),
        "warnings": _bullets(report.warnings),
        "changed": report.changed,
        "revision": report.revision,
        "later days refreshed": len(report.refreshed),
        "bytes written": report.bytes_written,
        "seconds": sum(report.seconds.values()),
        **{f"seconds: {stage}": s for stage, s in report.seconds.items()},
        "cube": dg.MetadataValue.path(store.url(f"cubes/{report.area}")),
        "scenes as used": dg.MetadataValue.path(
            store.url(f"scenes/{report.area}/{report.day}.json")
        ),
    }
    return _present(values)


def of_stats(report: StatsReport, store: Store) -> Metadata:
    """A statistics day: what was computed and what that read."""
    values = {
        "fields planted": report.fields,
        "rows computed": len(report.computed),
        "rows dropped": report.dropped,
        "fields computed": _bullets(report.computed),
        "chunks read": report.chunks_read,
        "bytes read": report.bytes_read,
        "seconds": report.seconds,
        "table": dg.MetadataValue.path(
            store.url(f"field_stats/area={report.area}/date={report.day}/part-0.parquet")
        ),
    }
    return _present(values)


def of_fields(reading: FieldsReading) -> Metadata:
    """The fields as read, with every problem."""
    values = {
        "fields": len(reading.fields),
        "files": len({f.source for f in reading.fields}),
        "problems": len(reading.problems),
        "what is wrong": _bullets(
            f"{p.source}{f' {p.field_id}' if p.field_id else ''}: {p.message}"
            for p in reading.problems
        ),
    }
    return _present(values)


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows in place."""
    data = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![](data:image/png;base64,{data})")


def _present(values: Metadata) -> Metadata:
    return {name: value for name, value in values.items() if value is not None}


def _bullets(lines: Iterable[str]) -> dg.MarkdownMetadataValue | None:
    every = list(lines)
    if not every:
        return None
    more = [f"and {len(every) - LISTED} more"] if len(every) > LISTED else []
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in every[:LISTED] + more))
