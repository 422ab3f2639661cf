"""How a step that makes a range of days fails, is tried again, and says what it did."""

import contextlib
from collections.abc import Iterator
from datetime import date
from types import TracebackType
from typing import Self

import dagster as dg

from hydro_pipeline.defs.metadata import Metadata
from hydro_pipeline.defs.names import RETRIES_TAG
from hydro_pipeline.defs.runs import process_tags
from hydro_pipeline.errors import HydroError

RETRIES = 3
RETRY_WAIT_S = 15.0
"""Wait before the first retry; each further one waits four times longer."""


@contextlib.contextmanager
def told_to_dagster(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Ask for a retry where one can help; else fail with the error's own sentence."""
    context.instance.add_run_tags(context.run.run_id, process_tags())
    try:
        yield
    except HydroError as error:
        retries = int(context.run.tags.get(RETRIES_TAG, RETRIES))
        if error.retryable and context.retry_number < retries:
            context.log.warning(f"{error}; trying again")
            raise dg.RetryRequested(
                max_retries=retries, seconds_to_wait=RETRY_WAIT_S * 4**context.retry_number
            ) from error
        raise dg.Failure(str(error), allow_retries=False) from error


def first_run_id(context: dg.AssetExecutionContext) -> str:
    """The run's id, or of a run that was executed again, the first one's."""
    return context.run.root_run_id or context.run.run_id


def is_retry(context: dg.AssetExecutionContext) -> bool:
    """True where the same run, or one re-executed from its failure, tries the same days again."""
    return context.retry_number > 0 or context.run.tags.get("dagster/is_resume_retry") == "true"


class DaysDone:
    """Metadata of the days that a step has done.

    Dagster records the days of a step that succeeds. For one that stops half way they are recorded
    here, since they are stored; and a retry, which leaves them alone, shows what was recorded.
    """

    def __init__(self, context: dg.AssetExecutionContext, asset: dg.AssetKey) -> None:
        self.context = context
        self.asset = asset
        self._done: dict[str, Metadata] = {}

    def add(self, day: date, metadata: Metadata) -> None:
        """Note what is to be shown of a day, besides what was noted before."""
        self._done.setdefault(day.isoformat(), {}).update(metadata)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is not None:
            for day, metadata in self._done.items():
                self.context.log_event(
                    dg.AssetMaterialization(self.asset, partition=day, metadata=metadata)
                )
            return
        for day in self.context.partition_keys:
            metadata = self._done.get(day) or self._recorded(day)
            self.context.add_asset_metadata(metadata, partition_key=day)

    def _recorded(self, day: str) -> Metadata:
        """What an earlier try of the same run recorded of a day."""
        instance = self.context.instance
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(self.asset, asset_partitions=[day]), limit=1
        )
        for record in found.records:
            run = instance.get_run_by_id(record.run_id)
            if run and (run.root_run_id or run.run_id) == first_run_id(self.context):
                assert record.asset_materialization is not None
                return dict(record.asset_materialization.metadata)
        return {}
