"""Objects of money and claims, as older versions wrote them, taken over into the database."""

from __future__ import annotations

import base64
import io
import json
import multiprocessing
import os
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Table, select

from gpu_service.errors import PermanentError
from mpr_resources.cloud import budget, old_objects
from mpr_resources.cloud.answers import Look
from mpr_resources.cloud.ledger import sums
from mpr_resources.cloud.old_objects import take_over
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.crops import board

LOOK = Look(board(1))
NOW_S = time.time()
DAY_S = 86_400
FAMILY = "0123456789abcdef"


@dataclass
class Place:
    """An installation: a storage that an older version used, and a database that none did."""

    folder: Path

    @property
    def storage(self) -> Storage:
        return Storage.open(str(self.folder / "storage"))

    @property
    def database(self) -> Database:
        return Database(f"sqlite:///{self.folder / 'registry.sqlite'}")

    def rows(self, table: Table) -> list[tuple[Any, ...]]:
        return rows(self.database, table)


def rows(database: Database, table: Table) -> list[tuple[Any, ...]]:
    """What a table holds, sorted."""
    return database.read(lambda connection: sorted(map(tuple, connection.execute(select(table)))))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def put_ledger(storage: Storage, count: int, time_s: float = NOW_S) -> None:
    """Rows of a request each."""
    for number in range(count):
        row = {"time_ms": round(time_s * 1000) + number, "timeline": "match", "stage": "escalate_cloud"}
        row |= {"provider": "anthropic", "model": "m", "crops": 1, "tokens_in": 1000, "tokens_out": 50}
        row |= {"tokens_cached": 100, "micro_usd": 7, "milliseconds": 900, "outcome": "answered", "run": "r"}
        buffer = io.BytesIO()
        pl.DataFrame([row]).with_columns(pl.col("crops").cast(pl.Int32)).write_parquet(buffer)
        day = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")
        storage.put(f"ledger/{day}/{row['time_ms']:014d}-{number:012x}.parquet", buffer.getvalue())


def put_budget(storage: Storage, scope: str, *totals: tuple[int, int], age_s: float = 0.0) -> None:
    """The chain of a scope, last written so long ago."""
    for number, (requests, micro_usd) in enumerate(totals):
        key = f"budget/{scope}/{number:09d}.json"
        storage.put(key, json.dumps({"requests": requests, "micro_usd": micro_usd}).encode())
        if age_s:
            os.utime(storage.where(key), (NOW_S - age_s, NOW_S - age_s))


def put_claim(storage: Storage, until_s: float, generation: int = 0) -> None:
    thumbnail = base64.urlsafe_b64encode(LOOK.thumbnail).decode()
    claim = {"host": socket.gethostname(), "pid": os.getpid(), "until_s": until_s}
    data = json.dumps(claim | {"thumbnail": thumbnail, "aspect": LOOK.aspect}).encode()
    storage.put(f"claims/{FAMILY}/{LOOK.name}.{generation}", data)


