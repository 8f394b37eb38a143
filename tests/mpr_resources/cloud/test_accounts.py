"""Claims, budgets, rates and the ledger as rows of the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from mpr_resources.cloud import budget, ledger, rates
from mpr_resources.cloud.answers import AnswerLikeness, Look
from mpr_resources.cloud.budget import Limit, Totals
from mpr_resources.cloud.claims import Claims
from mpr_resources.cloud.ledger import CostSum, LedgerRow
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from tests.crops import board

LIKENESS = AnswerLikeness(max_phash_distance=10, max_change=9.0)
DAY_MS = 86_400_000


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")


# claims

LOOK, NEAR, OTHER = Look(board(1)), Look(board(1, 1)), Look(board(2))
HOST = os.uname().nodename


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


HELD: dict[str, tuple[Look | None, dict[str, Any], bool]] = {
    "nobody": (None, {}, True),
    "the same crop": (LOOK, {}, False),
    "one that shows the same": (NEAR, {}, False),
    "another crop": (OTHER, {}, True),
    "of another family": (LOOK, {"family": "f2"}, True),
    "by a process of another machine": (LOOK, {"host": "elsewhere", "pid": 1}, False),
    "till now": (LOOK, {"until_ms": 1_000_000}, True),
    "till a moment later": (LOOK, {"until_ms": 1_000_001}, False),
    "by a process that has ended": (LOOK, {"pid": 0}, True),
    "by a process of another machine that has the number of one that has ended": (
        LOOK,
        {"pid": 0, "host": "elsewhere"},
        False,
    ),
}
"""What somebody else claims, as it is not by default; whether the first crop may be claimed at second 1000."""


@pytest.mark.parametrize("case", HELD)
def test_who_may_ask(database: Database, dead: int, case: str) -> None:
    look, changes, expected = HELD[case]
    if look is not None:
        row = {"family": "f1", "name": look.name, "owner": "other", "host": HOST, "pid": os.getpid()}
        row |= {"until_ms": 2_000_000, "aspect": look.aspect, "thumbnail": look.thumbnail} | changes
        row["pid"] = row["pid"] or dead
        database.write(lambda connection: connection.execute(insert(schema.claim).values(row)))
    claims = Claims(database, "f1", LIKENESS, clock=lambda: 1000.0)
    assert claims.claim([LOOK], 60) == ([LOOK] if expected else [])


def test_a_claim_lasts_while_it_is_renewed(database: Database) -> None:
    now = [1000.0]
    mine, other = (Claims(database, "f1", LIKENESS, clock=lambda: now[0]) for _ in range(2))
    assert mine.claim([LOOK, OTHER], 60) == [LOOK, OTHER]
    now[0] = 1059.0
    assert database.write(lambda connection: mine.renew(connection, [LOOK], 60))
    now[0] = 1118.0
    assert other.claim([LOOK, OTHER], 60) == [], "to renew one is to renew all: they are one asker's"
    now[0] = 1119.0
    assert other.claim([NEAR], 60) == [NEAR]
    assert not database.write(lambda connection: mine.renew(connection, [LOOK], 60)), "it came too late"


def test_claims_are_gone_when_released(database: Database) -> None:
    mine, other = (Claims(database, "f1", LIKENESS) for _ in range(2))
    mine.claim([LOOK, OTHER], 60)
    other.release([LOOK])
    assert other.claim([LOOK], 60) == [], "only who has it releases it"
    mine.release([LOOK])
    assert other.claim([NEAR, OTHER], 60) == [NEAR]


def test_claims_that_are_over_do_not_pile_up(database: Database) -> None:
    for number in range(5):
        Claims(database, f"f{number}", LIKENESS, clock=lambda number=number: 1000.0 * number).claim([LOOK], 60)
    kept = database.read(lambda connection: connection.execute(select(schema.claim.c.family)).scalars().all())
    assert kept == ["f4"]


# budgets

SPENDINGS: dict[str, tuple[Limit, list[int], list[int]]] = {
    "nothing": (Limit("day/a", 0, 0), [], []),
    "no limit": (Limit("day/a"), [5, 5], [5, 5]),
    "no requests": (Limit("day/a", requests=0), [5], []),
    "as many as allowed": (Limit("day/a", requests=2), [5, 5, 5], [5, 5]),
    "as much as allowed": (Limit("day/a", micro_usd=10), [5, 5, 1], [5, 5]),
    "one that is too dear, then one that is not": (Limit("day/a", micro_usd=10), [11, 10], [10]),
    "free of charge": (Limit("day/a", micro_usd=0), [0, 1, 0], [0, 0]),
}
"""A limit, what requests cost, and which of them fit."""


@pytest.mark.parametrize("case", SPENDINGS)
def test_what_a_limit_lets_through(database: Database, case: str) -> None:
    limit, wanted, expected = SPENDINGS[case]
    limits = [Limit("run/x"), limit]

    def write(connection: Connection) -> list[int]:
        fitted = []
        for micro_usd in wanted:
            beyond = budget.beyond(connection, limits, micro_usd)
            assert beyond in (None, "day/a")
            if beyond is None:
                budget.add(connection, ["run/x", "day/a"], 1, micro_usd, 0)
                fitted.append(micro_usd)
        return fitted

    assert database.write(write) == expected
    spent = database.read(lambda connection: [budget.spent(connection, scope) for scope in ("run/x", "day/a")])
    assert spent == [Totals(len(expected), sum(expected))] * 2


def test_old_days_and_runs_are_forgotten_and_timelines_never(database: Database) -> None:
    def write(day: int) -> None:
        scopes = [f"{kind}/{day}" for kind in ("run", "timeline", "day")]
        database.write(lambda connection: budget.add(connection, scopes, 1, 1, day * DAY_MS))

    for day in (1, 2, 31, 32):
        write(day)
    found = database.read(lambda connection: connection.execute(select(schema.spending)).all())
    days: dict[str, list[str]] = {}
    for row in found:
        days.setdefault(row.kind, []).append(row.name)
    assert {kind: sorted(names, key=int) for kind, names in days.items()} == {
        "run": ["2", "31", "32"],
        "timeline": ["1", "2", "31", "32"],
        "day": ["2", "31", "32"],
    }


# rates


def test_requests_of_a_minute_are_counted_by_provider(database: Database) -> None:
    took = [
        database.write(lambda connection, asked=asked: rates.take(connection, asked[0], 2, asked[1]))
        for asked in (("a", 60.0), ("a", 119.9), ("a", 119.9), ("b", 119.9), ("a", 120.0))
    ]
    assert took == [True, True, False, True, True]


def test_old_minutes_are_forgotten(database: Database) -> None:
    for minute in range(0, 300, 20):
        database.write(lambda connection, minute=minute: rates.take(connection, "a", 9, 60.0 * minute))
    kept = database.read(lambda connection: connection.execute(select(schema.request_rate.c.minute)).scalars().all())
    assert sorted(kept) == [220, 240, 260, 280]


# the ledger


def row(number: int, **changes: Any) -> LedgerRow:
    plain: dict[str, Any] = {
        "time_ms": number * DAY_MS,
        "timeline": "match",
        "stage": "escalate_cloud",
        "provider": "anthropic",
        "model": "m",
        "crops": 2,
        "tokens_in": 1000,
        "tokens_out": 50,
        "tokens_cached": 100,
        "micro_usd": 7,
        "milliseconds": 900,
        "outcome": "answered",
        "run": "r",
    }
    plain |= changes
    return LedgerRow(id=ledger.new_id(plain["time_ms"]), **plain)


def total(of: str, requests: int, failed: int, micro_usd: int) -> CostSum:
    return CostSum(of, requests, failed, 2 * requests, 1000 * requests, 50 * requests, 100 * requests, micro_usd)


ROWS = [
    row(1),
    row(1, provider="openai", micro_usd=8),
    row(0, timeline="cup", outcome="timeout"),
    row(20_000, model="n", micro_usd=3_000_000_000),
]
SUMS: dict[ledger.By, list[CostSum]] = {
    "provider": [
        total("anthropic/m", 2, 1, 14),
        total("anthropic/n", 1, 0, 3_000_000_000),
        total("openai/m", 1, 0, 8),
        total("all", 4, 1, 3_000_000_022),
    ],
    "timeline": [total("cup", 1, 1, 7), total("match", 3, 0, 3_000_000_015), total("all", 4, 1, 3_000_000_022)],
    "day": [
        total("1970-01-01", 1, 1, 7),
        total("1970-01-02", 2, 0, 15),
        total("2024-10-04", 1, 0, 3_000_000_000),
        total("all", 4, 1, 3_000_000_022),
    ],
}


@pytest.mark.parametrize("by", SUMS)
def test_the_ledger_sums_up(database: Database, by: ledger.By) -> None:
    assert ledger.sums(database, by) == [total("all", 0, 0, 0)]
    assert database.absent, "to look at it makes nothing"
    database.write(lambda connection: ledger.enter(connection, []))
    assert ledger.sums(database, by) == [total("all", 0, 0, 0)]
    database.write(lambda connection: ledger.enter(connection, ROWS))
    assert ledger.sums(database, by) == SUMS[by]
