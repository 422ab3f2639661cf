"""The imports in the package's code, as Python parses them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = sys.stdlib_module_names | {"hydro_pipeline"}


def third_party_imports() -> Iterator[tuple[Path, ast.Import | ast.ImportFrom]]:
    """Every import of a module that is neither Python's nor this package's, and its file."""
    for path in sorted((ROOT / "hydro_pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom) and not OWN & roots(node):
                yield path, node


def modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that an import names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The outermost packages of the modules that an import names."""
    return {name.split(".")[0] for name in modules(node)}
