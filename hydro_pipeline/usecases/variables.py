"""Variables that an area gets after its days were made, and those that it loses."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.rules import rules_of
from hydro_pipeline.cube.late import Added, add_variables, drop_variables
from hydro_pipeline.cube.layout import check_meaning, meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import InputError, SceneError
from hydro_pipeline.imagery.load import load, tiling_of
from hydro_pipeline.ingest.blocks import observed
from hydro_pipeline.ingest.workers import threads
from hydro_pipeline.parallel import THREADS
from hydro_pipeline.product import NODATA, Int16
from hydro_pipeline.scenes.choice import choose
from hydro_pipeline.scenes.recorded import read_recorded
from hydro_pipeline.scenes.scene import told
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.variable import Variable


def add(
    pipeline: Pipeline, name: str, names: Sequence[str], *, from_imagery: bool = False
) -> Added:
    """Let an area have more variables, in its whole past, from the bands that its cube keeps.

    No catalog is asked and no imagery is read, unless `from_imagery` is given and a band is not
    kept: then the bands of the new variables alone are read again, of the recorded scenes. The
    area's statistics are stale then. Done again after it was killed, it ends what it began. Raises
    `InputError` for a variable whose bands are not all kept, `AreaError` for one that there is not,
    `CubeMeaningError` if the cube is of other settings, what `add_variables` raises, and what
    reading records and imagery raises; nothing is changed then.
    """
    area, cube = pipeline.area(name), Cube.open(pipeline.store, name)
    settings = pipeline.settings_of(area)
    have = settings.variables if cube is None else tuple(cube.product.variables_by_name)
    wanted = _with(area, tuple(dict.fromkeys([*have, *_named(pipeline, area, names)])))
    added = Added((), 0, (), 0)
    own = pipeline.settings_of(wanted)
    if cube is not None and own.variables != have:
        check_meaning(cube.meaning, meaning(area, settings), cube.url)
        late, seen = own.product.variables[len(have) :], None
        if refused := _not_kept(cube, late):
            if not from_imagery:
                raise InputError(refused)
            seen = partial(_seen, pipeline, _with(area, [v.name for v in late]), cube)
        new = meaning(wanted, own)
        added = add_variables(pipeline.store, cube, own.product, new, seen)
    pipeline.put_area(wanted)
    return added


def drop(pipeline: Pipeline, name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Take variables away from an area, from its whole past; those that it has still.

    Raises `InputError` for one that it has not, or if none would stay.
    """
    area, cube = pipeline.area(name), Cube.open(pipeline.store, name)
    settings = pipeline.settings_of(area)
    have = settings.variables if cube is None else tuple(cube.product.variables_by_name)
    gone = _named(pipeline, area, names)
    if unknown := [each for each in gone if each not in {*have, *settings.variables}]:
        raise InputError(f"{name} has no variable {', '.join(unknown)}; it has {', '.join(have)}")
    left = tuple(each for each in have if each not in gone)
    if not left:
        raise InputError(f"{name} has {', '.join(have)} alone; one variable has to stay")
    wanted = _with(area, left)
    if cube is not None and left != have:
        check_meaning(cube.meaning, meaning(area, settings), cube.url)
        own = pipeline.settings_of(wanted)
        drop_variables(pipeline.store, cube, own.product, meaning(wanted, own))
    pipeline.put_area(wanted)
    return left


def _named(pipeline: Pipeline, area: Area, names: Sequence[str]) -> tuple[str, ...]:
    """The variables by their own names. Raises `AreaError` for one that there is not."""
    return pipeline.settings_of(_with(area, names)).variables


def _with(area: Area, names: Sequence[str]) -> Area:
    rules = dict(area.rules) | {"variables": ",".join(names)}
    return replace(area, rules=rules_of(area.name, rules))


def _not_kept(cube: Cube, late: Sequence[Variable]) -> str | None:
    """A sentence on the bands of late variables that are not among those of the cube, if any."""
    kept = [variable.name for variable in cube.product.variables if variable.is_band]
    missing = sorted({band for variable in late for band in variable.bands} - set(kept))
    if not missing:
        return None
    return (
        f"{cube.area_name}: {', '.join(v.name for v in late)} cannot be made from stored pixels: "
        f"the cube keeps {', '.join(kept) or 'no band'}, and {', '.join(missing)} is missing; with "
        "--from-imagery the bands of the new variables are read again"
    )


def _seen(pipeline: Pipeline, area: Area, cube: Cube, day: dt.date) -> Int16 | None:
    """What was seen on a day of the `area`'s variables, from the scenes of the day's record.

    (variable, y, x) on the whole grid; None where nothing was observed. Raises `SceneError` where
    a recorded scene cannot be used for them, and what reading records and imagery raises.
    """
    if cube.daily("observed_fraction")[cube.index(day)] == 0:
        return None
    settings = pipeline.settings_of(area)
    recorded = read_recorded(pipeline.store, area, settings.collection, [day])[day]
    if recorded.problem is not None:
        raise recorded.problem
    items = [item for item in recorded.items if item.id in recorded.used]
    selection = choose((), settings.product, items)
    if selection.refused or not selection.scenes:
        reasons = told((each.id, each.reason) for each in selection.refused)
        raise SceneError(
            f"{area.name} {day}: {', '.join(settings.variables)} cannot be read from its "
            f"{len(recorded.used)} recorded scenes: {reasons or 'the record has none'}"
        )
    imagery = load(selection.scenes, area, settings, tiling_of(area))
    values = np.full((len(settings.variables), *cube.shape), NODATA, np.int16)
    for window, seen in observed(imagery, threads(THREADS)).items():
        if seen is not None:
            values[:, *window.slices] = seen.values
    return values
