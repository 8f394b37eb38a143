"""The ledger: a row for every request to a model that costs something, and sums of them.

A row is entered with the reservation of its price, in one transaction, and corrected when the request has ended: what
was sent by a process that was killed stands as `broken_off` at the price that was reserved. Rows stay for good. The
database sums them up, so none is read here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, case, func, insert, literal, select, update

from mpr_resources.database.connection import Database
from mpr_resources.database.schema import ledger_row as table

BROKEN_OFF = "broken_off"
ANSWERED = "answered"
WAITING = "waiting"
"""In a batch that its provider answers when it has time."""
DAY_MS = 86_400_000
By: TypeAlias = Literal["provider", "timeline", "day"]


@dataclass(frozen=True)
class LedgerRow:
    """A request.

    Attributes:
        id: begins with the time, so that rows lie in its order.
        time_ms: since 1970, UTC.
        tokens_cached: of `tokens_in`.
        micro_usd: 1 000 000 are one dollar.
    """

    id: str
    time_ms: int
    timeline: str
    stage: str
    provider: str
    model: str
    crops: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    micro_usd: int
    milliseconds: int
    outcome: str
    run: str


@dataclass(frozen=True)
class CostSum:
    """What the requests of a model, a timeline or a day were and cost; `failed` are among `requests`."""

    of: str
    requests: int
    failed: int
    crops: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    micro_usd: int


def new_id(time_ms: int) -> str:
    """An id that no other row has."""
    return f"{time_ms:014d}-{os.urandom(6).hex()}"


def enter(connection: Connection, rows: Iterable[LedgerRow]) -> None:
    """Add rows."""
    values = [asdict(row) for row in rows]
    if values:
        connection.execute(insert(table), values)


def is_waiting(connection: Connection, row_id: str) -> bool:
    """Whether the row is of a request in a batch that nobody has settled yet."""
    outcome = connection.execute(select(table.c.outcome).where(table.c.id == row_id)).scalar_one_or_none()
    return outcome == WAITING


def correct(connection: Connection, row: LedgerRow) -> None:
    """Put the row in the place of the one that has its id."""
    connection.execute(update(table).where(table.c.id == row.id).values(asdict(row)))


def rename_timeline(connection: Connection, old: str, new: str) -> None:
    """Put the rows of a timeline under its new name."""
    connection.execute(update(table).where(table.c.timeline == old).values(timeline=new))


def sums(database: Database, by: By) -> list[CostSum]:
    """By provider and model, by timeline or by day (UTC), and in all at the end."""
    found = [] if database.absent else database.read(lambda connection: _grouped(connection, by))
    whole = [sum(figures) for figures in zip(*(row[1:] for row in found), strict=True)] or [0] * 7
    return [CostSum(*row) for row in [*sorted(found), ("all", *whole)]]


def _grouped(connection: Connection, by: By) -> list[tuple[object, ...]]:
    keys: dict[By, ColumnElement[Any]] = {
        "provider": table.c.provider + literal("/") + table.c.model,
        "timeline": table.c.timeline,
        "day": table.c.time_ms // DAY_MS,
    }
    columns = (table.c.crops, table.c.tokens_in, table.c.tokens_out, table.c.tokens_cached, table.c.micro_usd)
    figures = (
        func.count(),
        func.sum(case((table.c.outcome.in_([ANSWERED, WAITING]), 0), else_=1)),
        *map(func.sum, columns),
    )
    key = keys[by].label("of")
    rows = connection.execute(select(key, *figures).group_by(key)).all()
    return [(_day(row[0]) if by == "day" else row[0], *map(int, row[1:])) for row in rows]


def _day(number: int) -> str:
    """The day after so many since 1970: 2026-05-31."""
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
