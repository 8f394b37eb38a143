"""What the commit before the rooms wrote is as complete and as old as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from mpr_cli import app
from tests.legacy.installation import Installation

Mpr = Callable[..., list[str]]

COMMANDS = {
    "report match": ("report", "match"),
    "report cloud": ("report", "cloud"),
    "history match": ("history", "match"),
    "history tuned": ("history", "tuned"),
    "history match run_ocr": ("history", "match", "run_ocr"),
    "costs": ("costs",),
    "costs by timeline": ("costs", "--by", "timeline"),
    "brands list": ("brands", "list"),
    "brands history": ("brands", "history"),
    "scenario list": ("scenario", "list"),
}


@pytest.fixture
def mpr(legacy: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mpr:
    assert legacy.folder.is_dir()

    def run(*argv: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        said = capsys.readouterr()
        assert end.value.code in (None, 0), said.err
        return [line.rstrip() for line in said.out.splitlines()]

    return run


def test_commands_say_what_they_said(legacy: Installation, mpr: Mpr) -> None:
    expected = legacy.expected()
    assert {name: mpr(*argv) for name, argv in COMMANDS.items()} == {name: expected[name] for name in COMMANDS}
