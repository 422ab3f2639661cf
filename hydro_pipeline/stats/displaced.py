"""What is told of rows that go because fields were edited. Pure."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping

from hydro_pipeline.stats.stale import Displaced

Sources = Mapping[str, str]
"""File of a field, by field_id."""


def told(rows: Iterable[Displaced], sources: Sources, *, done: bool) -> list[str]:
    """A sentence for each season that rows go of, with their number, by field.

    `sources` are the files that the seasons come from, where they are known; `done`: the rows have
    gone already.
    """
    counts = Counter(rows)
    verb = "were" if done else "will be"
    sentences = []
    for field_id, planted, became in sorted({row[:3] for row in counts}, key=str):
        dropped, anew = (counts[Displaced(field_id, planted, became, d)] for d in (True, False))
        parts = [f"{dropped} rows {verb} dropped"] if dropped or not anew else []
        parts += [f"{anew} rows {verb} made anew"] if anew else []
        what = _what(field_id, planted, became, sources.get(field_id))
        sentences.append(f"{what}; {', '.join(parts)}")
    return sentences


def _what(field_id: str, planted: dt.date, became: dt.date | None, source: str | None) -> str:
    where = f" of {source}" if source else ""
    if became is None:
        return f"{field_id}{where}, planted {planted}, is taken away"
    if became == planted:
        return f"{field_id}{where}: the season of {planted} ends before another planting"
    return f"{field_id} replaces {field_id}{where}: planting date {planted} -> {became}"
