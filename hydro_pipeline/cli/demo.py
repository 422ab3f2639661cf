"""`hydro demo`: a simulated season through the real assets, and what there is to see in it."""

import datetime as dt
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hydro_pipeline.cli.progress import run_days
from hydro_pipeline.cli.terminal import out, say, table
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.days import day_number
from hydro_pipeline.fields.fields import put_fields
from hydro_pipeline.product import NODATA
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.season import Season, simulate
from hydro_pipeline.simulation.server import StandIn
from hydro_pipeline.storage.keys import (
    cube_key,
    fields_folder,
    fields_key,
    scenes_folder,
    stats_folder,
)
from hydro_pipeline.usecases.pipeline import Pipeline

AREA = "demo"
DATA = Path("hydro-data/demo")
"""The demo's root, where `HYDRO_ROOT` is not set."""
IMAGERY = DATA / "imagery"
ENVIRONMENT = Path("hydro-data/demo.env")
LATE_FILE = fields_key(AREA, "late.geojson")
DAYS = 45
IN_ONE_RANGE = 40
HYDRO = ".venv/bin/hydro"
SHOWN = (
    "field_id", "planting_date", "ndvi_mean", "pixel_count", "observed_fraction",
    "age_mean_days", "last_observed",
)  # fmt: skip
READ = ("step", "STAC requests", "COG kB", "cube chunks", "rows made", "seconds")
AGES = (("seen on the day", 0, 0), ("1 to 5 days old", 1, 5), ("older", 6, 32767))


def run_demo() -> None:
    """Simulate a season, run it, catch up two late fields, and print what happened.

    Uses `HYDRO_ROOT` and `DAGSTER_HOME` where set, else `./hydro-data/demo` and `./.dagster`.
    Doing it again ends in the same data.
    """
    started = time.perf_counter()
    os.environ.setdefault("HYDRO_ROOT", str(DATA))
    first_day = _first_day(Pipeline(Settings.load()))
    say(f"Simulating {DAYS} days of Sentinel-2 over 6 x 6 km; nothing in it is real imagery.")
    season = simulate(IMAGERY, first_day=first_day, days=DAYS)
    with StandIn(season.directory) as earth_search:
        pipeline = Pipeline(
            Settings.load(
                catalog=earth_search.url,
                collection="sentinel-2-l2a",
                variables="ndvi",
                start_date=first_day,
            )
        )
        rows = list(_run(pipeline, season, earth_search))
    root = pipeline.store.backend.absolute_root
    catalog = str(IMAGERY.resolve() / "items.json")
    ENVIRONMENT.write_text(
        f"export HYDRO_ROOT={shlex.quote(root)} HYDRO_CATALOG={shlex.quote(catalog)}\n"
    )
    _explain(pipeline, season, rows)
    say("")
    say(f"Done in {time.perf_counter() - started:.0f} seconds.")


def _first_day(pipeline: Pipeline) -> dt.date:
    """That of the demo before, else such that the season ends with the last day that is due."""
    cube = Cube.open(pipeline.store, AREA)
    if cube is not None:
        return cube.first_day
    today = dt.datetime.now(dt.UTC).date()
    return today - dt.timedelta(pipeline.settings.latency_days + DAYS - 1)


