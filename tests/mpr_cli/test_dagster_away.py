"""Dagster's folder that goes away while a command is at work is told by a sentence; a bug is not hidden behind one."""

from __future__ import annotations

import errno
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from mpr_cli import app

DELETED = OperationalError("INSERT", {}, Exception("unable to open database file"))
CASES: dict[str, tuple[Exception, bool, str]] = {
    "a bug": (KeyError("x"), True, ""),
    "a file elsewhere": (FileNotFoundError(errno.ENOENT, "No such file or directory", "/elsewhere/x"), True, ""),
    "an error of Dagster's": (dg.DagsterInvariantViolationError("x"), True, ""),
    "the same without its folder": (dg.DagsterInvariantViolationError("No run."), False, "(No run)"),
    "its database": (DELETED, True, "unable to open database file"),
    "a file in it": (FileNotFoundError(errno.ENOENT, "No such file or directory", "{home}/x"), True, "No such file"),
}
"""The error, whether the folder is there, and what is told of it; empty: nothing, it is raised."""


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, is_there, told = CASES[name]
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    if is_there:
        home.mkdir()
    if isinstance(error, OSError):
        error.filename = error.filename.replace("{home}", str(home))
    trouble = app._trouble_with_dagster(error)
    assert (trouble is not None) == bool(told)
    if trouble is not None:
        said = str(trouble)
        assert said.startswith(f"Dagster's folder {home} went away, or its database cannot be written any more (")
        assert told in said
        assert said.endswith("see that the folder is there and has room, and run the same command again.")
