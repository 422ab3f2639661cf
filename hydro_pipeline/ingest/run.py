"""Days of an area, made and committed in order: who waits for whom.

While a day is committed, the composite of the day after is made in memory, and written where no
reader sees it. Nothing is kept here but what is under way.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

from hydro_pipeline.cube.head import Head
from hydro_pipeline.errors import SceneReadError
from hydro_pipeline.ingest.chain import Chain, Made, commit, make
from hydro_pipeline.ingest.look_ahead import DayFound
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.ingest.workers import Cluster
from hydro_pipeline.outside.deadlines import DAY_S
from hydro_pipeline.storage.notes import Step, noting


def run(
    chain: Chain, head: Head, days: Iterable[tuple[dt.date, "Future[DayFound]"]], last: dt.date
) -> Iterator[DayReport]:
    """Make and commit `days` in order, up to `last`, onto `head`; a report follows each commit.

    Nothing is being committed while a report is looked at. Raises `SceneReadError` where pixels
    cannot be read, `SceneError` where they never will be or contradict their item, `ClusterError`,
    and what `commit` raises; of that day nothing is stored then but a note of the error, and the
    days before stay.
    """
    with ExitStack() as stack:
        if address := chain.settings.dask_scheduler:
            chain = replace(chain, cluster=stack.enter_context(closing(Cluster(address))))
        making = stack.enter_context(ThreadPoolExecutor(1, "make"))
        storing = stack.enter_context(ThreadPoolExecutor(1, "store"))
        made: Future[Made | None] | None = None
        stored: Future[tuple[Head, DayReport]] | None = None
        for day, reading in days:
            made = making.submit(_make, chain, head, day, reading, made)
            if stored is not None:
                head, report = stored.result()
                yield report
            stored = storing.submit(_commit, chain, head, day, reading, made, day < last)
        if stored is not None:
            yield stored.result()[1]


def _make(
    chain: Chain,
    head: Head,
    day: dt.date,
    reading: "Future[DayFound]",
    last: "Future[Made | None] | None",
) -> Made | None:
    try:
        found = reading.result(DAY_S)
    except TimeoutError:
        if reading.done():
            raise
        raise SceneReadError(
            f"{chain.area.name} {day}: its scenes were not read within {DAY_S:g} s"
        ) from None
    return make(chain, head, day, found, last.result() if last else None)


def _commit(
    chain: Chain,
    head: Head,
    day: dt.date,
    reading: "Future[DayFound]",
    making: "Future[Made | None]",
    more: bool,
) -> tuple[Head, DayReport]:
    with noting(chain.store, chain.area.name, day, Step.DAY, chain.run_id):
        made = making.result()
        return commit(chain, head, day, reading.result(), made, more)
