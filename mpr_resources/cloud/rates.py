"""Rate limits: requests per minute to a provider, counted in the database for all processes."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from mpr_resources.database.schema import request_rate as table

KEPT_MINUTES = 60
"""Counts of so many minutes are kept: more than the clocks of two machines differ."""


def take(connection: Connection, provider: str, most: int, now_s: float) -> bool:
    """Count a request in this minute, unless it would be one more than the most. Gives whether."""
    minute = int(now_s // 60)
    counted = select(table.c.requests).where(table.c.provider == provider, table.c.minute == minute)
    if (connection.execute(counted).scalar_one_or_none() or 0) >= most:
        return False
    add(connection, provider, minute, 1)
    return True


def add(connection: Connection, provider: str, minute: int, requests: int) -> None:
    """Count requests in a minute since 1970."""
    this = table.c.provider == provider, table.c.minute == minute
    if not connection.execute(update(table).where(*this).values(requests=table.c.requests + requests)).rowcount:
        connection.execute(delete(table).where(table.c.minute < minute - KEPT_MINUTES))
        connection.execute(insert(table).values(provider=provider, minute=minute, requests=requests))
