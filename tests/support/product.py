"""The product of most tests, NDVI of Sentinel-2, and what needs one, with it."""

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pystac
from numpy.typing import NDArray

from hydro_pipeline import indices
from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.imagery import cloud_mask
from hydro_pipeline.product import Int16
from hydro_pipeline.scenes import choice, selection
from hydro_pipeline.scenes.choice import Decisions
from hydro_pipeline.scenes.scene import Decision, Refusal, Selection
from hydro_pipeline.sensors import SENTINEL_2
from hydro_pipeline.stats.schema import schema_of

MASK = SENTINEL_2.mask
PRODUCT = indices.product(("ndvi",), SENTINEL_2, MASK.clear, MASK.buffer_m)
NDVI = PRODUCT.main
FORMULAS = Formulas.of(PRODUCT)
SCHEMA = schema_of(PRODUCT)


def select(items: Iterable[pystac.Item], refused: Iterable[Refusal] = ()) -> Selection:
    return selection.select(items, PRODUCT, refused)


def choose(
    offered: Iterable[pystac.Item],
    recorded: Iterable[pystac.Item] = (),
    decisions: Decisions | None = None,
    refused: Iterable[Refusal] = (),
) -> Selection:
    return choice.choose(offered, PRODUCT, recorded, decisions, refused)


def skip(item: pystac.Item, by: str, at: dt.datetime, why: str, *, opened: bool) -> Decision:
    return choice.skip(item, PRODUCT, by, at, why, opened)


def clear_mask(
    scl: NDArray[np.uint8],
    clear_classes: tuple[int, ...],
    buffer_px: int,
    spoiling: tuple[int, ...] = MASK.spoiling,
) -> NDArray[np.bool_]:
    return cloud_mask.clear_mask(scl, clear_classes, buffer_px, spoiling)


def one(values: Int16) -> Int16:
    """The values of the only variable, (y, x)."""
    (only,) = values
    return only
