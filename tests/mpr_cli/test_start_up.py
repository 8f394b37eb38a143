"""What a command imports, and so how soon it answers. `bench/start_up.py` measures it in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from mpr_cli.app import COMMANDS, DeferredCommand
from mpr_resources.environment import ROOT

PACKAGES = ("alembic", "av", "cv2", "dagster", "numpy", "obstore", "polars", "scenedetect", "sqlalchemy")
LISTED = f"""
import sys
from mpr_cli.app import main
try:
    main()
finally:
    print("loaded", *sorted({set(PACKAGES)} & set(sys.modules)))
"""
IMPORTS = {
    "help": ([], 2, []),
    "--help": (["--help"], 0, []),
    "--version": (["--version"], 0, []),
    "a typo": (["rnu"], 2, []),
    "profile list": (["profile", "list"], 0, []),
    "brands list": (["brands", "list"], 0, ["sqlalchemy"]),
    "report": (["report", "match"], 2, ["numpy", "obstore", "polars"]),
}
"""Arguments, the exit status, and which of `PACKAGES` are imported."""


@pytest.mark.parametrize("name", IMPORTS)
def test_a_command_imports_what_it_needs(name: str, tmp_path: Path) -> None:
    arguments, status, packages = IMPORTS[name]
    environ = os.environ | {"MPR_STORAGE_URL": str(tmp_path / "storage"), "DAGSTER_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", LISTED, *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stderr
    assert ran.stdout.splitlines()[-1].split() == ["loaded", *packages]


def test_the_table_of_commands_says_what_the_modules_say() -> None:
    table = {name: entry.help for name, entry in COMMANDS.items()}
    assert {name: str(DeferredCommand(name, entry).loaded().help) for name, entry in COMMANDS.items()} == table


def test_every_command_of_a_module_is_in_the_table() -> None:
    of_module: dict[str, set[str]] = {}
    for name, entry in COMMANDS.items():
        of_module.setdefault(entry.module, set()).add(name)
    single = {module: names for module, names in of_module.items() if not import_module(module).app.info.help}
    found = {module: set(typer.main.get_group(import_module(module).app).commands) for module in single}
    assert found == single


def test_version_names_the_package(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mpr", "--version"])
    with pytest.raises(SystemExit) as end:
        import_module("mpr_cli.app").main()
    assert (end.value.code or 0) == 0
    name, number = capfd.readouterr().out.split()
    assert name == "mpr"
    assert number[0].isdigit()
