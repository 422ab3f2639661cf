"""How long anything outside may take: every deadline of the package, told in the README."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread


@dataclass(frozen=True)
class Deadline:
    """Of one kind of call to the outside, in seconds."""

    connect: float
    """To be connected."""
    read: float
    """Longest silence while an answer is waited for, or comes."""
    total: float
    """From the beginning to the end, with all tries."""


CATALOG = Deadline(connect=10, read=30, total=120)
"""One request."""
SEARCH_S = 900.0
"""One search, with all its pages."""
IMAGERY = Deadline(connect=10, read=30, total=120)
"""One request of GDAL; slower than `IMAGERY_BYTES_PER_S` counts as silence."""
IMAGERY_BYTES_PER_S = 1000
IMAGERY_READ_S = 300.0
"""One read of a file: no further try begins after that."""
DAY_S = 3600.0
"""All reads of a day whose imagery is held in memory, or all that a Dask cluster does for a day."""
OBJECTS = Deadline(connect=5, read=60, total=80)
"""One object of the bucket."""
ICECHUNK = Deadline(connect=5, read=30, total=120)
"""One request of Icechunk."""
ICECHUNK_STEP_S = 900.0
"""One step of a cube: to open it, to read or write a window, to commit a day."""
UPKEEP_S = 6 * 3600.0
"""The housekeeping of a cube, which looks at every object of it."""
BUCKET = Deadline(connect=5, read=30, total=120)
"""All that makes a bucket ready."""
DASK = Deadline(connect=30, read=60, total=DAY_S)
"""A cluster: `read` is how long it may be without a worker."""
ALERT = Deadline(connect=5, read=10, total=45)
"""One message to a chat channel."""


def markdown() -> str:
    """Every deadline as a Markdown table."""
    rows = (
        ("Catalog, one request", CATALOG),
        ("Catalog, one search with its pages", SEARCH_S),
        (f"Imagery, one request; below {IMAGERY_BYTES_PER_S} bytes/s is silence", IMAGERY),
        ("Imagery, one read: no further try begins after", IMAGERY_READ_S),
        ("Imagery, all of a day", DAY_S),
        ("Bucket, one object", OBJECTS),
        ("Bucket, made ready by `hydro init`", BUCKET),
        ("Cube, one request of Icechunk", ICECHUNK),
        ("Cube, one step: open, read or write a window, commit", ICECHUNK_STEP_S),
        ("Cube, `hydro maintain`", UPKEEP_S),
        ("Dask cluster, without a worker; all of a day", DASK),
        ("Alert, one message", ALERT),
    )
    lines = ["| Call | Connect s | Silence s | Total s |", "|---|---|---|---|"]
    for name, deadline in rows:
        if isinstance(deadline, Deadline):
            times = [f"{t:g}" for t in (deadline.connect, deadline.read, deadline.total)]
        else:
            times = ["", "", f"{deadline:g}"]
        lines.append(f"| {name} | {' | '.join(times)} |")
    return "\n".join(lines)


def within[T](seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives, for calls that cannot be told a deadline.

    Raises `TimeoutError` after that time; what still goes on then is left to itself.
    """
    result = beside(work)
    try:
        return result.result(seconds)
    except TimeoutError:
        if result.done():
            raise
        raise TimeoutError(f"no end after {seconds:g} s") from None


def beside[T](work: Callable[[], T]) -> "Future[T]":
    """What `work` will give, by a thread that does not keep the process from ending."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return result
