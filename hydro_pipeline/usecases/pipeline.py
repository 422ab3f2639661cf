"""The use cases: set areas, make days, keep statistics up to date."""

import datetime as dt
import json
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.name import NAME, check_characters, check_new_name
from hydro_pipeline.area.settings import settings_of
from hydro_pipeline.cube.head import look, open_head
from hydro_pipeline.cube.layout import check_meaning, meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import (
    AreaError,
    MissingDayError,
    SceneError,
    SceneGoneError,
    StoredObjectError,
)
from hydro_pipeline.ingest.chain import Chain
from hydro_pipeline.ingest.look_ahead import read_ahead
from hydro_pipeline.ingest.report import DayReport
from hydro_pipeline.ingest.run import run
from hydro_pipeline.outside.words import shown
from hydro_pipeline.scenes.catalog import Catalog, open_catalog
from hydro_pipeline.scenes.choice import Sources
from hydro_pipeline.scenes.day_record import is_by, read_record
from hydro_pipeline.settings import Settings
from hydro_pipeline.stats.kernel import load_kernel
from hydro_pipeline.stats.stale import Displaced
from hydro_pipeline.stats.update import StatsReport, StatsUpdate
from hydro_pipeline.stats.weights import FieldWeights
from hydro_pipeline.storage.keys import INPUTS, area_key, settled_key
from hydro_pipeline.storage.notes import Step, clear, noted_days, noting
from hydro_pipeline.storage.store import Store
from hydro_pipeline.usecases.displaced import remember
from hydro_pipeline.usecases.skipping import skip_failed
from hydro_pipeline.usecases.sources import keep_missing, read_sources
from hydro_pipeline.usecases.state import AreaState, open_state, stored_versions

SEARCH_DAYS = 31
"""Days that one search asks for."""


