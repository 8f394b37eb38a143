"""The command line as a user has it, with a storage and a Dagster home for each module of tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mpr_cli import app


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


class Mpr:
    """Runs commands in this process."""

    def __init__(self, run: Callable[[tuple[str, ...]], Said]) -> None:
        self._run = run

    def said(self, *argv: str) -> Said:
        """What a command printed, whatever came of it."""
        return self._run(argv)

    def __call__(self, *argv: str) -> str:
        """The output of a command that must succeed."""
        said = self.said(*argv)
        assert said.status == 0, said.err
        return said.out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this module's commands keep things; each test leaves something for the next."""
    return tmp_path_factory.mktemp("cli")


@pytest.fixture
def mpr(home: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mpr:
    monkeypatch.setenv("MPR_STORAGE_URL", str(home / "storage"))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setenv("MPR_PROFILES_DIR", str(inputs / "profiles"))
    for variable in ("INFERENCE_URL", "INFERENCE_TOKEN", "SKIP_VLM", "SKIP_CLOUD", "MPR_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)

    def run(argv: tuple[str, ...]) -> Said:
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return Mpr(run)
