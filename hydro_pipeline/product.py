"""What is measured, and how it is stored."""

import numpy as np
from numpy.typing import NDArray

NODATA = -32768


SCALE = 1e-4


Int16 = NDArray[np.int16]
