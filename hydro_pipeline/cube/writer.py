"""Writing days into an area's cube, making the cube at the first."""

import datetime as dt

import icechunk

from hydro_pipeline.area import Area
from hydro_pipeline.cube.day import DayEdit
from hydro_pipeline.cube.layout import repository_config
from hydro_pipeline.cube.part import DayPart
from hydro_pipeline.cube.read import BRANCH, open_repository, translated
from hydro_pipeline.cube.target import Target
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store


class CubeWriter:
    """Begins days on one area's cube."""

    def __init__(self, store: Store, area: Area, settings: Settings) -> None:
        self.target = Target.of(store, area, settings)
        self._repository = open_repository(store, area.name)
        self._session: icechunk.Session | None = None
        self._fork: icechunk.ForkSession | None = None
        self._edit: DayEdit | None = None

    def begin(self, day: dt.date) -> DayEdit:
        """Start writing `day`, from the newest committed state.

        Raises `MissingDayError` if the day before is not committed, and `CubeMeaningError` if the
        cube was made with other settings. Nothing is stored then.
        """
        if self._repository is None:
            self.target.position(day, None, 0)
            self._repository = self._create()
        with translated(self.target.url):
            session = self._session or self._repository.writable_session(BRANCH)
            self._session = None
            self._edit = DayEdit(self.target, session, day, self._edit)
            return self._edit

    def prepare(self) -> None:
        """Ask for the newest committed state ahead of the next `begin`, which then uses it."""
        if self._repository is not None:
            with translated(self.target.url):
                self._session = self._repository.writable_session(BRANCH)
                self._fork = self._session.fork()

    def ahead(self, day: dt.date) -> DayPart | None:
        """Where pixels of `day` can be written before the days that it follows are committed.

        What is written comes back in `Written.fork`, for `DayEdit.commit`. To be called once after
        `prepare`; None if it was not, or if the cube has that day already.
        """
        fork, self._fork = self._fork, None
        return self._edit.ahead(fork, day) if self._edit and fork else None

    def check(self, day: dt.date) -> None:
        """Raise what `begin` would raise, without making a cube."""
        if self._repository is None:
            self.target.position(day, None, 0)
        else:
            self.begin(day)

    def _create(self) -> icechunk.Repository:
        target = self.target
        with translated(target.url), target.store.lock(target.key):
            storage = target.store.icechunk_storage(target.key)
            if icechunk.Repository.exists(storage):
                return icechunk.Repository.open(storage)
            return icechunk.Repository.create(storage, config=repository_config())
