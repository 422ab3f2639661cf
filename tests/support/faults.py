"""An operation under a fault: how it may end, and what there must be afterwards."""

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hydro_pipeline.errors import HydroError
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.notes import Step
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import AREA, content
from tests.support.deadlines import shortened
from tests.support.fault_proxy import Fault, FaultProxy, Kind
from tests.support.operations import DAYS

WITHIN_S = 25.0
"""The deadline of every operation, with its tries, as shortened."""
FAST = {
    ("S3", "commit", Kind.BUSY, 1),
    ("S3", "statistics", Kind.RESET, 1),
    ("S3", "report", Kind.SHORT, 1),
    ("catalog", "commit", Kind.HTML, None),
    ("COG", "commit", Kind.CUT, 1),
}
"""Cells of the table that every run of the tests tries."""
STEPS = {"commit": (Step.DAY, DAYS[2]), "statistics": (Step.STATISTICS, DAYS[1])}
"""What is noted of an operation that fails."""


def cells(target: str, operations: Iterable[str], without: frozenset[Kind] = frozenset()) -> Any:
    """Every operation by every kind of fault of a target, once and for ever."""
    return pytest.mark.parametrize(
        ("name", "kind", "times"),
        [
            pytest.param(
                name,
                kind,
                times,
                id=f"{target}-{name}-{kind}-{'once' if times else 'for ever'}",
                marks=() if (target, name, kind, times) in FAST else pytest.mark.slow,
            )
            for name in operations
            for kind in Kind
            for times in (1, None)
            if kind not in without
        ],
    )


def check(
    settings: Settings,
    name: str,
    run: Callable[[Pipeline], None],
    proxy: FaultProxy,
    fault: Fault,
    expected: Any,
) -> None:
    """Do an operation under a fault, and see what status tells of it and what is there in the end:
    at once where it succeeds, else after it was done again without the fault.
    """
    proxy.fault = fault
    with shortened():
        error = ended(run, Pipeline(settings), proxy)
    assert proxy.hits, "nothing was hit"
    proxy.fault = None
    if error is not None:
        if name in STEPS:
            assert told(Pipeline(settings)) == [(*STEPS[name], type(error).__name__)]
        run(Pipeline(settings))
    assert told(Pipeline(settings)) == []
    assert content(Pipeline(settings)) == expected


def ended(
    run: Callable[[Pipeline], None], pipeline: Pipeline, proxy: FaultProxy
) -> HydroError | None:
    """The sentence that an operation ends with, None if it succeeds; fails on any other end."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(pipeline)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    if thread.is_alive():
        proxy.fault = None
        thread.join(60)
        pytest.fail(f"no end after {WITHIN_S:g} s")
    for error in errors:
        if not isinstance(error, HydroError):
            raise AssertionError(f"raw {type(error).__module__}.{type(error).__name__}") from error
        said = str(error)
        assert "\n" not in said
        assert 20 < len(said) < 700
        assert re.search(r"s3://|http://127|farm", said), said
        return error
    return None


def told(pipeline: Pipeline) -> list[tuple[Step, Any, str]]:
    """What status tells of an area's days."""
    return [(n.step, n.day, n.cause) for n in status(pipeline.open(AREA), DAYS[-1]).notes]
