from __future__ import annotations

from pathlib import Path

import pytest

from mpr_resources.storage.scratch import ScratchStorage
from mpr_resources.storage.store import MissingObject, Storage


@pytest.fixture
def stored(tmp_path: Path) -> Storage:
    storage = Storage.open(str(tmp_path))
    storage.put("a/kept", b"stored")
    return storage


def test_an_empty_scratch_shows_what_is_stored(stored: Storage) -> None:
    scratch = ScratchStorage(stored)
    assert scratch.get("a/kept") == b"stored"
    assert (scratch.exists("a/kept"), scratch.exists("a/new")) == (True, False)
    assert list(scratch.list("a")) == ["a/kept"]
    with pytest.raises(MissingObject):
        scratch.get("a/new")


def test_writes_are_seen_and_not_stored(stored: Storage) -> None:
    scratch = ScratchStorage(stored)
    scratch.put("a/new", b"1")
    scratch.put("a/kept", b"2")
    scratch.copy({"a/new": "b/copy"})
    assert scratch.create("a/other", b"3")
    assert not scratch.create("a/kept", b"4")
    assert (scratch.get("a/kept"), scratch.get("b/copy")) == (b"2", b"1")
    assert list(scratch.list("a")) == ["a/kept", "a/new", "a/other"]
    scratch.delete(["a/kept", "a/new"])
    assert scratch.get("a/kept") == b"stored"
    assert list(stored.list("")) == ["a/kept"]
    assert stored.get("a/kept") == b"stored"
