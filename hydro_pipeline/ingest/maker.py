"""Which run made a day that is in the cube."""

import datetime as dt

from hydro_pipeline.cube.head import Head
from hydro_pipeline.cube.read import BRANCH
from hydro_pipeline.cube.translate import translated
from hydro_pipeline.errors import StoredObjectError
from hydro_pipeline.scenes.day_record import read_record


def maker(head: Head, day: dt.date) -> str | None:
    """Id of the run that committed a day last, as the cube's history says; one request.

    Where that state was forgotten, as the day's record says; None if there is none, or a
    broken one.
    """
    target = head.target
    if head.repository is not None:
        with translated(target.url):
            for commit in head.repository.ancestry(branch=BRANCH):
                if commit.metadata.get("day") == str(day):
                    run_id: str | None = commit.metadata.get("run_id")
                    return run_id
    try:
        record = read_record(target.store, target.area.name, day)
    except StoredObjectError:
        return None
    return None if record is None else str(record["hydro:run_id"])
