"""The colours of variables and age, the same in files and on the report page. Pure."""

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.product import NODATA
from hydro_pipeline.variable import Anchors, Variable


def variable_class(values: NDArray[np.int16], variable: Variable) -> NDArray[np.uint8]:
    """Stored values as classes: 1 to 255 over what is shown of the variable, 0 where there is none.

    What lies beyond takes the nearest class.
    """
    low, high = variable.shown
    share = (values * np.float32(variable.scale) - low) / (high - low)
    classes: NDArray[np.uint8] = np.rint(1 + 254 * np.clip(share, 0, 1)).astype(np.uint8)
    classes[values == NODATA] = 0
    return classes


def colours(anchors: Anchors) -> NDArray[np.uint8]:
    """(256, 3) red, green and blue of the classes 0 to 255 between anchors; 0 is never drawn."""
    at, texts = zip(*anchors, strict=True)
    anchored = np.array([list(bytes.fromhex(text[1:])) for text in texts], float)
    value = np.linspace(at[0], at[-1], 255)
    table = np.zeros((256, 3), np.uint8)
    for band in range(3):
        table[1:, band] = np.rint(np.interp(value, at, anchored[:, band]))
    return table
