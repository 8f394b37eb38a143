"""How far a stage is: told to whoever looks. The log gets a line now and then; a terminal may draw a bar instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")

LOG_EVERY_S = 10.0


class Progress(Protocol):
    """Shows one stage's progress after another."""

    def started(self, stage: str, total: int, unit: str) -> None: ...

    def advanced(self, done: int) -> None: ...

    def finished(self) -> None: ...

    def concluded(self, stage: str, summary: str) -> None: ...


class LogProgress:
    """Lines with rate and time left, at most one in `LOG_EVERY_S` seconds."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._stage, self._total, self._unit = "", 0, ""
        self._start_s = self._last_s = 0.0

    def started(self, stage: str, total: int, unit: str) -> None:
        """Begin to count `stage` from nothing."""
        self._stage = stage
        self._total, self._unit = total, unit
        self._start_s = self._last_s = self._clock()

    def advanced(self, done: int) -> None:
        """`done` items of the stage are done."""
        now_s = self._clock()
        if now_s - self._last_s >= LOG_EVERY_S:
            self._last_s = now_s
            self._write(f"{self._stage}: {describe(done, self._total, self._unit, now_s - self._start_s)}")

    def finished(self) -> None:
        """Nothing: the materialization says the rest."""

    def concluded(self, stage: str, summary: str) -> None:
        """Nothing: the materialization says it."""


def describe(done: int, total: int, unit: str, elapsed_s: float) -> str:
    """One line: how many of how many, how fast, how long still.

    >>> describe(30, 120, "frames", 10.0)
    '30 of 120 frames, 3.0/s, 30 s left'
    """
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    left = f", {(total - done) / rate:.0f} s left" if rate > 0 and total >= done else ""
    return f"{done} of {total} {unit}, {rate:.1f}/s{left}"


def tracked(progress: Progress, stage: str, items: Iterable[T], total: int, unit: str = "frames") -> Iterator[T]:
    """The items as they are, told to `progress` as they are taken."""
    progress.started(stage, total, unit)
    try:
        for done, item in enumerate(items):
            progress.advanced(done)
            yield item
    finally:
        progress.finished()
