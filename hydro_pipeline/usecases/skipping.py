"""A way past a scene that fails for good: its day is made without it, after so many failures."""

import datetime as dt

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import SceneError
from hydro_pipeline.imagery.gdal import opens
from hydro_pipeline.product import Product
from hydro_pipeline.scenes.catalog import Catalog
from hydro_pipeline.scenes.choice import Sources, holds, skip
from hydro_pipeline.scenes.decisions import decide
from hydro_pipeline.scenes.scene import Decision
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.notes import Step, read_note
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.sources import read_sources

SKIPPER = "HYDRO_SKIP_AFTER_FAILURES"


def skip_failed(
    store: Store, catalog: Catalog, area: Area, settings: Settings, day: dt.date, error: SceneError
) -> bool:
    """Whether the scene that `day` failed by is skipped now, so that the day can be made.

    So it is after `HYDRO_SKIP_AFTER_FAILURES` failures in a row, unless the day in the cube is made
    from it: its pixels would be lost.
    """
    limit, note = settings.skip_after_failures, read_note(store, area.name, day, Step.DAY)
    if limit is None or note is None or note.times < limit or error.scene_id is None:
        return False
    sources = read_sources(store, catalog, area, [day])[day]
    for scene in sources.selection(settings.product).scenes:
        if scene.id == error.scene_id:
            why = f"{note.times} failures in a row; {error}"
            opened = opens(scene.hrefs, settings)
            product = settings.product
            made = skip(scene.item, product, SKIPPER, dt.datetime.now(dt.UTC), why, opened)
            if not _loses(sources, made, product):
                decide(store, area.name, [made])
                return True
    return False


def _loses(sources: Sources, decision: Decision, product: Product) -> bool:
    """Whether a decision leaves out what the day in the cube is made from."""
    used = sources.recorded.used
    return any(
        item.id in used and holds(decision, item, product) for item in sources.recorded.items
    )
