"""Work done by several threads, and work that is tried again."""

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
)

THREADS = 8
"""Threads where nothing else is said: they mostly wait for answers."""


def meanwhile[T](work: Callable[[], T], *others: Callable[[], object]) -> T:
    """What `work` gives; the `others` are done at the same time. The first error in the order of
    the others, then that of `work`, is raised when all have ended.
    """
    with ThreadPoolExecutor(len(others) + 1) as pool:
        working = pool.submit(work)
        for done in [pool.submit(other) for other in others]:
            done.result()
        return working.result()


def in_threads[T, R](work: Callable[[T], R], items: Sequence[T], threads: int = THREADS) -> list[R]:
    """What `work` gives for each item, several at a time."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


@dataclass(frozen=True)
class Tries:
    """How often something is tried, and for how long."""

    attempts: int
    first_delay: float = 0.0
    """Wait before the second try, seconds; doubles each time, times a random 0.5 to 1.5."""
    limit: float = math.inf
    """No further try begins after this many seconds."""


def retry[T](
    work: Callable[[int], T],
    tries: Tries,
    may_pass: Callable[[BaseException], bool],
    asked: Callable[[BaseException], float | None] = lambda _: None,
) -> T:
    """What `work` gives; it is called with the number of the try, from 1, until it succeeds.

    Raises its last exception as it is, once that is not one that `may_pass`, or `tries` are used
    up. `asked` tells how long the other side asked to wait at least after an exception, seconds.
    """

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        delay = tries.first_delay * 2.0 ** (state.attempt_number - 1)
        least = asked(error) if error else None
        return max(delay * random.uniform(0.5, 1.5), least or 0.0)

    retrying = Retrying(
        retry=retry_if_exception(may_pass),
        wait=wait,
        stop=stop_after_attempt(tries.attempts) | stop_before_delay(tries.limit),
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            return work(attempt.retry_state.attempt_number)
    raise AssertionError("unreachable")
