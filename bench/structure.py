"""The structure of the code in figures: files, rooms, upward imports, circles, private names of Dagster, `Any`.

A room is a folder of a package. Run it on another checkout to compare: `python -m bench.structure FOLDER`. What the
figures must be is held by `tests/test_architecture.py`, which measures with the functions here.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType

import dagster as dg
from dagster._annotations import is_public

PACKAGES = ("gpu_service", "mpr_resources", "mpr_assets", "mpr_live", "mpr_api", "mpr_cli")
"""In the order in which they may import: each itself and those before it."""

Edges = Mapping[str, frozenset[str]]
"""Which modules, or rooms, each imports."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def files(root: Path, package: str) -> list[Path]:
    return sorted((root / package).rglob("*.py"))


def module_name(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imports(root: Path) -> dict[str, frozenset[str]]:
    """The modules of our packages that each module imports, wherever in it, for type checkers alone included."""
    paths = {module_name(root, path): path for package in PACKAGES for path in files(root, package)}
    return {name: frozenset(_imported(tree_of(path), paths)) - {name} for name, path in paths.items()}


def _imported(tree: ast.Module, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module in known:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(known)
            yield from inner
            if len(inner) < len(node.names):
                yield node.module


def room_of(module: str) -> str:
    """The room that a module is in: its package and the first folder within, or the module where there is none.

    >>> room_of("mpr_assets.report.page.render"), room_of("mpr_assets.definitions")
    ('mpr_assets.report', 'mpr_assets.definitions')
    """
    return ".".join(module.split(".")[:2])


def between_rooms(edges: Edges) -> dict[str, frozenset[str]]:
    """Which rooms each room imports."""
    rooms: dict[str, set[str]] = {}
    for module, imported in edges.items():
        rooms.setdefault(room_of(module), set()).update(map(room_of, imported))
    return {room: frozenset(imported - {room}) for room, imported in rooms.items()}


def between_packages(edges: Edges) -> dict[str, frozenset[str]]:
    """Which packages each package imports."""
    packages: dict[str, set[str]] = {}
    for module, imported in edges.items():
        packages.setdefault(module.partition(".")[0], set()).update(name.partition(".")[0] for name in imported)
    return {package: frozenset(imported - {package}) for package, imported in packages.items()}


def circles(edges: Edges) -> list[list[str]]:
    """Those who import one another: the strongly connected components of more than one (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in edges:
        if node not in index:
            visit(node)
    return sorted(found)


def upward(edges: Edges, order: Iterable[str]) -> list[str]:
    """Imports of what comes later in the order, as `a -> b`."""
    floor = {name: number for number, name in enumerate(order)}
    return sorted(f"{one} -> {other}" for one in edges for other in edges[one] if floor[one] < floor[other])


def private_dagster(root: Path) -> list[str]:
    """Every name imported from what is private to Dagster, as `file: module.name`."""
    found = []
    for package in PACKAGES:
        for path in files(root, package):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.ImportFrom) and node.module and _is_private(node.module):
                    found += [f"{path.relative_to(root)}: {node.module}.{alias.name}" for alias in node.names]
                elif isinstance(node, ast.Import):
                    private = [alias.name for alias in node.names if _is_private(alias.name)]
                    found += [f"{path.relative_to(root)}: {name}" for name in private]
    return found


def _is_private(module: str) -> bool:
    first, *parts = module.split(".")
    return first == "dagster_shared" or (first == "dagster" and any(part.startswith("_") for part in parts))


def private_of_instance(root: Path) -> list[str]:
    """Every use of an attribute of a Dagster instance that is not public, as `file: attribute`.

    An instance is what is called `instance`, or given by an attribute or a function whose name has it at its end.
    """
    attributes = {name: inspect.getattr_static(dg.DagsterInstance, name) for name in dir(dg.DagsterInstance)}
    methods = (classmethod, staticmethod, property, FunctionType)
    public = {name for name, value in attributes.items() if isinstance(value, methods) and is_public(value)}
    return [
        f"{path.relative_to(root)}: {node.attr}"
        for package in PACKAGES
        for path in files(root, package)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr not in public
        if re.search(r"(^|[._])instance$|^instance_of\(", ast.unparse(node.value))
    ]


def uses_of_any(root: Path) -> int:
    """How often `Any` stands in an annotation or an expression."""
    return sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for package in PACKAGES
        for path in files(root, package)
        for node in ast.walk(tree_of(path))
    )


def duplicate_classes(root: Path) -> list[str]:
    """Names of public classes that more than one module defines."""
    names = Counter(
        node.name
        for package in PACKAGES
        for path in files(root, package)
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    return sorted(name for name, number in names.items() if number > 1)


def main() -> None:
    """Print the figures as one JSON line."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    edges = imports(root)
    figures = {
        "files": len(edges),
        "rooms": len({path.parent for package in PACKAGES for path in files(root, package)}),
        "most_files_in_a_room": max(Counter(path.parent for p in PACKAGES for path in files(root, p)).values()),
        "upward_imports_of_packages": len(upward(between_packages(edges), PACKAGES)),
        "circles_of_files": len(circles(edges)),
        "files_in_circles": sum(map(len, circles(edges))),
        "circles_of_rooms": len(circles(between_rooms(edges))),
        "private_dagster_names": len(private_dagster(root)),
        "modules_with_private_dagster": len({line.partition(":")[0] for line in private_dagster(root)}),
        "private_uses_of_dagster_instance": len(private_of_instance(root)),
        "modules_with_private_uses": len({line.partition(":")[0] for line in private_of_instance(root)}),
        "any": uses_of_any(root),
        "duplicate_class_names": len(duplicate_classes(root)),
    }
    print(json.dumps({"bench": "structure", "root": root.name, **figures}))


if __name__ == "__main__":
    main()
