"""Claims: database rows that decide which of several runs sends the request about a crop.

What belongs here: making, renewing and dropping them. What was answered is in `answers`.

A claim is made in the transaction that looks at those of others, so of two who claim crops near each other one has it.
It is void when its time is over, or its process on this machine has ended: whoever is killed holds up nobody for long.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mpr_resources.cloud.answers import AnswerLikeness, Look, hash_distance
from mpr_resources.database.connection import Database
from mpr_resources.database.schema import claim as table


class ClaimSubject(Protocol):
    """What is claimed: a crop as a `Look`, or a sound, whose name says all."""

    @property
    def name(self) -> str: ...

    @property
    def aspect(self) -> float: ...

    @property
    def thumbnail(self) -> bytes: ...


C = TypeVar("C", bound=ClaimSubject)


class Claims:
    """One asker's claims within a family of answers. Thread-safe, and safe among processes."""

    def __init__(
        self, database: Database, family: str, likeness: AnswerLikeness | None, clock: Callable[[], float] = time.time
    ) -> None:
        """`likeness`: when two crops show the same; None: what has another name is something else."""
        self._database = database
        self._family = family
        self._likeness = likeness
        self._clock = clock
        self._owner = uuid.uuid4().hex

    def claim(self, looks: Sequence[C], seconds: float) -> list[C]:
        """Say that the caller asks about these crops now, for at most so long unless it renews that.

        Gives those that it may ask about: about the like of the others somebody else is asking.
        """

        def write(connection: Connection) -> list[C]:
            connection.execute(delete(table).where(table.c.until_ms <= self._now_ms()))
            others = self._others(connection)
            mine = [look for look in looks if not any(self._near(look, other) for other in others)]
            self._drop(connection, mine)  # what it has already, it has anew
            rows = [self._row(look, seconds) for look in mine]
            if rows:
                connection.execute(insert(table), rows)
            return mine

        return self._database.write(write)

    def renew(self, connection: Connection, looks: Sequence[ClaimSubject], seconds: float) -> bool:
        """Hold all of the caller's claims for so long from now. Gives whether those of these crops still stand."""
        own = table.c.owner == self._owner
        connection.execute(update(table).where(own).values(until_ms=self._now_ms() + round(seconds * 1000)))
        names = {look.name for look in looks}
        held = select(func.count()).select_from(table).where(own, table.c.name.in_(names))
        return connection.execute(held).scalar_one() == len(names)

    def release(self, looks: Iterable[ClaimSubject]) -> None:
        """The caller asks no more about these crops."""
        dropped = list(looks)
        if dropped:
            self._database.write(lambda connection: self._drop(connection, dropped))

    def _others(self, connection: Connection) -> list[Row[Any]]:
        """Claims of others in the family. Those of processes that have ended are deleted."""
        of_others = table.c.family == self._family, table.c.owner != self._owner
        found = connection.execute(select(table).where(*of_others)).all()
        host = socket.gethostname()
        dead = {row.pid for row in found if row.host == host and not _alive(row.pid)}
        if dead:
            connection.execute(delete(table).where(*of_others, table.c.host == host, table.c.pid.in_(dead)))
        return [row for row in found if row.host != host or row.pid not in dead]

    def _near(self, look: ClaimSubject, other: Row[Any]) -> bool:
        if other.name == look.name:
            return True
        if self._likeness is None or not isinstance(look, Look):
            return False
        near = hash_distance(other.name, look) <= self._likeness.max_phash_distance
        return near and look.like(other.thumbnail, other.aspect, self._likeness)

    def _drop(self, connection: Connection, looks: Sequence[ClaimSubject]) -> None:
        names = [look.name for look in looks]
        connection.execute(delete(table).where(table.c.owner == self._owner, table.c.name.in_(names)))

    def _row(self, look: ClaimSubject, seconds: float) -> dict[str, object]:
        return {
            "family": self._family,
            "name": look.name,
            "owner": self._owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "until_ms": self._now_ms() + round(seconds * 1000),
            "aspect": look.aspect,
            "thumbnail": look.thumbnail,
        }

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
