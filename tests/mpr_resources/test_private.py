"""State is its user's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpr_resources.database.connection import Database
from mpr_resources.environment import make_private
from mpr_resources.storage.store import Storage


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture(autouse=True)
def _usual_rights() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_is_made_is_private_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    for _ in range(2):
        make_private(tmp_path / "there/state/home")
    make_private(tmp_path / "there")
    modes = [mode(tmp_path / name) for name in ("there", "there/state", "there/state/home")]
    assert modes == ["0o755", "0o700", "0o700"]


def test_storage_and_database_are_private(tmp_path: Path) -> None:
    Storage.open(str(tmp_path / "state/storage")).put("a/b", b"1")
    Database(f"sqlite:///{tmp_path}/home/registry.sqlite").write(lambda _: None)
    assert [mode(tmp_path / name) for name in ("state", "state/storage", "home")] == ["0o700"] * 3
    files = [path for path in (tmp_path / "home").iterdir() if path.is_file()]
    assert "registry.sqlite" in {path.name for path in files}
    assert {mode(path) for path in files} == {"0o600"}
