"""Trials of stages by turns: of one client's the newest is answered, and one is at work at a time.

Who drags a slider asks faster than a stage answers. What waits when a newer wish comes is given up at once; what is at
work ends, as one would see nothing while one drags, or is broken off at its next frame where it takes long. So no queue
grows. Turns are of one process: a client that asks several has one in each.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mpr_api.access.refusals import Refused

LET_END_S = 1.0
"""What has been at work for less is not broken off."""
TELL_AFTER_S = 2.0
"""What takes longer tells how far it is."""
TELL_EVERY_S = 0.5
Tell: TypeAlias = Callable[[str, int, int], None]


class Superseded(Refused):
    """A newer request of the same client took its place."""

    kind = "superseded"

    def __init__(self) -> None:
        super().__init__(409, "A newer request of the same client took the place of this one")


class Turn:
    """Whose turn it is. Thread-safe."""

    def __init__(self, turns: Turns, client: str, number: int) -> None:
        self._turns = turns
        self.client = client
        self.number = number
        self.began_s = time.monotonic()

    @property
    def is_newest(self) -> bool:
        return self._turns.newest(self.client) == self.number

    def check(self) -> None:
        """Raise Superseded where a newer request of the client has come, and this one has been at work for long."""
        if not self.is_newest and time.monotonic() - self.began_s >= LET_END_S:
            raise Superseded


class Turns:
    """The newest requests of clients. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._newest: dict[str, int] = {}
        self._at_work: set[str] = set()
        self._changed = threading.Condition()

    def newest(self, client: str) -> int | None:
        """The number of a client's newest request; None: it has none."""
        return self._newest.get(client)

    @contextmanager
    def of(self, client: str) -> Iterator[Turn]:
        """The client's turn, for the block; waits for the one before to end.

        Raises:
            Superseded: a newer one came while it waited.
        """
        with self._changed:
            turn = Turn(self, client, next(self._numbers))
            self._newest[client] = turn.number
            self._changed.notify_all()
            while client in self._at_work:
                self._changed.wait()
                if not turn.is_newest:
                    raise Superseded
            turn.began_s = time.monotonic()
            self._at_work.add(client)
        try:
            yield turn
        finally:
            with self._changed:
                self._at_work.discard(client)
                if self._newest.get(client) == turn.number:
                    del self._newest[client]
                self._changed.notify_all()


class TrialProgress:
    """The progress of a trial: breaks it off once it is superseded, and tells of one that takes long.

    Args:
        check: raises where it is superseded.
        tell: takes the stage's pass over its frames: what is gone over, how many are done, of how many.
    """

    def __init__(self, check: Callable[[], None], tell: Tell | None = None) -> None:
        self._check = check
        self._tell = tell
        self._what, self._total = "", 0
        self._next_s = time.monotonic() + TELL_AFTER_S

    def started(self, stage: str, total: int, unit: str) -> None:
        """A pass over frames begins."""
        self._what, self._total = f"{stage}: {unit}", total

    def advanced(self, done: int) -> None:
        """So many are done."""
        self._check()
        if self._tell is not None and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + TELL_EVERY_S
            self._tell(self._what, done, self._total)

    def finished(self) -> None:
        """The pass has ended."""

    def concluded(self, stage: str, summary: str) -> None:
        """Nothing: there is no materialization."""
