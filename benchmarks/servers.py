"""Servers on loopback, each in a process of its own: Earth Search with its files, and S3."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.measure import SPAWN
from benchmarks.s3_server import S3, Stored
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.server import StandIn


@dataclass(frozen=True)
class Wire:
    """How far away the servers seem."""

    latency_s: float
    """Added to each request."""
    bytes_per_s: float | None
    """Of each server, shared by its connections; None: as fast as loopback is."""

    def __str__(self) -> str:
        speed = f"{self.bytes_per_s / 1e6:g} MB/s" if self.bytes_per_s else "loopback's speed"
        return f"{self.latency_s * 1000:g} ms, {speed}"


class _Served:
    """A server in another process, asked through a pipe."""

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(theirs, *args), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.url: str = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("stop")
        self._process.join()

    def counts(self) -> dict[str, Any]:
        """What was asked since the last `reset`."""
        return dict(self._ask("counts"))

    def reset(self) -> None:
        """Forget what was asked."""
        self._ask("reset")

    def _ask(self, what: str | float) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


class EarthSearch(_Served):
    """The stand-in for the catalog over a season's directory; `url` is the root of its STAC API."""

    def __init__(self, directory: Path, wire: Wire) -> None:
        super().__init__(_serve_earth_search, directory, wire)


class Bucket(_Served):
    """An empty S3 bucket; counts: requests by method, `chunk_gets`, `bytes_in`, `bytes_out`."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(_serve_s3, wire)

    def settings(self, **others: Any) -> Settings:
        """Settings whose root is in the bucket."""
        return Settings.load(
            root="s3://bucket/data",
            s3_endpoint_url=self.url,
            s3_access_key_id="benchmark",
            s3_secret_access_key="benchmark",
            **others,
        )

    def clear(self) -> None:
        """Remove every object."""
        self._ask("clear")

    def keep(self) -> None:
        """Remember every object as it is now."""
        self._ask("keep")

    def latency(self, seconds: float) -> None:
        """Change what is added to each request."""
        self._ask(seconds)

    def restore(self) -> None:
        """Go back to what was kept."""
        self._ask("restore")


def _serve_earth_search(pipe: Any, directory: Path, wire: Wire) -> None:
    with StandIn(directory, latency_s=wire.latency_s, bytes_per_s=wire.bytes_per_s) as server:
        pipe.send(server.url)
        while (asked := pipe.recv()) != "stop":
            if asked == "reset":
                server.reset_counts()
            pipe.send({**server.counts, "by_path": dict(server.cog_bytes_by_path)})
        pipe.send(None)


def _serve_s3(pipe: Any, wire: Wire) -> None:
    server = S3(wire.latency_s, wire.bytes_per_s)
    kept: dict[str, Stored] = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.url)
    while (asked := pipe.recv()) != "stop":
        with server.lock:
            if asked == "reset":
                server.counts.clear()
            if isinstance(asked, float):
                server.latency_s = asked
            if asked == "clear":
                server.objects.clear()
            if asked == "keep":
                kept = dict(server.objects)
            if asked == "restore":
                server.objects = dict(kept)
            pipe.send(dict(server.counts))
    pipe.send(None)
