"""What a pixel tells: an index, or the reflectance of a band, as a value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Anchors = tuple[tuple[float, str], ...]
"""Values, ascending, each with its colour `#rrggbb`; between them colours are interpolated."""

ONE = "1"
"""Stands for the constant among the bands of a linear form."""

Linear = Mapping[str, float]
"""A linear form in reflectance: the coefficient of each band by name, a constant by `1`."""


@dataclass(frozen=True)
class Variable:
    """What a pixel tells: `top` / `bottom`.

    Undefined where `bottom` is 0, and where it is negative though it is a sum of reflectances. A
    band's `bottom` is `{"1": 1.0}`. Stored as int16 in units of `scale`; an index is clipped to
    `valid`, and a band is undefined beyond it, so that what is stored is exact.
    """

    name: str
    """Of its array; begins the names of its columns."""
    title: str
    """Short, for people."""
    long_name: str
    top: Linear
    bottom: Linear
    colours: Anchors
    """What lies beyond the first or the last takes theirs."""
    valid: tuple[float, float] = (-1.0, 1.0)
    """The least and the greatest value."""
    scale: float = 1e-4
    units: str = "1"
    source: str = ""
    """Who described it."""

    @property
    def is_band(self) -> bool:
        """Whether it is the reflectance of a band itself."""
        return dict(self.bottom) == {ONE: 1.0}

    @property
    def is_signed(self) -> bool:
        """Whether `bottom` is a difference, which may well be negative, and not a sum."""
        return any(factor < 0 for factor in self.bottom.values())

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands that it is made of, in the order of its formula."""
        return tuple(dict.fromkeys(name for name in (*self.top, *self.bottom) if name != ONE))

    @property
    def formula(self) -> str:
        """The ratio as people write it, in the names of bands."""
        top, bottom = _written(self.top), _written(self.bottom)
        return top if self.is_band else f"{_bracketed(top)} / {_bracketed(bottom)}"

    @property
    def per_unit(self) -> float:
        """Stored units per value of 1."""
        return float(round(1 / self.scale))

    @property
    def limits(self) -> tuple[int, int]:
        """`valid` in stored units."""
        low, high = self.valid
        return round(low * self.per_unit), round(high * self.per_unit)

    @property
    def shown(self) -> tuple[float, float]:
        """The values of the first and the last colour."""
        return self.colours[0][0], self.colours[-1][0]

    @property
    def attributes(self) -> dict[str, Any]:
        """CF attributes of its array."""
        low, high = self.limits
        formula = "" if self.is_band else f", {self.formula}"
        return {
            "long_name": f"{self.long_name}{formula}, gaps filled from earlier days",
            "units": self.units,
            "scale_factor": self.scale,
            "add_offset": 0.0,
            "valid_min": low,
            "valid_max": high,
        }

    def column(self, statistic: str) -> str:
        """Name of the column of a statistic."""
        return f"{self.name}_{statistic}"


def _written(form: Linear) -> str:
    """A linear form as people write it."""
    text = ""
    for name, factor in form.items():
        size = f"{abs(factor):g}"
        term = size if name == ONE else name if size == "1" else f"{size} {name}"
        text += f" {'-' if factor < 0 else '+'} {term}"
    return text.removeprefix(" + ").strip()


def _bracketed(text: str) -> str:
    return f"({text})" if " + " in text or " - " in text else text
