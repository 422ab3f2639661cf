"""What the package imports is declared, and what is installed is pinned to its very bytes."""

import re
import sysconfig
import tomllib
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from tests.support.imports import ROOT, modules, third_party_imports

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
        for path, node in third_party_imports()
        for name in modules(node)
        if file_of(name) not in declared
    }
    assert not undeclared


def test_every_locked_package_has_one_version_and_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 100
    pinned = re.compile(r"[\w-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+")
    assert [package for package in packages if not pinned.fullmatch(package)] == []
