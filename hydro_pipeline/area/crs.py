"""Whether points can be moved from one CRS to another as exactly as pixels need."""

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

ACCURACY_M = 5.0
"""Half a pixel of 10 m: a transformation that is known less exactly is not used."""
CELLS = 40
"""Along the longer side of the points' extent; one point of a cell stands for all of it."""
TURNED = {"west", "south"}
"""Directions of a pair of axes whose numbers grow the other way."""


def inexact(
    source: CRS, target: CRS, x: NDArray[np.float64], y: NDArray[np.float64]
) -> list[str | None]:
    """For each point, why it cannot be moved from `source` to `target`; None if it can.

    Both in x, y order. PROJ picks a transformation for each point: one that only changes the
    ellipsoid ("ballpark") may be off by 100 m, and so may one while a better one's grid is not
    installed.
    """
    for crs in (source, target):
        if not (crs.is_geographic or crs.is_projected):
            kind = f"it is no CRS of a map: {crs.type_name}"
            return [kind] * len(x)
        directions = [axis.direction for axis in crs.axis_info[:2]]
        if set(directions) == TURNED:
            return [f"its axes point {' and '.join(directions)}"] * len(x)
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True)
    except ProjError:
        return ["PROJ knows no transformation from it"] * len(x)
    points = np.nan_to_num(np.column_stack([x, y]), posinf=0, neginf=0)
    side = max(np.ptp(points, axis=0).max(initial=0) / CELLS, 1e-9) if len(points) else 1.0
    cells = np.floor(points / side)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    why = [_why_not(_used(transformer, *points[i].tolist())) for i in first]
    return [why[i] for i in cell.ravel()]


def _why_not(operation: Transformer) -> str | None:
    if "ballpark" in operation.description.lower():
        return "PROJ knows no transformation from its datum there"
    if operation.accuracy > ACCURACY_M:
        return f"the best transformation at hand there is good to {operation.accuracy:g} m only"
    return None


def _used(transformer: Transformer, x: float, y: float) -> Transformer:
    """The one transformation that is used for a point."""
    transformer.transform(x, y)
    try:
        return transformer.get_last_used_operation()
    except ProjError:  # There is only one.
        return transformer
