"""What days were made from before, as their records say."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pystac

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import CatalogAnswerError, StoredObjectError
from hydro_pipeline.parallel import in_threads
from hydro_pipeline.scenes.choice import Recorded
from hydro_pipeline.scenes.day_record import read_record
from hydro_pipeline.scenes.item import parse_item
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.storage.store import Store

RECORDS_AT_ONCE = 32
"""Records that are read at once."""


def read_recorded(
    store: Store, area: Area, collection: str, days: Sequence[dt.date]
) -> dict[dt.date, Recorded]:
    """What each day was made from, but for items of other collections.

    A record that cannot be read is told in the `problem` of its day.
    """

    def read(day: dt.date) -> Recorded:
        try:
            record = read_record(store, area.name, day)
            items = _items(record, store.url(scenes_key(area.name, day))) if record else []
        except StoredObjectError as error:
            return Recorded(problem=error)
        return Recorded(record, [i for i in items if i.collection_id in (None, collection)])

    return dict(zip(days, in_threads(read, days, RECORDS_AT_ONCE), strict=True))


def _items(record: Mapping[str, Any], url: str) -> list[pystac.Item]:
    try:
        left_out = [left["item"] for left in record.get("hydro:left_out", [])]
        features = [*record["features"], *left_out]
        _ = [(used["id"], used["valid_share"]) for used in record["hydro:used"]]
        return [parse_item(feature, url, "/") for feature in features]
    except (CatalogAnswerError, KeyError, TypeError, AttributeError) as error:
        raise StoredObjectError(
            f"{url} is not the record of a day ({type(error).__name__}: {error}); put an earlier "
            "version of it back"
        ) from None
