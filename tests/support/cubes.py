"""A writer of made-up days, which keeps the end of its cube from day to day."""

from hydro_pipeline.cube.day import begin
from hydro_pipeline.cube.head import Id, ahead, open_head, prepare
from hydro_pipeline.cube.target import Target


class Writer:
    def __init__(self, store, area, settings):
        self.head = open_head(Target.of(store, area, settings))

    @property
    def target(self):
        return self.head.target

    def begin(self, day):
        return begin(self.head, day)

    def commit(self, edit, written, scenes=1, facts=None):
        done, self.head = edit.commit(written, scenes, facts or {}, Id())
        return done

    def prepare(self):
        self.head = prepare(self.head)

    def ahead(self, day):
        return ahead(self.head, day)
