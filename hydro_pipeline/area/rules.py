"""What gives an area's pixels their meaning, where it is stored with the area. Pure."""

from collections.abc import Mapping
from typing import Any

from hydro_pipeline.errors import AreaError

RULES = ("collection", "variables", "clear_classes", "cloud_buffer_m", "max_age_days")
"""Settings that may be of an area; stored there, they win over the environment."""

Rules = tuple[tuple[str, str], ...]
"""Settings by name, with their values as in the environment; in the order of `RULES`."""


def rules_of(area_name: str, given: Mapping[str, Any]) -> Rules:
    """What was given as rules. Raises `AreaError` for one that is not known."""
    unknown = given.keys() - set(RULES)
    if unknown:
        raise AreaError(
            f"area {area_name}: it has rules that are not known, {', '.join(sorted(unknown))}; "
            f"known are {', '.join(RULES)}"
        )
    return tuple((name, str(given[name])) for name in RULES if name in given)
