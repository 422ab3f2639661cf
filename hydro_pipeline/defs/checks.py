"""Asset checks: blocking where data would be wrong, a warning where it is poor."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg

from hydro_pipeline.defs.names import days_of, key
from hydro_pipeline.outside.shown import plain
from hydro_pipeline.usecases import quality
from hydro_pipeline.usecases.pipeline import Pipeline

LISTED = 20


def area_checks(area: str) -> list[dg.AssetChecksDefinition]:
    """The checks on an area's composite and statistics, for the days of a run."""
    composite, stats = key(area, "composite"), key(area, "field_stats")

    @dg.multi_asset_check(
        name=f"{area}__composite_checks",
        specs=[
            dg.AssetCheckSpec(
                "carried_forward",
                asset=composite,
                blocking=True,
                description="Each pixel is observed on the day, or the day before's, or empty "
                "(a sample of pixels and days).",
            ),
            dg.AssetCheckSpec(
                "values_in_range",
                asset=composite,
                blocking=True,
                description="Each value is a valid one and has a day of observation (a sample).",
            ),
            dg.AssetCheckSpec(
                "valid_share_kept",
                asset=composite,
                description="The share of pixels with a value does not fall suddenly.",
            ),
            dg.AssetCheckSpec(
                "scenes_recorded",
                asset=composite,
                description="The record of each day's scenes is there and fits the cube.",
            ),
            dg.AssetCheckSpec(
                "scenes_offered",
                asset=composite,
                description="The catalog still offers the scenes that days are made from.",
            ),
            dg.AssetCheckSpec(
                "scenes_usable",
                asset=composite,
                description="None of the scenes that the catalog offered was refused.",
            ),
        ],
    )
    def composite_checks(
        context: dg.AssetCheckExecutionContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.AssetCheckResult]:
        days, state = _days(context), pipeline.open(area)
        cube = state.made_cube
        yield _result(composite, "carried_forward", quality.unlawful(cube, days))
        yield _result(composite, "values_in_range", quality.out_of_range(cube, days))
        poor = dg.AssetCheckSeverity.WARN
        yield _result(composite, "valid_share_kept", quality.sudden_losses(cube, days), poor)
        unrecorded = quality.unrecorded(state, days)
        yield _result(composite, "scenes_recorded", unrecorded, poor)
        not_offered = quality.not_offered(state)
        yield _result(composite, "scenes_offered", not_offered, poor)
        yield _result(composite, "scenes_usable", quality.refused(state, days), poor)

    @dg.multi_asset_check(
        name=f"{area}__field_stats_checks",
        specs=[
            dg.AssetCheckSpec(
                "statistics_complete",
                asset=stats,
                description="Every planted field has its row, computed from the cube as it is.",
            )
        ],
    )
    def field_stats_checks(
        context: dg.AssetCheckExecutionContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.AssetCheckResult]:
        stale = quality.stale(pipeline.open(area), _days(context))
        yield _result(stats, "statistics_complete", stale, dg.AssetCheckSeverity.WARN)

    return [composite_checks, field_stats_checks]


def _days(context: dg.AssetCheckExecutionContext) -> list[date]:
    return days_of(context.op_execution_context.partition_keys)


def _result(
    asset: dg.AssetKey,
    name: str,
    wrong: Sequence[str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=asset,
        check_name=name,
        severity=severity,
        description=plain("; ".join(wrong[:LISTED])) or None,
        metadata={"days": len(wrong)},
    )
