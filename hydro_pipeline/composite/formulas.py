"""The variables of a product as tables that kernels compute with. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydro_pipeline.product import Product
from hydro_pipeline.variable import ONE, Variable


@dataclass(frozen=True)
class Formulas:
    """Ratios of two linear forms in digital numbers: value = top / bottom.

    The last column of `top` and `bottom` is the constant, in digital numbers too.
    """

    bands: tuple[str, ...]
    """Names of the bands, in the order of the columns."""
    top: NDArray[np.float64]
    """(variable, band + 1)."""
    bottom: NDArray[np.float64]
    """(variable, band + 1)."""
    per_unit: NDArray[np.float64]
    """(variable,): stored units per value of 1."""
    limits: NDArray[np.float64]
    """(variable, 2): the least and the greatest stored value."""
    signed: NDArray[np.bool_]
    """(variable,): see `Variable.is_signed`."""
    clipped: NDArray[np.bool_]
    """(variable,): True: what is beyond the limits becomes the nearest; False: it is undefined."""
    dn_per_unit: float
    """Digital numbers per reflectance of 1."""
    red: int
    """Which band is red; -1: none."""

    @classmethod
    def of(cls, product: Product) -> "Formulas":
        """Of all variables of a product, in order."""
        bands = tuple(band.name for band in product.bands)
        dn = product.sensor.dn_per_unit

        def forms(form: str) -> NDArray[np.float64]:
            return np.array([_factors(v, form, bands, dn) for v in product.variables])

        return cls(
            bands,
            forms("top"),
            forms("bottom"),
            np.array([v.per_unit for v in product.variables]),
            np.array([v.limits for v in product.variables], np.float64),
            np.array([v.is_signed for v in product.variables]),
            np.array([not v.is_band for v in product.variables]),
            dn,
            bands.index("red") if "red" in bands else -1,
        )

    @property
    def count(self) -> int:
        """Number of variables."""
        return len(self.per_unit)


def _factors(variable: Variable, form: str, bands: tuple[str, ...], dn: float) -> list[float]:
    factors = variable.top if form == "top" else variable.bottom
    return [*(factors.get(band, 0.0) for band in bands), factors.get(ONE, 0.0) * dn]
