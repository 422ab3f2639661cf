"""Change one number or one condition at a time, and tell which changes no test notices.

In a copy of the repository, each of these in turn:
- a number of a module, a class or a parameter's default becomes ten times it, and a tenth of it;
- a number that something is compared with does too;
- the condition of a branch that raises becomes False.
Then the tests of the module's file run, then those of its folder; refusals come first.
`mutants.toml` excuses, by file or folder, a name, a single change, or "*": every number there.
Usage: `mutants.py [PATH ...]`.
"""

import argparse
import ast
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXCUSED = Path(__file__).with_suffix(".toml")
"""By file or folder, the names that may survive, or single changes of them, with the reason."""
type Excuses = dict[str, dict[str, str]]
NOT_COPIED = (".git", ".venv", ".dagster", ".*_cache", ".hypothesis", "hydro-data")
PRELOADED = (
    "boto3", "dagster", "dagster_aws.s3", "dask.array", "distributed", "exactextract", "geopandas",
    "matplotlib.pyplot", "moto.moto_server.werkzeug_app", "numba",
    "odc.stac", "PIL.Image", "pyarrow.dataset", "pydantic_settings", "pystac_client", "pytest",
    "rasterio", "rioxarray", "typer", "xarray", "zarr",
)  # fmt: skip
"""What takes long to import, imported once for all runs of tests; icechunk cannot be forked."""
PASSED, NONE = 0, 5
"""Exit codes of pytest: all passed, no tests."""


class Kind(IntEnum):
    """What is changed, in the order in which it is tried."""

    REFUSAL = 0
    """The condition of a branch that raises."""
    CONSTANT = 1
    COMPARED = 2
    """A number that something is compared with."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    kind: Kind
    file: str
    """Relative to the repository."""
    line: int
    name: str
    """The constant, or the function and what it asks; by it a mutant is excused."""
    old: str
    new: str
    content: bytes
    """The whole file, changed."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}: {self.old} -> {self.new}"


def find(file: str, source: str) -> Iterator[Mutant]:
    """The mutants of one file."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def mutants(
        kind: Kind, name: str, node: ast.expr, values: Sequence[object]
    ) -> Iterator[Mutant]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[node.end_lineno - 1] + node.end_col_offset
        for new in map(repr, values):
            content = data[:first] + new.encode() + data[last:]
            yield Mutant(kind, file, node.lineno, name, data[first:last].decode(), new, content)

    def constants(name: str, value: ast.AST) -> Iterator[Mutant]:
        for node in _numbers(value):
            yield from mutants(Kind.CONSTANT, name, node, _others(_value(node)))

    def visit(node: ast.AST, scope: str, inside: bool) -> Iterator[Mutant]:
        match node:
            case ast.Assign() | ast.AnnAssign() if not inside and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                yield from constants(f"{scope}{ast.unparse(target)}", node.value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope, inside = f"{scope}{node.name}", True
                for default in filter(None, (*node.args.defaults, *node.args.kw_defaults)):
                    yield from constants(f"{scope}()", default)
            case ast.ClassDef():
                scope = f"{scope}{node.name}."
            case ast.If(body=[*_, ast.Raise()]):
                name = f"{scope}: {ast.unparse(node.test)}"
                yield from mutants(Kind.REFUSAL, name, node.test, [False])
            case ast.Compare():
                for number in chain.from_iterable(map(_numbers, (node.left, *node.comparators))):
                    if abs(_value(number)) > 1 or isinstance(_value(number), float):
                        name = f"{scope}: {ast.unparse(node)}"
                        yield from mutants(Kind.COMPARED, name, number, _others(_value(number)))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, scope, inside)

    return visit(ast.parse(source), "", False)


def excuse(mutant: Mutant, excuses: Excuses) -> tuple[str, str] | None:
    """The file or folder and the name in `excuses` by which a mutant may survive, if there is one.

    "*" excuses every number, and no refusal.
    """
    names = [f"{mutant.name}: {mutant.old} -> {mutant.new}", mutant.name]
    names += [] if mutant.kind is Kind.REFUSAL else ["*"]
    for place in (mutant.file, *map(str, Path(mutant.file).parents)):
        for name in names:
            if name in excuses.get(place, {}):
                return place, name
    return None


def useless(excuses: Excuses, mutants: Sequence[Mutant]) -> set[tuple[str, str]]:
    """The excuses by which none of `mutants` may survive: what they name is no more."""
    every = {(place, name) for place, names in excuses.items() for name in names}
    return every - {excuse(mutant, excuses) for mutant in mutants}


def tests_of(root: Path, file: str) -> list[str]:
    """What is run for a module's file, the nearest first: glob patterns of files of tests."""
    folder = Path(file).parent.relative_to("hydro_pipeline")
    near, all_of_it = f"tests/{folder}/test_{Path(file).stem}*.py", f"tests/{folder}/test_*.py"
    patterns = [pattern.replace("/./", "/") for pattern in (near, all_of_it)]
    return [pattern for pattern in patterns if any(root.glob(pattern))]