MINUTE = datetime.fromtimestamp(NOW_S, UTC).strftime("%Y-%m-%dT%H-%M")
OLD: dict[str, tuple[Callable[[Storage], object], Table, list[tuple[Any, ...]]]] = {
    "nothing": (lambda storage: None, schema.spending, []),
    "a request": (lambda storage: put_ledger(storage, 1, 1.0), schema.ledger_row, [(1000, "match", 7)]),
    "a timeline": (
        lambda storage: put_budget(storage, "timeline/a b", (1, 10), (2, 20), (2, 15), age_s=99 * DAY_S),
        schema.spending,
        [("timeline", "a b", 2, 15)],
    ),
    "a run and a day": (
        lambda storage: (put_budget(storage, "run/r", (1, 10)), put_budget(storage, "day/2026-05-01", (3, 30))),
        schema.spending,
        [("day", "2026-05-01", 3, 30), ("run", "r", 1, 10)],
    ),
    "a run of long ago": (lambda storage: put_budget(storage, "run/r", (1, 10), age_s=31 * DAY_S), schema.spending, []),
    "a minute": (
        lambda storage: put_budget(storage, f"minute/openai/{MINUTE}", (1, 0), (2, 0)),
        schema.request_rate,
        [("openai", int(NOW_S // 60), 2)],
    ),
    "a minute of long ago": (
        lambda storage: put_budget(storage, "minute/openai/2026-01-01T00-00", (1, 0)),
        schema.request_rate,
        [],
    ),
    "a claim": (
        lambda storage: put_claim(storage, NOW_S + 100_000),
        schema.claim,
        [(FAMILY, LOOK.name, "", socket.gethostname(), os.getpid(), round((NOW_S + 100_000) * 1000))],
    ),
    "a claim and the void one before it": (
        lambda storage: (put_claim(storage, NOW_S - 1), put_claim(storage, NOW_S + 100_000, 1)),
        schema.claim,
        [(FAMILY, LOOK.name, "", socket.gethostname(), os.getpid(), round((NOW_S + 100_000) * 1000))],
    ),
    "a claim that is over": (lambda storage: put_claim(storage, NOW_S - 1), schema.claim, []),
    "a claim that cannot be read": (
        lambda storage: storage.put(f"claims/{FAMILY}/{LOOK.name}.0", b"{"),
        schema.claim,
        [],
    ),
    "what is none of ours": (
        lambda storage: storage.put_many([("budget/notes.txt", b"x"), ("ledger/x", b"x"), ("claims/x", b"x")]),
        schema.spending,
        [],
    ),
}
"""What an older version left, the table it goes to, and the first columns of its rows (of the ledger some)."""


@pytest.mark.parametrize("case", OLD)
def test_what_is_taken_over(place: Place, case: str) -> None:
    put, table, expected = OLD[case]
    put(place.storage)
    for _ in range(2):
        take_over(place.database, place.storage)
    if case == "nothing":
        assert place.database.absent
        return
    found = place.rows(table)
    if table is schema.ledger_row:
        found = [(row[1], row[2], row[10]) for row in found]
    assert [row[: len(one)] for row, one in zip(found, expected, strict=True)] == expected


def test_afterwards_the_storage_is_not_looked_at(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put_ledger(place.storage, 2)
    take_over(place.database, place.storage)
    put_ledger(place.storage, 5)
    monkeypatch.delattr(Storage, "entries")
    take_over(place.database, place.storage)
    assert astuple(sums(place.database, "provider")[-1])[:2] == ("all", 2)


def test_a_storage_that_was_moved_is_not_taken_over_again(place: Place) -> None:
    put_ledger(place.storage, 2)
    put_budget(place.storage, "timeline/a", (2, 14))
    take_over(place.database, place.storage)
    shutil.move(place.folder / "storage", place.folder / "moved")
    take_over(place.database, Storage.open(str(place.folder / "moved")))
    assert len(place.rows(schema.ledger_row)) == 2
    assert place.rows(schema.spending)[0][:4] == ("timeline", "a", 2, 14)
    assert len(place.rows(schema.old_storage)) == 2


def test_it_is_added_to_what_the_database_has(place: Place) -> None:
    put_budget(place.storage, "timeline/a", (2, 14))
    place.database.write(lambda connection: budget.add(connection, ["timeline/a"], 1, 1, 0))
    take_over(place.database, place.storage)
    assert place.rows(schema.spending)[0][:4] == ("timeline", "a", 3, 15)


BROKEN: dict[str, tuple[str, str]] = {
    "a row": ("ledger/2026-05-01/x.parquet", "is no row of the ledger; delete it, or put it back as it was."),
    "totals": ("budget/timeline/a/000000000.json", "does not say what was spent; delete it, or put it back as it was."),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_says_so_and_nothing_is_taken_over(place: Place, case: str) -> None:
    key, sentence = BROKEN[case]
    put_ledger(place.storage, 1)
    put_budget(place.storage, "timeline/b", (1, 1))
    place.storage.put(key, b"{")
    with pytest.raises(PermanentError) as raised:
        take_over(place.database, place.storage)
    assert str(raised.value) == f"{place.storage.where(key)} {sentence}"
    place.storage.delete([key])
    take_over(place.database, place.storage)
    assert len(place.rows(schema.ledger_row)) == 1


def test_what_is_broken_off_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put_ledger(place.storage, 3)
    put_budget(place.storage, "timeline/a", (3, 21))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mpr_resources.cloud.budget.add", killed)
        with pytest.raises(KeyboardInterrupt):
            take_over(place.database, place.storage)
    assert place.rows(schema.ledger_row) == []
    take_over(place.database, place.storage)
    assert len(place.rows(schema.ledger_row)) == 3


def _together(folder: Path, barrier: Any) -> None:
    """Read the old objects, and write once all have read them."""
    read = old_objects._read

    def then_wait(*arguments: Any) -> Any:
        found = read(*arguments)
        barrier.wait(60)
        return found

    old_objects._read = then_wait  # type: ignore[assignment]
    take_over(Place(folder).database, Place(folder).storage)


def test_of_two_that_begin_at_once_one_does_it(place: Place) -> None:
    put_ledger(place.storage, 40)
    put_budget(place.storage, "timeline/a", (40, 280))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_together, args=(place.folder, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(place.rows(schema.ledger_row)) == 40
    assert place.rows(schema.spending)[0][:4] == ("timeline", "a", 40, 280)
    assert len(place.rows(schema.old_storage)) == 1
