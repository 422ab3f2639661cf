"""The use cases: make days, keep statistics up to date, say how things stand."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import pyarrow as pa
import pystac

from hydro_pipeline.area import Area
from hydro_pipeline.cube.head import look, open_head
from hydro_pipeline.cube.layout import check_meaning, meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import AreaError, MissingDayError
from hydro_pipeline.fields.fields import FieldsReading, read_fields
from hydro_pipeline.ingest.chain import Chain
from hydro_pipeline.ingest.look_ahead import read_ahead
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.ingest.run import run
from hydro_pipeline.scenes.catalog import Catalog, open_catalog
from hydro_pipeline.scenes.day_record import failures
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.kernel import load_kernel
from hydro_pipeline.stats.stale import stale_pairs
from hydro_pipeline.stats.table import read_day, read_summary, read_table, stored_days
from hydro_pipeline.stats.update import StatsReport, StatsUpdate
from hydro_pipeline.stats.weights import FieldWeights
from hydro_pipeline.storage.keys import area_key, scenes_key, settled_key
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.state import AreaState, open_state, stored_versions
from hydro_pipeline.usecases.status import AreaStatus, _outcomes

SEARCH_DAYS = 31
"""Days that one search asks for."""
THREADS = 32


class Pipeline:
    """Everything that can be done with the areas under one root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self._state: AreaState | None = None

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of `HYDRO_CATALOG`."""
        return open_catalog(self.settings)

    def area_names(self) -> list[str]:
        """`HYDRO_AREAS`, or every area that has an `area.geojson` under the root."""
        if self.settings.areas:
            return list(self.settings.areas)
        names = self.store.folders("inputs")
        return [name for name in names if self.store.etag(area_key(name))]

    def area(self, name: str) -> Area:
        """A stored area. Raises `AreaError` if there is none of that name, or it is broken."""
        data = self.store.get(area_key(name))
        if data is None:
            raise AreaError(
                f"area {name!r} is not known under HYDRO_ROOT={self.settings.root}; "
                f"make it: hydro area set {name} --bbox=W,S,E,N"
            )
        return Area.from_geojson(name, data)

    def put_area(self, area: Area) -> None:
        """Store an area. Raises `CubeMeaningError` if its cube has another grid."""
        cube = self.cube(area.name)
        if cube is not None:
            check_meaning(cube.meaning, meaning(area, self.settings), cube.url)
        self.store.put(area_key(area.name), area.to_geojson())

    def fields(self, name: str) -> FieldsReading:
        """The area's fields as they are stored now, and what is wrong with them."""
        return read_fields(self.store, self.area(name))

    def cube(self, name: str) -> Cube | None:
        """The area's cube as of now, or None if no day was committed."""
        return Cube.open(self.store, name)

    def made_cube(self, name: str) -> Cube:
        """The area's cube. Raises `MissingDayError` if no day was committed."""
        cube = self.cube(name)
        if cube is None:
            raise MissingDayError(
                f"{name}: the cube is empty; run its days first: "
                f"hydro run {name} --from DATE --to DATE"
            )
        return cube

    def ingest_days(
        self, name: str, days: Sequence[dt.date], *, run_id: str = "", resume: bool = False
    ) -> Iterator[DayReport]:
        """Make `days` in order, one commit each; a report follows each commit.

        With `resume`, days that the run `run_id` has made already are left alone. Raises
        `MissingDayError` if the day before the first is not in the cube (nothing is stored then),
        `SceneReadError` where a scene cannot be read (days before it stay committed).
        """
        area = self.area(name)
        days = sorted(days)
        if resume:
            days = [day for day in days if not self._made_by(name, day, run_id)]
        if not days:
            return
        chain = Chain.of(self.store, area, self.settings, run_id)
        head = look(open_head(chain.target), days[0])
        found = read_ahead(self._items(area, days), area, self.settings, chain.tiling)
        yield from run(chain, head, found, days[-1])

    def update_field_stats(self, name: str, days: Sequence[dt.date]) -> Iterator[StatsReport]:
        """Compute exactly the stale (field, day) pairs in `days` and drop unwanted rows.

        Reads the stored cube only. Raises `MissingDayError` if a day is not in the cube.
        """
        with ThreadPoolExecutor(1) as pool:
            pool.submit(load_kernel)
            state = self._opened(name)
        cube = state.cube
        if cube is None:
            raise MissingDayError(
                f"{name}: the cube is empty; run its days first: "
                f"hydro run {name} --from {min(days)} --to {max(days)}"
            )
        check_meaning(cube.meaning, meaning(state.area, self.settings), cube.url)
        now = dt.datetime.now(dt.UTC)
        what = state.area, state.fields.fields, self.settings.zonal_weights
        with FieldWeights(self.store, *what) as weights:
            update = StatsUpdate(self.store, cube, state.wanted, weights, now)
            yield from update.run(sorted(days))

    def settled(self, name: str) -> bool:
        """True if nothing changed since statistics were last seen complete; three requests."""
        data = self.store.get(settled_key(name))
        return data is not None and json.loads(data) == stored_versions(
            self.store, name, self.settings.zonal_weights
        )

    def stale_days(self, name: str) -> list[dt.date]:
        """Days of the cube with a stale or unwanted row, in order.

        Reads the footer of each day's file, not its rows. If there is none, remembers so for
        `settled`.
        """
        state = self._opened(name)
        cube, wanted = state.cube, state.wanted
        if cube is None:
            return []

        def is_stale(day: dt.date) -> bool:
            revision = cube.revisions[day]
            if read_summary(self.store, name, day).is_fresh(wanted, day, revision):
                return False
            rows = None if wanted.complete else read_day(self.store, name, day).rows
            return wanted.complete or bool(stale_pairs(wanted, day, revision, rows))

        days = [day for day, stale in _with_threads(is_stale, cube.days) if stale]
        if not days:
            self.store.put(settled_key(name), json.dumps(state.versions).encode())
        return days

    def stats(
        self,
        name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        field_id: str | None = None,
    ) -> pa.Table:
        """Stored statistics with a `date` column, ordered by date and field_id."""
        self.area(name)
        days = [
            day
            for day in stored_days(self.store, name)
            if (first is None or day >= first) and (last is None or day <= last)
        ]
        return read_table(self.store, name, days, field_id)

    def status(self, name: str, today: dt.date) -> AreaStatus:
        """How the area stands; `today` decides which days are missing at the end."""
        stale = self.stale_days(name)
        state = self._opened(name)
        cube, wanted = state.cube, state.wanted
        due = today - dt.timedelta(self.settings.latency_days)
        if cube is None:
            start = self.settings.start_date or due + dt.timedelta(1)
        else:
            start = cube.last_day + dt.timedelta(1)

        def count(day: dt.date) -> int:
            assert cube is not None
            pairs = stale_pairs(
                wanted, day, cube.revisions[day], read_day(self.store, name, day).rows
            )
            return len(pairs.compute) + len(pairs.drop)

        return AreaStatus(
            area=state.area,
            first_day=cube.first_day if cube else None,
            last_day=cube.last_day if cube else None,
            gaps=tuple(start + dt.timedelta(i) for i in range((due - start).days + 1)),
            outcomes=_outcomes(cube) if cube else {},
            failed=failures(self.store, name),
            fields=state.fields,
            stale_days=tuple(stale),
            stale_pairs=sum(n for _, n in _with_threads(count, stale)),
        )

    def _items(
        self, area: Area, days: Sequence[dt.date]
    ) -> Iterator[tuple[dt.date, Sequence[pystac.Item]]]:
        """The items of each day, searched for `SEARCH_DAYS` at once.

        Raises `AreaError` where a cube would begin without any scene, and none is there on any day.
        """
        for start in range(0, len(days), SEARCH_DAYS):
            batch = days[start : start + SEARCH_DAYS]
            found = self.catalog.scenes(area, batch[0], batch[-1])
            if not any(found.values()) and self.cube(area.name) is None:
                self.catalog.check_covers(area)
            yield from ((day, found[day]) for day in batch)

    def _opened(self, name: str) -> AreaState:
        """The area as of now; what did not change since the last call is not read again."""
        weights = self.settings.zonal_weights
        state = open_state(self.store, name, weights, lambda: self.area(name), known=self._state)
        self._state = state
        return state

    def _made_by(self, name: str, day: dt.date, run_id: str) -> bool:
        data = self.store.get(scenes_key(name, day))
        return bool(run_id) and data is not None and json.loads(data).get("hydro:run_id") == run_id


def _with_threads[T, R](work: Callable[[T], R], items: Iterable[T]) -> list[tuple[T, R]]:
    items = list(items)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(zip(items, pool.map(work, items), strict=True))
