from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from mpr_cli import __main__
from mpr_resources.environment import ROOT
from tests.mpr_cli.conftest import Mpr

LAID_OUT = [".env", ".env.example", ".gitignore", ".mpr", "README.md", "dagster.yaml", "profiles", "workspace.yaml"]
PLACES = {"a new folder": "mine", "with spaces and quotes": 'a b\'s "c"', "several new folders": "a/b"}


@pytest.mark.parametrize("name", PLACES)
def test_a_project_is_laid_out(name: str, mpr: Mpr, tmp_path: Path) -> None:
    folder = tmp_path / PLACES[name]
    assert mpr("init", str(folder)).startswith(f"{folder} is laid out. ")
    assert sorted(path.name for path in folder.iterdir()) == LAID_OUT
    assert dotenv_values(folder / ".env") == {"DAGSTER_HOME": str(folder / ".mpr" / "dagster")}
    assert (folder / ".mpr" / "dagster" / "dagster.yaml").resolve() == (folder / "dagster.yaml").resolve()
    for copied in ("workspace.yaml", "dagster.yaml", "profiles/generic.yaml", "profiles/brands/common.yaml"):
        assert (folder / copied).read_bytes() == (ROOT / copied).read_bytes()
    assert (folder / "profiles" / "logos").is_dir()


def test_commands_in_a_project_use_it(mpr: Mpr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpr("init", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path / "mine")
    for name in ("MPR_PROFILES_DIR", "MPR_STORAGE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", "")  # so that what the command sets is undone
    monkeypatch.delenv("DAGSTER_HOME")
    assert mpr("profile", "duplicate", "generic", "own") == f"{tmp_path}/mine/profiles/own.yaml\n"
    assert "No timeline" in mpr("status")
    assert (tmp_path / "mine" / ".mpr" / "dagster" / "history").is_dir()
    assert "own" in mpr("profile", "list")


TAKEN = {"profiles": "profiles", ".env": ".env", "README.md": "README.md"}


@pytest.mark.parametrize("name", TAKEN)
def test_nothing_is_overwritten(name: str, mpr: Mpr, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    said = mpr.said("init", str(tmp_path))
    assert (said.status, said.err) == (2, f"mpr: There is already {name} in {tmp_path}; choose another folder.\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_with_other_files_is_taken(mpr: Mpr, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("")
    mpr("init", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*LAID_OUT, "clip.mp4"])


def test_a_place_that_cannot_be_is_one_sentence(mpr: Mpr) -> None:
    said = mpr.said("init", "/dev/null/x")
    assert said.status == 2
    assert said.err.startswith("mpr: The folder /dev/null/x cannot be laid out (Not a directory); choose another place")


def test_the_example_names_every_variable_of_the_readme() -> None:
    table = (ROOT / "README.md").read_text().split("## Where data is stored", 1)[1].split("##", 1)[0]
    named = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    readme = {variable for cell in named for variable in re.findall(r"`(\w+)`", cell)}
    example = (ROOT / "mpr_cli" / "project" / "env.example").read_text()
    assert len(readme) > 5
    assert readme - set(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE)) == set()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] in ("mpr_cli", "typer")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == "mpr: the package typer is not installed; run: pip install '.[graph]'."
