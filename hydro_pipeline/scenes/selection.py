"""Which scenes of a day are used, in which order, and what is added to each one's reflectance.

Earth Search repeats a scene when it is processed again, and cuts one in two when it was downlinked
in two parts: the first must be dropped, the second kept. Pure: no network, no clock.
"""

import datetime as dt
from collections.abc import Iterable

import pystac
from shapely import get_parts, make_valid, union_all
from shapely.errors import ShapelyError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from hydro_pipeline.errors import SceneError
from hydro_pipeline.product import Product
from hydro_pipeline.scenes.item import UnusableError, seen_at
from hydro_pipeline.scenes.scene import Refusal, Scene, Selection, told
from hydro_pipeline.scenes.sentinel2 import (
    asset_of,
    decide_offset,
    newness,
    read_baseline,
    read_flag,
    same_pass,
    text_of,
)

SAME_FOOTPRINT = 0.9
"""Share of a footprint that another must cover to be the same but for edges drawn anew."""


def select(
    items: Iterable[pystac.Item], product: Product, refused: Iterable[Refusal] = ()
) -> Selection:
    """Decide on all items of one solar day; `refused` are those that are no STAC items.

    A scene needs every file of the `product`.

    Of scenes processed more than once the newest baseline stays, then the latest update; parts of
    one pass with other footprints all stay. An item that lacks what is needed is refused with the
    reason; nothing is left out in silence.
    """
    scenes: list[Scene] = []
    unusable, replaced = list(refused), []
    for item in items:
        try:
            scenes.append(_scene(item, product))
        except UnusableError as error:
            unusable.append(Refusal(item.id, str(error), item))
    kept: list[Scene] = []
    for scene in sorted(scenes, key=newness, reverse=True):
        reason = _replaced(scene, kept)
        if reason is None:
            kept.append(scene)
        else:
            replaced.append(Refusal(scene.id, reason, scene.item))
    return Selection(
        tuple(sorted(kept, key=lambda s: (s.datetime, s.id))),
        tuple(sorted(unusable, key=lambda r: (r.id, r.reason))),
        tuple(sorted(replaced, key=lambda r: r.id)),
    )


def check_usable(selection: Selection, area_name: str, day: dt.date) -> None:
    """Raise `SceneError` if there were scenes and every one is refused.

    Such a day was not without a scene. What is no STAC item is no evidence of a scene, and stops
    no day.
    """
    refused = selection.refused
    if not selection.scenes and any(each.item is not None for each in refused):
        reasons = told((each.id, each.reason) for each in refused)
        raise SceneError(
            f"{area_name} {day}: all of {len(refused)} scenes are refused ({reasons}); "
            "check HYDRO_COLLECTION and HYDRO_CATALOG, or do without a scene: "
            f"hydro scenes skip {area_name} SCENE"
        )


def contradiction(scene: Scene, finding: str) -> str | None:
    """A sentence if the pixels contradict the scene's offset, else None."""
    if finding in ("unknown", "uncorrected" if scene.offset else "corrected"):
        return None
    pixels = (
        "has many red pixels below 1000 DN" if finding == "corrected"
        else "has many red pixels just above 1000 DN and none below"
    )  # fmt: skip
    return (
        f"scene {scene.id} {pixels}, so its DN look {finding}, but the offset is "
        f"{scene.offset:g} ({scene.decision})"
    )


def _scene(item: pystac.Item, product: Product) -> Scene:
    properties = item.properties
    files = {band.name: item.assets[asset_of(item, band)].href for band in product.files}
    flag = read_flag(item)
    baseline = read_baseline(item)
    offset, decision = decide_offset(item, baseline, flag)
    return Scene(
        id=item.id,
        datetime=seen_at(item),
        platform=text_of(properties.get("platform")) or f"sentinel-{item.id[1:3].lower()}",
        baseline=baseline,
        created=text_of(properties.get("created")),
        updated=text_of(properties.get("updated")),
        boa_offset_applied=flag,
        offset=offset,
        decision=decision,
        files=files,
        item=item,
    )


def _replaced(scene: Scene, newer: list[Scene]) -> str | None:
    """Why the scene is not needed beside the newer ones of the same pass, or None."""
    beside = [other for other in newer if same_pass(scene, other)]
    mine = _footprint(scene.item)
    if mine is None:
        return None
    for other in beside:
        theirs = _footprint(other.item)
        if theirs is None or other.baseline != scene.baseline:
            continue
        if mine.intersection(theirs).area >= SAME_FOOTPRINT * mine.union(theirs).area:
            return f"the same scene was updated later as {other.id}"
    later = [other for other in beside if other.baseline != scene.baseline]
    covers = [f for f in map(_footprint, (other.item for other in later)) if f is not None]
    if mine.intersection(union_all(covers)).area >= SAME_FOOTPRINT * mine.area:
        names = " and ".join(f"{o.id} (baseline {o.baseline})" for o in later)
        return f"baseline {scene.baseline} was processed again as {names}"
    return None


def _footprint(item: pystac.Item) -> BaseGeometry | None:
    """Where the item has data, in degrees, or None if it does not say. For ratios of areas only."""
    try:
        drawn = shape(item.geometry) if item.geometry else box(*item.bbox or ())
        if not (max(map(abs, drawn.bounds), default=0) <= 360):
            return None
        outline = union_all([part for part in get_parts([make_valid(drawn)]) if part.area > 0])
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, ShapelyError):
        return None
    return None if outline.is_empty else outline
