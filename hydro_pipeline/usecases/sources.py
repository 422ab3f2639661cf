"""What days can be made from, asked of the catalog and of what is stored at the same time."""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from hydro_pipeline.area.area import Area
from hydro_pipeline.product import Product
from hydro_pipeline.scenes.catalog import Catalog
from hydro_pipeline.scenes.choice import Sources
from hydro_pipeline.scenes.decisions import read_decisions
from hydro_pipeline.scenes.missing import note_missing
from hydro_pipeline.scenes.recorded import read_recorded
from hydro_pipeline.storage.store import Store


def read_sources(
    store: Store, catalog: Catalog, area: Area, days: Sequence[dt.date]
) -> dict[dt.date, Sources]:
    """What each of `days`, in order, can be made from. One search over all of them.

    Raises what the catalog and the store raise, `StoredObjectError` where the decisions are broken.
    """
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(read_recorded, store, area, catalog.collection, days)
        deciding = pool.submit(read_decisions, store, area.name)
        offered = catalog.scenes(area, days[0], days[-1])
        recorded, decisions = reading.result(), deciding.result()
    return {
        day: Sources(offered[day], recorded[day], decisions, offered[day].refused) for day in days
    }


def keep_missing(
    store: Store, area_name: str, sources: dict[dt.date, Sources], product: Product
) -> dict[dt.date, tuple[str, ...]]:
    """Keep, for status and page, which scenes of recorded days the catalog does not offer."""
    found = {
        day: each.selection(product).missing
        for day, each in sources.items()
        if each.recorded.record is not None
    }
    if found:
        note_missing(store, area_name, found)
    return found
