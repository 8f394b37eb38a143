"""The house rules, held by reading the source: who imports whom, where heavy packages are, what belongs to a stage."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import structure
from mpr_assets.definitions import (
    ROOT,
    SECTIONS,
    STAGES,
    profiles_folder,
)
from mpr_assets.engine.stage import Stage

PACKAGES = [name for name in structure.PACKAGES if (ROOT / name).is_dir()]
"""Each may import itself and those before it."""
ROOMS = {
    "gpu_service": "masking distribution errors settings svg_process boxes pictures sound likeness wire models "
    "routines client host",
    "mpr_resources": "environment names dagster_internals step_failure run_queue heartbeat yaml_files storage progress "
    "database media brands profiles inference cloud",
    "mpr_assets": "timelines annotations engine sampling freshness overlays text logos crops compare report "
    "corrections evaluation exports escalation orchestration automation stages across sessions definitions runs "
    "evidence webhook",
    "mpr_live": "places processes lag requests playlists retention sources recording recorder ingest worker supervisor "
    "control",
    "mpr_api": "access world routes editor_page app webhook",
    "mpr_cli": "exit_status terminal document arguments progress_display report export truth evaluation correct "
    "materialize new_timeline run init timeline live profile brands similar cache control costs history diff why "
    "why_not query airings replay scenarios doctor watch serve app",
}
"""Folders and files of each package, in the order in which they may import one another: those before them."""
DAGSTER_DOOR = "mpr_resources/dagster_internals.py"
OUTER = {"demo", "bench", "tests"}
HEAVY = {"torch", "torchvision", "ultralytics", "paddleocr", "paddle", "transformers"}
NAMES = [stage.name for stage in STAGES]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Top-level names of all packages that are imported in a tree, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level + (node.module or "")).partition(".")[0], node


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: all but the bodies of functions and what is for type checkers alone."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield from at_import_time(part)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from (part for other in child.orelse for part in at_import_time(other))
        else:
            yield from at_import_time(child)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    forbidden = set(PACKAGES[PACKAGES.index(package) + 1 :]) | OUTER
    if package == "gpu_service":
        forbidden |= {"dagster", "polars", "av", "obstore", "typer"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
        for path in sources(package)
        for name, node in imports(ast.parse(path.read_text()))
        if name in forbidden
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_one_way(package: str) -> None:
    edges = structure.between_rooms(structure.imports(ROOT))
    mine = {room.partition(".")[2]: imported for room, imported in edges.items() if room.startswith(f"{package}.")}
    within = {
        room: frozenset(name.partition(".")[2] for name in imported if name.startswith(f"{package}."))
        for room, imported in mine.items()
        if room != "__main__"
    }
    assert set(within) == set(ROOMS[package].split()), "a room is missing from the list, or not there any more"
    assert structure.upward(within, ROOMS[package].split()) == []


def test_no_files_import_one_another() -> None:
    assert structure.circles(structure.imports(ROOT)) == []


def test_no_class_name_is_used_twice() -> None:
    assert structure.duplicate_classes(ROOT) == []


def test_one_module_uses_what_dagster_keeps_to_itself() -> None:
    imported = {line.partition(":")[0] for line in structure.private_dagster(ROOT)}
    called = {line.partition(":")[0] for line in structure.private_of_instance(ROOT)}
    assert (imported, called) == ({DAGSTER_DOOR}, {DAGSTER_DOOR})


@pytest.mark.parametrize("package", [*PACKAGES, "demo", "bench"])
def test_no_import_is_relative(package: str) -> None:
    relative = [
        str(path.relative_to(ROOT))
        for path in sources(package)
        if any(name == "" for name, _ in imports(ast.parse(path.read_text())))
    ]
    assert relative == []


def test_heavy_packages_are_imported_by_the_gpu_service_alone_and_late() -> None:
    outside = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
        for package in ("mpr_resources", "mpr_assets", "mpr_live", "mpr_api", "mpr_cli", "demo")
        for path in sources(package)
        for name, node in imports(ast.parse(path.read_text()))
        if name in HEAVY
    ]
    at_once = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name} when it is imported"
        for path in sources("gpu_service")
        for part in at_import_time(ast.parse(path.read_text()))
        if isinstance(part, ast.Import | ast.ImportFrom)
        for name, node in imports(part)
        if name in HEAVY
    ]
    assert (outside, at_once) == ([], [])


def test_the_whole_graph_loads_without_a_heavy_package() -> None:
    code = (
        f"import sys, mpr_assets.definitions; print(sorted({HEAVY | {'rapidocr', 'onnxruntime'}!r} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_reads_the_environment_when_imported(package: str) -> None:
    reads = [
        f"{path.relative_to(ROOT)}:{part.lineno}"
        for path in sources(package)
        for part in at_import_time(ast.parse(path.read_text()))
        if isinstance(part, ast.Attribute | ast.Name) and ast.unparse(part) in ("os.environ", "environ", "os.getenv")
    ]
    assert reads == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_opens_with_what_belongs_in_it(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in sources(package) if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_a_stage_has_its_module_its_section_and_its_tests(stage: Stage) -> None:
    module = sys.modules[f"mpr_assets.stages.{stage.name}"]
    assert module.stage is stage
    assert stage.code_version == module.CODE_VERSION
    assert SECTIONS[stage.name] is stage.settings
    assert stage.settings.__name__ == "".join(word.capitalize() for word in stage.name.split("_")) + "Settings"
    tests = ROOT / "tests" / "mpr_assets" / "stages" / f"test_{stage.name}.py"
    assert tests.is_file()
    assert "def test_" in tests.read_text()


def test_the_folder_of_stages_holds_stages_alone() -> None:
    assert sorted(path.stem for path in (ROOT / "mpr_assets" / "stages").glob("*.py")) == sorted([*NAMES, "__init__"])


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_every_setting_says_what_it_is(stage: Stage) -> None:
    silent = [name for name, field in stage.settings.model_fields.items() if not field.description]
    assert silent == []
    assert stage.settings() == stage.settings.model_validate({}), "a section that is left out has its defaults"


def test_every_stage_takes_only_stages_before_it() -> None:
    for number, stage in enumerate(STAGES):
        assert set(stage.inputs) <= set(NAMES[:number]), stage.name


def test_every_profile_is_valid_and_names_files_that_are_there() -> None:
    profiles = profiles_folder({})
    assert profiles.names() == ["generic", "soccer_broadcast", "tv_ads"]
    for name in profiles.names():
        profile = profiles.load(name)
        assert profile.stages == NAMES
        assert profile.description
        assert profiles.brand_list(profile).brands
        profiles.references(profile)