def survivors(
    root: Path,
    mutants: Sequence[Mutant],
    jobs: int = 2,
    preloaded: Sequence[str] = (),
    tell: Callable[[str], object] = lambda line: None,
) -> list[Mutant]:
    """Those of `mutants` of the repository at `root` that no test notices; nothing there changes.

    Works in `jobs` copies at once, and calls `tell` with a line for each mutant. Raises
    `RuntimeError` if tests fail without a mutation, for then they would notice everything.
    """
    multiprocessing.set_forkserver_preload(list(preloaded))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:

        def share(job: int) -> list[Mutant]:
            copy, left = Copy(root, Path(folder) / str(job) / "repository"), []
            for mutant in mutants[job::jobs]:
                noticed = copy.notices(mutant)
                tell(f"{'noticed ' if noticed else 'SURVIVES'} {mutant}")
                left += [] if noticed else [mutant]
            return left

        return sorted(chain.from_iterable(pool.map(share, range(jobs))), key=str)


class Copy:
    """A copy at `place` of the repository at `root`, with what tests look for beside it."""

    def __init__(self, root: Path, place: Path) -> None:
        shutil.copytree(root, place, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        for name in (".venv", "../shared"):
            (place / name).symlink_to((root / name).resolve())
        self.root = place
        self._took: dict[str, float] = {}
        """What tests take without a mutation, seconds."""

    def notices(self, mutant: Mutant) -> bool:
        """Whether a test fails with a mutant, or takes much longer than without it."""
        place = self.root / mutant.file
        original, times = place.read_bytes(), place.stat()
        # Numba keeps machine code, and does not look whether another module's constant changed.
        fresh = b"njit" in original or place.parent.name == "hydro_pipeline"
        for tests in tests_of(self.root, mutant.file):
            if tests not in self._took:
                self._took[tests] = self._seconds(tests)
            try:
                place.write_bytes(mutant.content)
                if self._run(tests, 300 + 10 * self._took[tests], fresh) not in (PASSED, NONE):
                    return True
            finally:
                place.write_bytes(original)
                os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
        return False

    def _seconds(self, tests: str) -> float:
        start = time.monotonic()
        if self._run(tests, 3600) not in (PASSED, NONE):
            output = (self.root.parent / "output").read_text()
            raise RuntimeError(f"{tests} fails without a mutation; mend that first:\n{output}")
        return time.monotonic() - start

    def _run(self, tests: str, limit_s: float, fresh: bool = False) -> int | None:
        """Exit code of pytest; None where it takes longer than `limit_s` seconds."""
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=_pytest, args=(self.root, tests, fresh))
        process.start()
        process.join(limit_s)
        if process.exitcode is None and process.pid is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            return None
        return process.exitcode


def _pytest(root: Path, tests: str, fresh: bool) -> None:
    """Run tests of the repository at `root` in this process, which ends with pytest's exit code."""
    os.setsid()
    os.chdir(root)
    sys.path.insert(0, str(root))
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    output = os.open(root.parent / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import pytest

    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        if fresh:
            os.environ["NUMBA_CACHE_DIR"] = folder
        options = ["-x", "-p", "no:cacheprovider", "-W", "ignore:Module already imported"]
        code = pytest.main([*options, *map(str, sorted(root.glob(tests)))])
    os._exit(code)


def _numbers(node: ast.AST) -> Iterator[ast.expr]:
    """The largest expressions within `node` that are made of numbers alone."""
    if isinstance(node, ast.expr) and _is_number(node):
        yield node
    elif not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _numbers(child)


def _is_number(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=int() | float()):
            return True
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
    return False


def _value(node: ast.expr) -> Any:
    return eval(compile(ast.Expression(node), "", "eval"), {})


def _others(value: Any) -> list[Any]:
    """What a number becomes; a year the years beside it, for a tenth of it is no date.

    A thousand or a power of two is no year.
    """
    if isinstance(value, bool):
        return [not value]
    if value == 0:
        return [type(value)(1)]
    if isinstance(value, float):
        return [value * 10, value / 10]
    if 1900 <= value < 2100 and value % 1000 and value & (value - 1):
        return [value - 1, value + 1]
    return [value * 10, int(value / 10) or int(abs(value) > 1)]


def found(paths: Sequence[str] = ("hydro_pipeline",)) -> list[Mutant]:
    """Every mutant of files or folders of this repository, in the order in which it is tried."""
    files = chain.from_iterable(
        [ROOT / path] if path.endswith(".py") else sorted((ROOT / path).rglob("*.py"))
        for path in paths
    )
    every = (find(str(file.relative_to(ROOT)), file.read_text()) for file in files)
    return sorted(chain.from_iterable(every), key=lambda mutant: mutant.kind)


def main() -> int:
    """Print the mutants that survive and are not excused; 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="*", default=["hydro_pipeline"], help="files or folders")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    parser.add_argument("--only", default="", help="those whose printed line contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    arguments = parser.parse_args()
    excuses = tomllib.loads(EXCUSED.read_text())
    every = [mutant for mutant in found(arguments.paths) if arguments.only in str(mutant)]
    tried = [mutant for mutant in every if excuse(mutant, excuses) is None]
    if arguments.list:
        print(*tried, sep="\n")
        return 0
    tell = partial(print, flush=True)
    left = survivors(ROOT, tried, arguments.jobs, PRELOADED, tell)
    excused = len(every) - len(tried)
    print(f"\n{len(left)} of {len(tried)} mutants survive, {excused} are excused", *left, sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
