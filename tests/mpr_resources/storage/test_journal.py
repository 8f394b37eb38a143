from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import TransientError
from mpr_resources.storage.journal import MOST_BYTES, SHARE_LOST, Journal
from mpr_resources.storage.store import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_an_empty_journal_has_no_records(storage: Storage) -> None:
    Journal(storage, "j").flush()
    assert list(Journal(storage, "j").records()) == []
    assert list(storage.list("j")) == []


def test_records_come_back_in_their_order(storage: Storage) -> None:
    records = [{"seq": 1, "phash": 2**64 - 1, "cut_ms": None}, ["x", b"\0png", 0.1], "", 7]
    for half in (records[:2], records[2:]):
        journal = Journal(storage, "j")
        for record in half:
            journal.keep(record)
        journal.flush()
    assert list(Journal(storage, "j").records()) == records


def test_of_the_time_worked_a_small_share_is_lost(storage: Storage) -> None:
    clock = Clock()
    journal = Journal(storage, "j", clock)
    lost = []
    for number in range(200):
        clock.now_s = float(number)
        journal.keep(number)
        lost.append(number + 1 - len(list(Journal(storage, "j").records())))
    assert max(lost) <= SHARE_LOST * 200 + 1
    assert len(list(storage.list("j"))) < 150


def test_what_is_held_is_bounded(storage: Storage) -> None:
    clock = Clock()
    journal = Journal(storage, "j", clock)
    journal.keep(b"")
    clock.now_s = 1000.0
    journal.keep(b"")
    for _ in range(9):
        journal.keep(bytes(MOST_BYTES // 8))
    assert len(list(Journal(storage, "j").records())) == 10


def test_nothing_after_a_gap_counts(storage: Storage) -> None:
    for number in range(3):
        journal = Journal(storage, "j")
        journal.keep(number)
        journal.flush()
    storage.delete(["j/000001.msgpack"])
    assert list(Journal(storage, "j").records()) == [0]


def test_a_damaged_part_is_forgotten_with_the_rest(storage: Storage) -> None:
    storage.put("j/000000.msgpack", b"\xc1")
    with pytest.raises(TransientError, match=r"j cannot be used: a part of it is damaged; begin anew\.$"):
        list(Journal(storage, "j").records())
    assert list(storage.list("j")) == []