class Pipeline:
    """Everything that can be done with the areas under one root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self._states: dict[str, AreaState] = {}
        """The last state of each area that was opened."""
        self._catalogs: dict[tuple[str, tuple[str, ...]], Catalog] = {}

    def settings_of(self, area: Area) -> Settings:
        """The settings that hold for an area. Raises `AreaError` for a wrong rule of it."""
        return settings_of(area, self.settings)

    def catalog(self, area: Area) -> Catalog:
        """The catalog of `HYDRO_CATALOG`, for the area's collection and variables."""
        settings = self.settings_of(area)
        key = settings.collection, settings.variables
        if key not in self._catalogs:
            self._catalogs[key] = open_catalog(settings)
        return self._catalogs[key]

    def names(self) -> list[str]:
        """`HYDRO_AREAS`, or every area that has an `area.geojson` under the root."""
        if self.settings.areas:
            return list(self.settings.areas)
        names = filter(NAME.fullmatch, self.store.folders(INPUTS))
        return [name for name in names if self.store.etag(area_key(name))]

    def strangers(self) -> list[str]:
        """Sentences on folders beside those of the areas that can be none, by their names."""
        return [
            f"{self.store.url(INPUTS)}: the folder {shown(name)} is not read: an area's name has "
            "only letters, digits and _"
            for name in self.store.folders(INPUTS)
            if not NAME.fullmatch(name)
        ]

    def area(self, name: str) -> Area:
        """A stored area. Raises `AreaError` if there is none of that name, or it is broken."""
        check_characters(name)
        data = self.store.get(area_key(name))
        if data is None:
            raise AreaError(
                f"area {name!r} is not known under HYDRO_ROOT={self.settings.root}; "
                f"make it: hydro area set {name} --bbox=W,S,E,N"
            )
        return Area.from_geojson(name, data)

    def put_area(self, area: Area) -> None:
        """Store an area. Raises `CubeMeaningError` if its cube has another grid or meaning, and
        `AreaError` if a rule of it is wrong, or if it is new and its name is taken for another by
        readers, or by this machine.
        """
        settings = self.settings_of(area)
        if self.store.get(area_key(area.name)) is None:
            check_new_name(area.name, self.store.folders(INPUTS))
        cube = Cube.open(self.store, area.name)
        if cube is not None:
            check_meaning(cube.meaning, meaning(area, settings), cube.url)
        self.store.put(area_key(area.name), area.to_geojson())

    def open(self, name: str) -> AreaState:
        """The area as of now, for readers; what did not change is not read again.

        Costs three small requests; fields and cube are read when first asked for. Raises
        `AreaError` as `area` does.
        """
        known = self._states.get(name)
        state = open_state(self.store, self.settings, name, lambda: self.area(name), known)
        self._states[name] = state
        return state

    def ingest_days(
        self, name: str, days: Sequence[dt.date], *, run_id: str = "", resume: bool = False
    ) -> Iterator[DayReport]:
        """Make `days` in order, one commit each; a report follows each commit.

        With `resume`, days that the run `run_id` has made already, or repeated, are left alone.
        A day in the cube that cannot be made again stays as it is, and the days after it are made.
        Raises `MissingDayError` if the day before the first is not in the cube (nothing is stored
        then), `SceneReadError` where a scene cannot be read, `SceneError` where it never will be or
        is not what its item says: of a day in the cube at the end, of a new one at once (days
        before it stay committed), unless `HYDRO_SKIP_AFTER_FAILURES` has the scene skipped.
        """
        area = self.area(name)
        days = sorted(days)
        if resume:
            days = [day for day in days if not self._made_by(name, day, run_id)]
        kept: list[tuple[dt.date, SceneError]] = []
        skipped: set[tuple[dt.date, str | None]] = set()
        while days:
            try:
                with closing(self._made(area, days, run_id)) as reports:
                    for report in reports:
                        days = days[1:]
                        yield report
            except SceneError as error:
                failed = days[0], error.scene_id
                if failed not in skipped and self._skip(area, days[0], error):
                    skipped.add(failed)
                    continue
                cube = Cube.open(self.store, name)
                if cube is None or days[0] > cube.last_day:
                    raise
                kept.append((days[0], error))
                days = days[1:]
        if kept:
            raise _kept(name, kept)

    def update_field_stats(
        self, name: str, days: Sequence[dt.date], *, anew: bool = False
    ) -> Iterator[StatsReport]:
        """Compute exactly the stale (field, day) pairs in `days` and drop unwanted rows.

        With `anew`, all pairs of fields planted by then. Reads the stored cube only. What rows went
        because fields were edited is kept for status. Raises `MissingDayError` if a day is not in
        the cube, and `DamagedCubeError` after all other days if pixels of one cannot be read.
        """
        if not days:
            return
        days = sorted(days)
        with ThreadPoolExecutor(2) as pool, noting(self.store, name, days[0], Step.STATISTICS):
            pool.submit(load_kernel)
            failed = pool.submit(noted_days, self.store, name, Step.STATISTICS)
            state = self.open(name).read()
            cube, noted = state.cube, failed.result()
            if cube is None:
                raise MissingDayError(
                    f"{name}: the cube is empty; run its days first: "
                    f"hydro run {name} --from {days[0]} --to {days[-1]}"
                )
            check_meaning(cube.meaning, meaning(state.area, state.settings), cube.url)
        now = dt.datetime.now(dt.UTC)
        what = state.area, state.fields.fields, state.settings.zonal_weights
        with FieldWeights(self.store, *what) as weights:
            update = StatsUpdate(self.store, cube, state.wanted, weights, now, anew)
            displaced: list[Displaced] = []
            try:
                for report in update.run(days):
                    displaced += report.displaced
                    if report.day in noted:
                        clear(self.store, name, report.day, Step.STATISTICS)
                    yield report
            finally:
                if displaced:
                    remember(self.store, name, displaced, now)

    def settled(self, name: str) -> bool:
        """True if nothing changed since statistics were last seen complete; three requests."""
        data = self.store.get(settled_key(name))
        now = stored_versions(self.store, name, self.settings)
        return data == json.dumps(now).encode()

    def _made(self, area: Area, days: Sequence[dt.date], run_id: str) -> Generator[DayReport]:
        settings = self.settings_of(area)
        chain = Chain.of(self.store, area, settings, run_id)
        with noting(self.store, area.name, days[0], Step.DAY, run_id):
            head = look(open_head(chain.target), days[0])
        found = read_ahead(self._sources(area, days, run_id), area, settings, chain.tiling)
        yield from run(chain, head, found, days[-1])

    def _skip(self, area: Area, day: dt.date, error: SceneError) -> bool:
        settings, catalog = self.settings_of(area), self.catalog(area)
        return skip_failed(self.store, catalog, area, settings, day, error)

    def _sources(
        self, area: Area, days: Sequence[dt.date], run_id: str
    ) -> Iterator[tuple[dt.date, Sources]]:
        """What each day can be made from, searched for `SEARCH_DAYS` at once.

        Raises `AreaError` where a cube would begin without any scene, and none is there on any day.
        """
        catalog, product = self.catalog(area), self.settings_of(area).product
        for start in range(0, len(days), SEARCH_DAYS):
            some = days[start : start + SEARCH_DAYS]
            with noting(self.store, area.name, some[0], Step.DAY, run_id):
                found = read_sources(self.store, catalog, area, some)
                known = any(each.offered or each.recorded.items for each in found.values())
                if not known and Cube.open(self.store, area.name) is None:
                    catalog.check_covers(area)
                keep_missing(self.store, area.name, found, product)
            yield from found.items()

    def _made_by(self, name: str, day: dt.date, run_id: str) -> bool:
        try:
            record = read_record(self.store, name, day) if run_id else None
        except StoredObjectError:
            return False
        return record is not None and is_by(record, run_id)


def _kept(name: str, kept: Sequence[tuple[dt.date, SceneError]]) -> SceneError:
    """Says of days in the cube why they were not made again."""
    gone = all(isinstance(error, SceneGoneError) for _, error in kept)
    told = "; ".join(f"{day}: {error}" for day, error in kept)
    return (SceneGoneError if gone else SceneError)(
        f"{name}: {told}; what is stored of {len(kept)} day{'s' * (len(kept) > 1)} stays"
    )
