"""MPR as others install it: a wheel in a virtual environment of its own, outside the clone, with nothing set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from gpu_service.distribution import DISTRIBUTION, VERSION
from mpr_resources.environment import ROOT

SOURCES = ("gpu_service", "mpr_resources", "mpr_assets", "mpr_live", "mpr_api", "mpr_cli", "demo", "bench", "profiles")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "dagster.yaml", "workspace.yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("built")
    left_out = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / "clone" / name, ignore=left_out)
    for name in FILES:
        shutil.copy(ROOT / name, folder / "clone")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, folder / "clone"], check=True, capture_output=True, timeout=100)
    [made] = folder.glob("*.whl")
    return made


Installed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Runs a program of a virtual environment with the wheel. Other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run([sys.executable, *install], check=True, capture_output=True, timeout=100)
    [packages] = (folder / "venv" / "lib").glob("*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environ = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    environ |= {"HOME": str(folder / "user")}

    def run(cwd: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [folder / "venv" / "bin" / program, *arguments]
        return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=100)

    return run


def test_the_wheel_holds_what_comes_with_mpr_and_nothing_of_others_names(wheel: Path) -> None:
    assert wheel.name == f"{DISTRIBUTION.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    names = ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"gpu_service", "mpr_resources", "mpr_assets", "mpr_live", "mpr_api", "mpr_cli"}
    shipped = [path for name in ("profiles", "dagster.yaml", "workspace.yaml") for path in (ROOT / name).rglob("*")]
    files = {path.relative_to(ROOT) for path in shipped if path.is_file()}
    assert {f"mpr_resources/shipped/{path.as_posix()}" for path in files} <= set(names)
    assert {"mpr_resources/shipped/dagster.yaml", "mpr_cli/project/env.example"} <= set(names)


def test_a_clip_in_an_empty_folder_with_nothing_set(installed: Installed, inputs: Path, tmp_path: Path) -> None:
    shutil.copy(inputs / "clip.mp4", tmp_path)
    version = installed(tmp_path, "mpr", "--version")
    assert (version.stdout, version.stderr) == (f"mpr {VERSION}\n", "")
    listed = installed(tmp_path, "mpr", "profile", "list").stdout
    assert {"generic", "soccer_broadcast", "tv_ads"} <= {line.split()[0] for line in listed.splitlines()}

    ran = installed(tmp_path, "mpr", "run", "clip.mp4")
    assert ran.returncode == 0, ran.stderr
    report = Path(ran.stdout.partition("Report: ")[2].splitlines()[0])
    assert report.is_file()
    assert report.parts[-5:] == ("mpr", "storage", "reports", "clip", "report.html")
    assert "user" in report.parts, "in the user's folder"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"], "nothing is left in the folder"


def test_a_project_of_ones_own(installed: Installed, tmp_path: Path) -> None:
    made = installed(tmp_path, "mpr", "init", "mine")
    assert made.returncode == 0, made.stderr
    mine = tmp_path / "mine"
    assert installed(mine, "mpr", "profile", "duplicate", "generic", "own").stdout == f"{mine}/profiles/own.yaml\n"
    refused = installed(tmp_path, "mpr", "profile", "duplicate", "generic", "own")
    assert refused.returncode == 2
    assert "mpr init FOLDER" in refused.stderr
    checked = installed(mine, "mpr", "doctor").stdout
    assert {line.split()[0] for line in checked.splitlines()} == {"ok"}, checked
    assert f"{mine}/.mpr/storage written" in checked
