"""Which pixels of a scene are clear, from its scene classification (SCL)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def clear_mask(
    scl: NDArray[np.uint8],
    clear_classes: tuple[int, ...],
    buffer_px: int,
    spoiling: tuple[int, ...],
) -> NDArray[np.bool_]:
    """True = clear: an SCL class in `clear_classes`, and none of `spoiling` nearby.

    `scl` is (y, x), 0 = nodata. A pixel of a class in `spoiling` (cloud or shadow) spoils every
    pixel whose centre lies within `buffer_px` pixels of its own centre (Euclidean); classes in
    `clear_classes` never spoil. Pixels beyond the edge of `scl` are taken as unclouded: pass a
    margin of `buffer_px` and crop.
    """
    is_clear = np.zeros(256, np.bool_)
    is_clear[list(clear_classes)] = True
    spoils = np.zeros(256, np.bool_)
    spoils[[c for c in spoiling if c not in clear_classes]] = True
    clear: NDArray[np.bool_] = _clear_mask(np.ascontiguousarray(scl), is_clear, spoils, buffer_px)
    return clear


@njit(nogil=True, cache=True)
def _clear_mask(
    scl: NDArray[np.uint8], is_clear: NDArray[np.bool_], spoils: NDArray[np.bool_], radius: int
) -> NDArray[np.bool_]:
    height, width = scl.shape
    clear = np.empty((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            clear[y, x] = is_clear[scl[y, x]]
    if radius == 0:
        return clear
    # Distance along the row to the nearest spoiling pixel, capped just beyond the radius.
    far = radius + 1
    along = np.full((height, width), far, np.int16)
    for y in range(height):
        run = far
        for x in range(width):
            run = 0 if spoils[scl[y, x]] else min(run + 1, far)
            along[y, x] = run
        run = far
        for x in range(width - 1, -1, -1):
            run = 0 if along[y, x] == 0 else min(run + 1, far)
            along[y, x] = min(along[y, x], run)
    reach = np.empty(radius + 1, np.int32)
    for dy in range(radius + 1):
        reach[dy] = int(np.sqrt(radius * radius - dy * dy))
    for y in range(height):
        for other in range(max(0, y - radius), min(height, y + radius + 1)):
            limit = reach[abs(other - y)]
            for x in range(width):
                if along[other, x] <= limit:
                    clear[y, x] = False
    return clear
