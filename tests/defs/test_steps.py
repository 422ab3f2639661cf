"""How often and when a step is tried again."""

import logging
from types import SimpleNamespace

import dagster as dg
import pytest

from hydro_pipeline.defs.steps import told_to_dagster
from hydro_pipeline.errors import InputError, SceneReadError


def context(number: int, **tags: str) -> SimpleNamespace:
    """Of a step in its retry of that number; 0 is the first try."""
    instance = SimpleNamespace(add_run_tags=lambda run_id, tags: None)
    run = SimpleNamespace(run_id="run-1", tags=tags)
    log = logging.getLogger("step")
    return SimpleNamespace(instance=instance, run=run, retry_number=number, log=log)


def test_three_retries_wait_15_s_and_four_times_longer_each_time():
    waits = []
    for number in range(3):
        with pytest.raises(dg.RetryRequested) as caught, told_to_dagster(context(number)):
            raise SceneReadError("reset")
        waits.append(caught.value.seconds_to_wait)
    assert waits == [15, 60, 240]
    with pytest.raises(dg.Failure, match="reset"), told_to_dagster(context(3)):
        raise SceneReadError("reset")


def test_what_a_retry_cannot_help_is_not_tried_again():
    with pytest.raises(dg.Failure, match="mend it"), told_to_dagster(context(0)):
        raise InputError("mend it")
