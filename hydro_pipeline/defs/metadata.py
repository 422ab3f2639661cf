"""What the UI shows of a day."""

import base64
from collections.abc import Iterable, Sequence
from datetime import date
from math import nan
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.outputs.pictures import glance_webp, histograms_png, series_png, thumbnail_png
from hydro_pipeline.outside.shown import markdown, plain
from hydro_pipeline.stats.displaced import told
from hydro_pipeline.stats.schema import schema_of
from hydro_pipeline.stats.table import read_day
from hydro_pipeline.stats.update import StatsReport
from hydro_pipeline.storage.keys import cube_key, scenes_key, stats_key
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.displaced import pending
from hydro_pipeline.usecases.state import AreaState

LISTED = 50
"""Longer lists end in a count."""
PLOTTED_FIELDS = 6
PLOTTED_DAYS = 120
TABLE_ROWS = 10

Metadata = dict[str, Any]


def of_composite(report: DayReport, store: Store) -> Metadata:
    """A composite's day: numbers that plot over partitions, pictures, and what was decided."""
    main = report.main
    values = {
        "outcome": report.outcome,
        "observed share": _rounded(report.observed_fraction),
        "valid share": _rounded(report.valid_fraction),
        "mean age, days": _rounded(report.mean_age_days),
        f"mean {main.title}": _rounded(report.mean),
        main.title: picture(glance_webp(report.preview, main), "webp"),
        f"{main.title}, large": picture(thumbnail_png(report.preview, main)),
        "histograms": picture(histograms_png(report.preview, report.preview_age, main)),
        "scenes": len(report.scenes),
        "scenes used": _bullets(report.scenes),
        "refused": len(report.refused),
        "scenes refused": _bullets(f"{r.id}: {r.reason}" for r in report.refused),
        "scenes left out": _bullets(f"{x.item.id}: {x.decision.told}" for x in report.left_out),
        "scenes replaced": _bullets(f"{r.id}: {r.reason}" for r in report.replaced),
        "warnings": _bullets(report.warnings),
        "changed": report.changed,
        "revision": report.revision,
        "later days refreshed": len(report.refreshed),
        "bytes written": report.bytes_written,
        "seconds": _rounded(sum(report.seconds.values())),
        **{f"seconds: {stage}": _rounded(s) for stage, s in report.seconds.items()},
        "cube": dg.MetadataValue.path(store.url(cube_key(report.area))),
        "scenes as used": dg.MetadataValue.path(store.url(scenes_key(report.area, report.day))),
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
        "seconds": _rounded(report.seconds),
        "table": dg.MetadataValue.path(store.url(stats_key(report.area, report.day))),
    }
    return _present(values)


def of_stats_run(reports: Sequence[StatsReport], store: Store) -> Metadata:
    """What a whole run did, shown at its last day: totals, best and worst fields, their series."""
    last = reports[-1]
    mean = last.product.main.column("mean")
    rows = read_day(store, last.area, last.day, schema_of(last.product)).rows
    values: Metadata = {
        "run: days": len(reports),
        "run: rows computed": sum(len(r.computed) for r in reports),
        "run: chunks read": sum(r.chunks_read for r in reports),
        "run: bytes read": sum(r.bytes_read for r in reports),
    }
    if gone := _bullets(told([row for r in reports for row in r.displaced], {}, done=True)):
        values["run: rows gone"] = gone
    if rows is None:
        return values
    ranked = rows.filter(pc.is_valid(rows[mean])).sort_by([(mean, "descending")])
    worst = ranked.slice(max(TABLE_ROWS, ranked.num_rows - TABLE_ROWS))
    return {
        **values,
        "best fields": _table(ranked.slice(0, TABLE_ROWS), mean),
        "worst fields": _table(worst.sort_by(mean), mean),
        "series": _series(reports, store),
    }


def of_fields(state: AreaState, stale: Sequence[date] = ()) -> Metadata:
    """The fields as read, with every problem, and what they displace on the `stale` days."""
    reading = state.fields
    going = pending(state, state.displaced(stale))
    values = {
        "fields": len({f.field_id for f in reading.fields}),
        "seasons": len(reading.fields),
        "files": len({f.source for f in reading.fields}),
        "problems": len(reading.problems),
        "left out": reading.left_out,
        "rows that go": _bullets(going),
        "what is wrong": _bullets(reading.told(LISTED)),
    }
    return _present(values)


def picture(data: bytes, kind: str = "png") -> dg.MarkdownMetadataValue:
    """An image for the UI: in place if it is tiny, else behind a link."""
    encoded = base64.b64encode(data).decode()
    return dg.MetadataValue.md(f"![](data:image/{kind};base64,{encoded})")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _table(rows: pa.Table, mean: str) -> dg.TableMetadataValue:
    columns = ("field_id", mean, "valid_fraction", "age_mean_days", "days_after_planting")
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {k: plain(v) if isinstance(v, str) else _rounded(v) for k, v in row.items()}
            )
            for row in rows.select(columns).to_pylist()
        ],
        dg.TableSchema(
            [dg.TableColumn(name, "string" if name == "field_id" else "float") for name in columns]
        ),
    )


def _series(reports: Sequence[StatsReport], store: Store) -> dg.MarkdownMetadataValue:
    """Mean of the main variable in the first fields that the run computed, over its last days."""
    product = reports[-1].product
    mean, schema = product.main.column("mean"), schema_of(product)
    names = sorted({name for report in reports for name in report.computed})[:PLOTTED_FIELDS]
    series: dict[str, tuple[list[date], list[float]]] = {name: ([], []) for name in names}
    for report in reports[-PLOTTED_DAYS:]:
        rows = read_day(store, report.area, report.day, schema).rows
        if rows is None:
            continue
        rows = rows.filter(pc.is_in(rows["field_id"], pa.array(names, pa.string())))
        for name, value in zip(rows["field_id"].to_pylist(), rows[mean].to_pylist(), strict=True):
            series[name][0].append(report.day)
            series[name][1].append(nan if value is None else value)
    return picture(series_png(series, product.main))


def _present(values: Metadata) -> Metadata:
    return {name: value for name, value in values.items() if value is not None}


def _bullets(lines: Iterable[str]) -> dg.MarkdownMetadataValue | None:
    every = list(lines)
    if not every:
        return None
    more = [f"and {len(every) - LISTED} more"] if len(every) > LISTED else []
    return dg.MetadataValue.md("\n".join(f"- {markdown(line)}" for line in every[:LISTED] + more))
