"""What Dagster loads: the settings of the environment, and the definitions of every area."""

import logging

import dagster as dg

from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.errors import AreaError
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of the areas in `HYDRO_AREAS`, or of all areas in the root.

    Raises `SettingError` for wrong settings, `StoreAccessError` or `StoreUnavailableError` where
    the root cannot be used, and `AreaError` if no area can; if some can, the others are logged
    and fail in their own runs alone.
    """
    pipeline = Pipeline(Settings.load())
    log = logging.getLogger("dagster")
    areas, problems = pipeline.names(), []
    for area in areas:
        try:
            pipeline.area(area)
        except AreaError as error:
            problems.append(str(error))
    if problems and len(problems) == len(areas):
        raise AreaError("; ".join(problems))
    for problem in problems:
        log.error(problem)
    if not areas:
        log.warning(
            "no area in %s yet: make one with `hydro area set NAME --bbox=W,S,E,N` (or run "
            "`make demo`), then reload",
            pipeline.settings.root,
        )
    return build_defs(pipeline, areas)
