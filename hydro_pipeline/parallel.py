"""Work done by several threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

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
