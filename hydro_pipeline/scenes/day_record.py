"""The record of one day, `scenes/<area>/<date>.json`: its items, with the decisions on them."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.scenes.scene import LeftOut, Refusal, Scene, Selection, told
from hydro_pipeline.scenes.selection import contradiction
from hydro_pipeline.scenes.sentinel2 import offset_finding
from hydro_pipeline.settings import OffsetCheck
from hydro_pipeline.storage.keys import scenes_key
from hydro_pipeline.storage.store import Store

VERSION = 1
TOLD = {"hydro:area", "hydro:date", "hydro:outcome", "hydro:run_id"}
LISTED: dict[str, set[str]] = {
    "hydro:used": {"id", "baseline", "updated", "offset", "contradiction", "used_share"},
    "hydro:refused": {"id", "reason"},
    "features": {"id", "properties"},
}
"""The lists of a record, and what each of their objects tells at least."""


def day_record(
    area_name: str,
    day: dt.date,
    selection: Selection,
    counts: NDArray[np.int64],
    pixels: int,
    outcome: str,
    run_id: str = "",
    offset_check: OffsetCheck = OffsetCheck.WARN,
) -> dict[str, Any]:
    """What a day was made from. The same input gives the same record; nothing is read from a clock.

    `counts` is (scene, 5) pixels: with data; of those clear; of the clear: used, with red DN below
    1000, and with red DN from 1000 to 1499. `pixels` is the size of the area's grid.
    The used items are kept whole: `features` is a static catalog of the day. So are those that a
    decision leaves out, in `hydro:left_out`, for when it is taken back.
    """
    record = {
        "type": "FeatureCollection",
        "hydro:version": VERSION,
        "hydro:area": area_name,
        "hydro:date": day.isoformat(),
        "hydro:outcome": outcome,
        "hydro:run_id": run_id,
        "hydro:pixels": pixels,
        "hydro:used": [
            _used(scene, count, pixels, offset_check)
            for scene, count in zip(selection.scenes, counts.tolist(), strict=True)
        ],
        "hydro:refused": [_refused(refusal) for refusal in selection.refused],
        "hydro:replaced": [_refused(refusal) for refusal in selection.replaced],
        "features": [_item(scene.item) for scene in selection.scenes],
    }
    left_out = [_left_out(each) for each in selection.left_out]
    return record | {"hydro:left_out": left_out} if left_out else record


def repeated(record: dict[str, Any], maker: str | None) -> dict[str, Any]:
    """The record of a day that was made again and came out as it was.

    It keeps `maker`, the id of the run that made the day, and names the run that repeated it
    beside. None: nobody knows who made it.
    """
    if maker is None or maker == record["hydro:run_id"]:
        return record
    return record | {"hydro:run_id": maker, "hydro:repeated_by": record["hydro:run_id"]}


def is_by(record: dict[str, Any], run_id: str) -> bool:
    """Whether a run made a day, or repeated it last."""
    return run_id in (record["hydro:run_id"], record.get("hydro:repeated_by"))


def contradictions_of(record: dict[str, Any]) -> tuple[str, ...]:
    """The contradictions between offset flags and pixels that the record holds, as sentences."""
    return tuple(used["contradiction"] for used in record["hydro:used"] if used["contradiction"])


def refused_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The scenes that could not be used.

    None of a record of 0.1.0, which does not tell them from those that were processed again.
    """
    return list(record["hydro:refused"]) if "hydro:replaced" in record else []


def refusals_of(record: dict[str, Any]) -> tuple[str, ...]:
    """A sentence on the scenes that could not be used, or none."""
    refused = refused_of(record)
    if not refused:
        return ()
    reasons = told((each["id"], each["reason"]) for each in refused)
    every = len(refused) + len(record["hydro:used"])
    return (f"{len(refused)} of {every} scenes refused: {reasons}",)


def warnings_of(record: dict[str, Any]) -> tuple[str, ...]:
    """What a person should look at: refused scenes and contradictions, as sentences."""
    return (*refusals_of(record), *contradictions_of(record))


def to_bytes(record: dict[str, Any]) -> bytes:
    """The record as stored."""
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, default=str).encode()


def from_bytes(data: bytes) -> dict[str, Any]:
    """A stored record. Raises `ValueError` if it is none."""
    try:
        record = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(record, dict) or not record.keys() >= TOLD:
        raise ValueError("not the record of a day")
    for name, keys in LISTED.items():
        listed = record.get(name)
        if not isinstance(listed, list):
            raise ValueError(f"it has no list of {name}")
        if not all(isinstance(one, dict) and one.keys() >= keys for one in listed):
            raise ValueError(f"its {name} do not say {', '.join(sorted(keys))}")
    if not all(isinstance(item["properties"], dict) for item in record["features"]):
        raise ValueError("its features have no properties")
    return record


def read_record(store: Store, area_name: str, day: dt.date) -> dict[str, Any] | None:
    """A day's record, or None if there is none. Raises `StoredObjectError` if it is broken."""
    key = scenes_key(area_name, day)
    data = store.get(key)
    try:
        return None if data is None else from_bytes(data)
    except ValueError as error:
        raise StoredObjectError(
            f"{store.url(key)} is not the record of a day ({error}); remove it and make the day "
            f"again: hydro run {area_name} --from {day} --to {day}"
        ) from None


def _used(scene: Scene, count: list[int], pixels: int, check: OffsetCheck) -> dict[str, Any]:
    valid, clear, used, dark, dim = count
    off = check is OffsetCheck.OFF
    finding = "unknown" if off else offset_finding(clear, dark, dim)
    return {
        "id": scene.id,
        "datetime": scene.datetime.isoformat(),
        "platform": scene.platform,
        "baseline": scene.baseline,
        "created": scene.created,
        "updated": scene.updated,
        "boa_offset_applied": scene.boa_offset_applied,
        "offset": scene.offset,
        "decision": scene.decision,
        "finding": finding,
        "contradiction": contradiction(scene, finding),
        "valid_share": _share(valid, pixels),
        "clear_share": _share(clear, pixels),
        "used_share": _share(used, pixels),
    }


def _refused(refusal: Refusal) -> dict[str, Any]:
    properties = refusal.item.properties if refusal.item is not None else {}
    return {
        "id": refusal.id,
        "reason": refusal.reason,
        "baseline": properties.get("s2:processing_baseline"),
        "created": properties.get("created"),
        "updated": properties.get("updated"),
        "boa_offset_applied": properties.get("earthsearch:boa_offset_applied"),
    }


def _left_out(left: LeftOut) -> dict[str, Any]:
    decision = left.decision
    return {
        "id": left.item.id,
        "verdict": decision.verdict.value,
        "by": decision.by,
        "at": decision.at,
        "why": decision.why,
        "item": _item(left.item),
    }


def _item(item: pystac.Item) -> dict[str, Any]:
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def _share(count: int, pixels: int) -> float:
    return round(count / pixels, 6) if pixels else 0.0
