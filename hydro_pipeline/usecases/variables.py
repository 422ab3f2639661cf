"""Variables that an area gets after its days were made, and those that it loses."""

from collections.abc import Sequence
from dataclasses import replace

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.rules import rules_of
from hydro_pipeline.area.settings import settings_of
from hydro_pipeline.cube.late import Added, add_variables, drop_variables
from hydro_pipeline.cube.layout import check_meaning, meaning
from hydro_pipeline.cube.read import Cube
from hydro_pipeline.errors import InputError
from hydro_pipeline.product import Variable
from hydro_pipeline.usecases.pipeline import Pipeline


def add(pipeline: Pipeline, name: str, names: Sequence[str]) -> Added:
    """Let an area have more variables, in its whole past, from the bands that its cube keeps.

    No catalog is asked and no imagery is read. Its statistics are stale then. Done again after it
    was killed, it ends what it began. Raises `InputError` for a variable whose bands are not all
    kept, `AreaError` for one that there is not, `CubeMeaningError` if the cube is of other
    settings, and what `add_variables` raises; nothing is changed then.
    """
    area, cube = pipeline.area(name), Cube.open(pipeline.store, name)
    settings = settings_of(area, pipeline.settings)
    have = settings.variables if cube is None else cube.product.names[:-1]
    wanted = _with(area, tuple(dict.fromkeys([*have, *_named(pipeline, area, names)])))
    added = Added((), 0, (), 0)
    if cube is not None:
        product = settings_of(wanted, pipeline.settings).product
        if product.names != cube.product.names:
            check_meaning(cube.meaning, meaning(area, settings), cube.url)
            _check_kept(cube, product.variables[len(have) :])
            new = meaning(wanted, settings_of(wanted, pipeline.settings))
            added = add_variables(pipeline.store, cube, product, new)
    pipeline.put_area(wanted)
    return added


def drop(pipeline: Pipeline, name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Take variables away from an area, from its whole past; those that it has still.

    Raises `InputError` for one that it has not, or if none would stay.
    """
    area, cube = pipeline.area(name), Cube.open(pipeline.store, name)
    settings = settings_of(area, pipeline.settings)
    have = settings.variables if cube is None else cube.product.names[:-1]
    gone = _named(pipeline, area, names)
    if unknown := [each for each in gone if each not in {*have, *settings.variables}]:
        raise InputError(f"{name} has no variable {', '.join(unknown)}; it has {', '.join(have)}")
    left = tuple(each for each in have if each not in gone)
    if not left:
        raise InputError(f"{name} has {', '.join(have)} alone; one variable has to stay")
    wanted = _with(area, left)
    if cube is not None and left != have:
        check_meaning(cube.meaning, meaning(area, settings), cube.url)
        own = settings_of(wanted, pipeline.settings)
        drop_variables(pipeline.store, cube, own.product, meaning(wanted, own))
    pipeline.put_area(wanted)
    return left


def _named(pipeline: Pipeline, area: Area, names: Sequence[str]) -> tuple[str, ...]:
    """The variables by their own names. Raises `AreaError` for one that there is not."""
    return settings_of(_with(area, names), pipeline.settings).variables


def _with(area: Area, names: Sequence[str]) -> Area:
    rules = dict(area.rules) | {"variables": ",".join(names)}
    return replace(area, rules=rules_of(area.name, rules))


def _check_kept(cube: Cube, late: Sequence[Variable]) -> None:
    """Raise `InputError` if a band that a late variable needs is not among the cube's variables."""
    kept = [variable.name for variable in cube.product.variables if variable.is_band]
    missing = sorted({band for variable in late for band in variable.bands} - set(kept))
    if missing:
        raise InputError(
            f"{cube.area_name}: {', '.join(v.name for v in late)} cannot be made from stored "
            f"pixels: the cube keeps {', '.join(kept) or 'no band'}, and {', '.join(missing)} is "
            "missing"
        )
