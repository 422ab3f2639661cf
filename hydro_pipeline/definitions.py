"""What Dagster loads: the settings of the environment, and the definitions of every area."""

import logging

import dagster as dg

from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.pipeline import Pipeline
from hydro_pipeline.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of the areas in `HYDRO_AREAS`, or of all areas in the root.

    Raises `HydroError` at once where the settings, the store or an area cannot be used.
    """
    pipeline = Pipeline(Settings.load())
    areas = pipeline.area_names()
    for area in areas:
        pipeline.area(area)
    if not areas:
        logging.getLogger("dagster").warning(
            "no area in %s yet: make one with `hydro area set NAME --bbox=W,S,E,N` (or run "
            "`make demo`), then reload",
            pipeline.settings.root,
        )
    return build_defs(pipeline, areas)
