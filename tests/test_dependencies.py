"""What the package imports is declared, and what is installed is pinned to its very bytes."""

import ast
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported() -> Iterator[tuple[Path, str]]:
    """Every import of a module that is neither Python's nor this package's, and where it is."""
    own = sys.stdlib_module_names | {"hydro_pipeline"}
    for path in sorted((ROOT / "hydro_pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            yield from ((path, name) for name in names if name.split(".")[0] not in own)


def file_of(name: str) -> str:
    """The file of the outermost package of a module, below where packages are installed.

    A namespace such as `odc` has none; its packages have.
    """
    parts = name.split(".")
    for n in range(1, len(parts) + 1):
        spec = find_spec(".".join(parts[:n]))
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).relative_to(sysconfig.get_path("purelib")).as_posix()
    raise AssertionError(f"{name} is not installed")


def test_every_import_is_of_a_declared_dependency() -> None:
    names = [re.split(r"[^\w-]", text)[0] for text in PROJECT["dependencies"]]
    records = [distribution(name).read_text("RECORD") or "" for name in names]
    declared = {line.split(",")[0] for record in records for line in record.splitlines()}
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in imported()
        if file_of(name) not in declared
    }
    assert not undeclared


def test_every_locked_package_has_one_version_and_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 100
    pinned = re.compile(r"[\w-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+")
    assert [package for package in packages if not pinned.fullmatch(package)] == []
