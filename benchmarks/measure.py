"""Run a piece of work in a process of its own; take its time and its peak memory."""

import multiprocessing
import os
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Measure:
    """What several runs of the same work took."""

    seconds: tuple[float, ...]
    """Each run's, without starting Python and importing."""
    cpu: tuple[float, ...]
    """Each run's processor time, seconds, importing included."""
    peak_mib: float
    """Largest resident memory of a run's process, from its start."""
    values: tuple[Any, ...]
    """What each run returned."""

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def value(self) -> Any:
        """What the last run returned."""
        return self.values[-1]


def measure(
    work: Callable[..., Any], *args: Any, repeat: int = 1, prepare: Callable[[], Any] | None = None
) -> Measure:
    """Call `work(*args)` `repeat` times, each in a new process. `prepare` runs here before each."""
    runs = []
    for _ in range(repeat):
        if prepare:
            prepare()
        runs += at_once([(work, args)])
    seconds, cpu, peaks, values = zip(*runs, strict=True)
    return Measure(seconds, cpu, max(peaks), values)


def at_once(
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]],
) -> list[tuple[float, float, float, Any]]:
    """Calls that begin together, each in its own process: seconds, CPU seconds, MiB, result."""
    barrier = SPAWN.Barrier(len(calls))
    started = []
    for work, args in calls:
        mine, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_child, args=(theirs, barrier, work, args))
        process.start()
        started.append((process, mine))
    results = []
    for process, pipe in started:
        ok, result = pipe.recv()
        process.join()
        if not ok:
            raise RuntimeError(f"the measured work failed:\n{result}")
        results.append(result)
    return results


def _child(pipe: Any, barrier: Any, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    for name in [n for n in os.environ if n.startswith(("HYDRO_", "AWS_"))]:
        del os.environ[name]
    try:
        barrier.wait()
        began = time.perf_counter()
        value = work(*args)
        took = time.perf_counter() - began
        pipe.send((True, (took, time.process_time(), peak_mib(), value)))
    except BaseException:
        barrier.abort()
        pipe.send((False, traceback.format_exc()))


def peak_mib() -> float:
    """Peak resident memory of this process so far, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