def _run(pipeline: Pipeline, season: Season, earth_search: StandIn) -> Iterator[tuple[Any, ...]]:
    """Run the season; yields a row of "what was read" for each step."""

    def step(
        what: str, first: dt.date, last: dt.date, assets: Literal["all", "field_stats"] = "all"
    ) -> tuple[Any, ...]:
        say("")
        say(what)
        earth_search.reset_counts()
        began = time.perf_counter()
        done = run_days(pipeline.settings, AREA, first, last, assets)
        seconds = time.perf_counter() - began
        say(done.summary())
        read = earth_search.counts
        cog_kb = round(read["cog_bytes"] / 1000)
        return what, read["stac_requests"], cog_kb, done.chunks, done.rows, round(seconds)

    area = season.area(AREA)
    pipeline.put_area(area)
    if pipeline.store.etag(LATE_FILE):
        say("Taking out the late fields of the demo before this one.")
        pipeline.store.delete(LATE_FILE)
    put_fields(pipeline.store, area, "fields.geojson", season.fields_geojson)
    first, *_ = days = [season.first_day + dt.timedelta(n) for n in range(DAYS)]
    yield step(f"{IN_ONE_RANGE} days in one run", first, days[IN_ONE_RANGE - 1])
    for day in days[IN_ONE_RANGE:]:
        yield step(f"the day {day}", day, day)
    late = put_fields(pipeline.store, area, Path(LATE_FILE).name, season.late_fields_geojson).fields
    planted = min(field.planting_date for field in late)
    what = f"{len(late)} late fields, planted {(season.last_day - planted).days} days ago"
    yield step(what, planted, season.last_day, "field_stats")


def _explain(pipeline: Pipeline, season: Season, read: list[tuple[Any, ...]]) -> None:
    state = pipeline.open(AREA)
    cube, store = state.made_cube, state.store
    day = cube.days[np.flatnonzero(cube.daily("observed_fraction"))[-1]]
    stats = state.stats(day, day).select(SHOWN).to_pylist()
    some = stats[:4] + [row for row in stats if row["field_id"].startswith("L")]
    _show(f"{len(some)} of {len(stats)} fields on {day}", SHOWN, [row.values() for row in some])
    say(
        "observed_fraction was seen clear on that very day; the rest is carried from earlier "
        "days, age_mean_days old on average."
    )
    _show("What each step read from outside and from the cube", READ, read)
    say("Late fields get their past from the stored cube: no search, no imagery.")
    _show(
        f"The cube against the simulated truth, {season.days} days",
        ("NDVI value", "share of pixels", "mean error", "95% are within"),
        _errors(cube, season),
    )
    _show(
        "Where it is",
        ("path", "what"),
        [
            (store.url(cube_key(AREA)), "NDVI and its age, day by day (Icechunk, Zarr v3)"),
            (store.url(stats_folder(AREA)), "statistics per field and day (Parquet)"),
            (store.url(scenes_folder(AREA)), "the scenes that each day was made from"),
            (store.url(fields_folder(AREA)), "fields: drop more files here"),
            (str(season.directory), "the simulated imagery"),
        ],
    )
    _show(
        "What to do next",
        ("command", "what"),
        [
            ("make ui", "these runs in the Dagster UI, on http://127.0.0.1:3000"),
            (f"source {ENVIRONMENT}", "the following commands work on the demo's data"),
            (f"{HYDRO} stats {AREA} --field L01", "a late field's past"),
            (f"{HYDRO} status", "how the area stands"),
            ("see README.md, Your own area", "real imagery, from live Earth Search"),
        ],
    )


def _show(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    out.print()
    out.print(table(columns, rows, title))


def _errors(cube: Cube, season: Season) -> Iterator[tuple[str, str, str, str]]:
    """Absolute difference to the true NDVI, by age of the value, over all days and pixels."""
    errors: dict[str, list[np.ndarray[Any, np.dtype[np.float32]]]] = {a[0]: [] for a in AGES}
    height, width = cube.shape
    days = cube.days[: season.days]
    for day in days:
        (ndvi,), observed_on = cube.read(day)
        age = day_number(day) - observed_on.astype(np.int32)
        error = np.abs(ndvi * np.float32(cube.product.main.scale) - season.truth(day))
        for name, low, high in AGES:
            errors[name].append(error[(ndvi != NODATA) & (age >= low) & (age <= high)])
    pixels = height * width * len(days)
    for name, parts in errors.items():
        error = np.concatenate(parts)
        yield (
            name,
            f"{error.size / pixels:.1%}",
            f"{error.mean():.4f}",
            f"{np.quantile(error, 0.95):.4f}",
        )
    known = sum(part.size for parts in errors.values() for part in parts)
    yield "not seen yet", f"{1 - known / pixels:.1%}", "", ""
