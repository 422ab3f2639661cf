"""What operators decided on an area's scenes, kept in one object: every decision, in order."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.scenes.choice import Decisions
from hydro_pipeline.scenes.scene import Decision, Verdict
from hydro_pipeline.storage.keys import decisions_key
from hydro_pipeline.storage.store import Store


def decide(store: Store, area_name: str, decisions: Iterable[Decision]) -> None:
    """Add decisions to those of an area; nobody else's is lost.

    Raises `StoredObjectError` where the object is broken; it stays as it is then.
    """
    key, added = decisions_key(area_name), [asdict(decision) for decision in decisions]

    def add(data: bytes | None) -> bytes | None:
        every = [asdict(each) for each in _parsed(store, key, data)] + added
        return json.dumps(every, indent=1, ensure_ascii=False).encode()

    if added:
        store.update(key, add)


def history(store: Store, area_name: str) -> list[Decision]:
    """Every decision on an area's scenes, in order. Raises `StoredObjectError` if it is broken."""
    key = decisions_key(area_name)
    return _parsed(store, key, store.get(key))


def in_force(decisions: Sequence[Decision]) -> Decisions:
    """The last decision on each scene, but for those that were taken back."""
    last = {decision.scene: decision for decision in decisions}
    return {scene: each for scene, each in last.items() if each.verdict is not Verdict.USE}


def read_decisions(store: Store, area_name: str) -> Decisions:
    """What holds of an area's scenes now. Raises `StoredObjectError` if it is broken."""
    return in_force(history(store, area_name))


def _parsed(store: Store, key: str, data: bytes | None) -> list[Decision]:
    try:
        return [_decision(each) for each in json.loads(data or b"[]")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoredObjectError(
            f"{store.url(key)} is not a list of decisions on scenes "
            f"({type(error).__name__}: {error}); put an earlier version of it back, or remove it "
            "and decide again"
        ) from None


def _decision(told: dict[str, object]) -> Decision:
    hrefs = told.get("hrefs", [])
    if not isinstance(hrefs, list):
        raise ValueError(f"hrefs are {hrefs!r}, no list")
    return Decision(
        str(told["scene"]), Verdict(str(told["verdict"])), str(told["by"]), str(told["at"]),
        str(told.get("why", "")), str(told.get("updated", "")), tuple(map(str, hrefs)),
        told.get("opened") is True,
    )  # fmt: skip
