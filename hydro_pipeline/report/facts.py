"""What the page says in words: a day's scenes, and what a person should look at."""

from collections.abc import Iterator
from typing import Any

from hydro_pipeline.cube.read import Cube
from hydro_pipeline.scenes.day_record import refused_of
from hydro_pipeline.usecases.status import AreaStatus


def days(cube: Cube, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each day's outcome, observed share, and scenes with the share of the area taken from them.

    Beside them the number of scenes that were refused.
    """
    observed = cube.daily("observed_fraction").tolist()
    return [
        {
            "outcome": record.get("hydro:outcome", "unknown"),
            "observed": round(share, 4),
            "scenes": [[used["id"], used["used_share"]] for used in record.get("hydro:used", [])],
            "refused": len(refused_of(record)),
        }
        for share, record in zip(observed, records, strict=True)
    ]


def warnings(status: AreaStatus) -> Iterator[str]:
    """Sentences on what is wrong with the data, worst first."""
    yield from (note.told for note in reversed(status.notes))
    if status.stale_days:
        yield (
            f"Statistics of {len(status.stale_days)} days are missing or out of date; "
            f"hydro catch-up {status.area.name} makes them"
        )
    yield from status.problems
    yield from (missing.told for missing in status.missing)
    yield from (f"{each.scene} is {each.told}" for each in status.left_out)
    yield from status.displaced
    yield from status.remarks
    yield from status.warnings


def notices(records: list[dict[str, Any]]) -> list[str]:
    """What the scenes themselves say to their readers, for example that they are simulated."""
    said = (
        item["properties"].get("description")
        for record in records
        for item in record.get("features", [])
    )
    return sorted({text for text in said if text})
