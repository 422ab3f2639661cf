"""The daily schedule: the next days of an area, in order, as soon as they are due."""

import dagster as dg

from hydro_pipeline.days import MAX_DAYS, due_days, last_due_day
from hydro_pipeline.defs.names import AREA_TAG, ASKED_BY_TAG, days_job, range_tags
from hydro_pipeline.defs.runs import active_run, wait_until
from hydro_pipeline.usecases.pipeline import Pipeline

EVERY_TEN_MINUTES = "*/10 * * * *"
"""Often, so that a long downtime is caught up within hours; a look costs a few small requests."""


def daily(area: str) -> dg.ScheduleDefinition:
    """`<area>_daily`: one ordered range run of composite and statistics from the first gap on."""
    name = f"{area}_daily"

    @dg.schedule(
        name=name,
        cron_schedule=EVERY_TEN_MINUTES,
        job_name=days_job(area),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            f"Runs the days of {area} that are due and not in the cube yet, oldest first, at most "
            f"{MAX_DAYS} at once. Waits HYDRO_LATENCY_DAYS for a day's scenes to be published."
        ),
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> dg.RunRequest | dg.SkipReason:
        if run := active_run(context.instance, area, "composite"):
            return dg.SkipReason(f"run {run.run_id} is making days of {area}")
        settings, now = pipeline.settings, context.scheduled_execution_time
        state = pipeline.open(area)
        cube = state.cube
        last_due = last_due_day(state.area, now, settings.latency_days)
        due = due_days(settings.start_date, cube.last_day if cube else None, last_due)
        if due is None:
            if cube or settings.start_date:
                return dg.SkipReason(f"{area} is complete; the last day due is {last_due}")
            return dg.SkipReason(
                f"{area} has no day yet: set HYDRO_START_DATE, or begin with "
                f"`hydro run {area} --from DATE --to DATE`"
            )
        if until := wait_until(context.instance, area, name, due[0], now):
            return dg.SkipReason(f"{area} {due[0]} failed; trying again at {until:%H:%M} UTC")
        return dg.RunRequest(tags={**range_tags(*due), AREA_TAG: area, ASKED_BY_TAG: name})

    return schedule
