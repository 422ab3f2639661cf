"""The weekly housekeeping of an area's cube."""

from datetime import UTC, datetime

import dagster as dg

from hydro_pipeline.cube.maintain import KEEP_DAYS, maintain
from hydro_pipeline.usecases.pipeline import Pipeline

SUNDAY_NIGHT = "17 3 * * 0"


def weekly_upkeep(area: str) -> dg.ScheduleDefinition:
    """`<area>_weekly`: forgets states of long ago; waits its turn among the cube's writers."""

    @dg.op(name=f"{area}_maintain", pool=f"{area}_cube")
    def tidy(context: dg.OpExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        done = maintain(pipeline.store, area, datetime.now(UTC))
        context.log.info(
            f"{area}: {done.expired} past states forgotten, {done.deleted} objects deleted, "
            f"{done.freed / 1e6:.1f} MB freed; {done.orphans} that killed writers left"
        )

    @dg.job(
        name=f"{area}_upkeep",
        description=f"Forgets states of {area}'s cube older than {KEEP_DAYS} days.",
    )
    def upkeep() -> None:
        tidy()

    return dg.ScheduleDefinition(
        name=f"{area}_weekly",
        job=upkeep,
        cron_schedule=SUNDAY_NIGHT,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
