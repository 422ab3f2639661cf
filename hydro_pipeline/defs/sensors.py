"""Late fields and late scenes: compare what is wanted with what is stored, ask for what differs."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from hydro_pipeline.days import ranges
from hydro_pipeline.defs import metadata
from hydro_pipeline.defs.names import (
    AREA_TAG,
    ASKED_BY_TAG,
    days_job,
    field_stats_job,
    key,
    range_tags,
)
from hydro_pipeline.defs.runs import active_run, wait_until
from hydro_pipeline.outside.shown import plain
from hydro_pipeline.usecases import quality
from hydro_pipeline.usecases.late_scenes import changed_days
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.state import AreaState

MINUTE = 60
HOUR = 3600


def late_fields(area: str) -> dg.SensorDefinition:
    """`<area>_late_fields`: one range run of the statistics alone, over all days that are stale."""
    name = f"{area}_late_fields"

    @dg.sensor(
        name=name,
        job_name=field_stats_job(area),
        minimum_interval_seconds=MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Catches up the statistics of late and edited fields of {area}, and of days that late "
            "scenes changed, from the stored cube; no imagery is read."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        if run := active_run(context.instance, area, "field_stats"):
            return dg.SkipReason(f"run {run.run_id} is making statistics of {area}")
        if pipeline.settled(area):
            return dg.SkipReason("nothing changed")
        state = pipeline.open(area)
        digest = state.versions["fields"]
        stale = state.stale_days()
        seen = [] if context.cursor == digest else [_observation(state, stale)]
        if not stale:
            return dg.SensorResult(skip_reason="no day is stale", asset_events=seen, cursor=digest)
        if until := wait_until(context.instance, area, name, stale[0], now):
            reason = f"{area} {stale[0]} failed; trying again at {until:%H:%M} UTC"
            return dg.SensorResult(skip_reason=reason, asset_events=seen, cursor=digest)
        tags = {**range_tags(stale[0], stale[-1]), AREA_TAG: area, ASKED_BY_TAG: name}
        return dg.SensorResult([dg.RunRequest(tags=tags)], asset_events=seen, cursor=digest)

    return sensor


def late_scenes(area: str) -> dg.SensorDefinition:
    """`<area>_late_scenes`: the days again whose scenes were published or changed late."""
    name = f"{area}_late_scenes"

    @dg.sensor(
        name=name,
        job_name=days_job(area),
        minimum_interval_seconds=HOUR,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Looks HYDRO_LOOKBACK_DAYS back for scenes of {area} that came or changed after their "
            "day was made, or can be read again, and has these days made again. Later days follow "
            "by themselves. A scene that the catalog does not offer any more stays in use."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        if run := active_run(context.instance, area, "composite"):
            return dg.SkipReason(f"run {run.run_id} is making days of {area}")
        state = pipeline.open(area)
        changed = changed_days(state, now)
        missing = quality.not_offered(state)
        for told in missing:
            context.log.warning(plain(f"{area} {told}"))
        for day, change in changed.items():
            context.log.info(plain(f"{area} {day}: {change}"))
        wanted = [
            (first, last)
            for first, last in ranges(changed)
            if not wait_until(context.instance, area, name, first, now)
        ]
        if not wanted:
            waiting = f"{len(changed)} days wait after a failure" if changed else "no scene is late"
            more = f"; {len(missing)} in use are missing from the catalog" if missing else ""
            return dg.SkipReason(waiting + more)
        return dg.SensorResult(
            [
                dg.RunRequest(tags={**range_tags(*days), AREA_TAG: area, ASKED_BY_TAG: name})
                for days in wanted
            ]
        )

    return sensor


def _observation(state: AreaState, stale: Sequence[date]) -> dg.AssetObservation:
    return dg.AssetObservation(
        key(state.name, "fields"),
        metadata=metadata.of_fields(state, stale),
        tags={"dagster/data_version": state.versions["fields"]},
    )
