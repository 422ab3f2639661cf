"""Work done by several threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

THREADS = 8
"""Threads where nothing else is said: they mostly wait for answers."""


def in_threads[T, R](work: Callable[[T], R], items: Sequence[T], threads: int = THREADS) -> list[R]:
    """What `work` gives for each item, several at a time."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
