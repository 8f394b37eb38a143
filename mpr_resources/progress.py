"""Progress of a stage: a line in the log from time to time, a bar on a terminal, and an object in storage for other
processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gpu_service.errors import MprError, PermanentError
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage

T = TypeVar("T")

LOG_EVERY_S = 10.0
STORE_EVERY_S = 2.0

LEAST_ITEMS, LEAST_S = 6, 2.0
"""So much must be done before the time left is foretold."""
MAX_RATIO = 1.5
MOST_SEEN = 64
"""Moments that are kept of a stage."""


class Progress(Protocol):
    """Shows one stage's progress after another."""

    def started(self, stage: str, total: int, unit: str) -> None: ...

    def advanced(self, done: int) -> None: ...

    def finished(self) -> None: ...

    def concluded(self, stage: str, summary: str) -> None: ...


class Pace:
    """How long a stage will still take, from when it had done how much; not said before it is known to about ±50 %.

    The first item does not count: models are loaded in it. What is done after it is cut in two halves; while one half
    went more than `MAX_RATIO` as fast, as where the first frames are stored already, nothing is foretold.
    """

    def __init__(self, total: int, now_s: float) -> None:
        self._total = total
        self._start_s = self._last_s = now_s
        self._done = 0
        self._seen: list[tuple[float, int]] = []

    def advanced(self, done: int, now_s: float) -> None:
        """So many are done now."""
        self._done, self._last_s = done, now_s
        if done and (not self._seen or done > self._seen[-1][1]):
            self._seen.append((now_s, done))
            if len(self._seen) > MOST_SEEN:
                del self._seen[1:-1:2]

    @property
    def elapsed_s(self) -> float:
        return self._last_s - self._start_s

    def left_s(self) -> float | None:
        """Seconds left; None while that is not known, or more is done than was expected."""
        if len(self._seen) < 3:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        if last - first < LEAST_ITEMS or last_s - first_s < LEAST_S or self._done > self._total:
            return None
        middle_s, middle = min(self._seen[1:-1], key=lambda seen: abs(2 * seen[1] - first - last))
        halves_s = (middle_s - first_s) / (middle - first), (last_s - middle_s) / (last - middle)
        if max(halves_s) > MAX_RATIO * min(halves_s):
            return None
        return (self._total - self._done) * (last_s - first_s) / (last - first)


class LogProgress:
    """Lines with rate and time left, at most one in `LOG_EVERY_S` seconds."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._stage, self._total, self._unit = "", 0, ""
        self._last_s = 0.0
        self._pace = Pace(0, 0.0)

    def started(self, stage: str, total: int, unit: str) -> None:
        """Begin to count `stage` from nothing."""
        self._stage = stage
        self._total, self._unit = total, unit
        self._last_s = self._clock()
        self._pace = Pace(total, self._last_s)

    def advanced(self, done: int) -> None:
        """`done` items of the stage are done."""
        now_s = self._clock()
        self._pace.advanced(done, now_s)
        if now_s - self._last_s >= LOG_EVERY_S:
            self._last_s = now_s
            line = describe(done, self._total, self._unit, self._pace.elapsed_s, self._pace.left_s())
            self._write(f"{self._stage}: {line}")

    def finished(self) -> None:
        """Nothing: the materialization says the rest."""

    def concluded(self, stage: str, summary: str) -> None:
        """Nothing: the materialization says it."""


class ProgressReport(BaseModel):
    """How far a stage of a timeline is, as it is stored.

    Attributes:
        elapsed_s: since the stage began.
        left_s: see `Pace.left_s`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    stage: str
    done: int
    total: int
    unit: str
    elapsed_s: float
    left_s: float | None = None


class StoredProgress:
    """Tells another, and every `STORE_EVERY_S` seconds an object in storage, which goes with the stage's end."""

    def __init__(
        self,
        inner: Progress,
        storage: Storage,
        timeline: str,
        run_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._storage = storage
        self._key = Keys.progress(timeline)
        self._run_id = run_id
        self._clock = clock
        self._stage, self._total, self._unit = "", 0, ""
        self._start_s = self._last_s = 0.0
        self._pace = Pace(0, 0.0)

    def started(self, stage: str, total: int, unit: str) -> None:
        """Begin to count `stage` from nothing."""
        self._inner.started(stage, total, unit)
        self._stage, self._total, self._unit = stage, total, unit
        self._start_s = self._last_s = self._clock()
        self._pace = Pace(total, self._start_s)

    def advanced(self, done: int) -> None:
        """`done` items of the stage are done."""
        self._inner.advanced(done)
        now_s = self._clock()
        self._pace.advanced(done, now_s)
        if now_s - self._last_s < STORE_EVERY_S:
            return
        self._last_s = now_s
        report = ProgressReport(
            run_id=self._run_id,
            stage=self._stage,
            done=done,
            total=self._total,
            unit=self._unit,
            elapsed_s=self._pace.elapsed_s,
            left_s=self._pace.left_s(),
        )
        with suppress(MprError):  # the stage says by itself when it cannot store anything
            self._storage.put(self._key, report.model_dump_json().encode())

    def finished(self) -> None:
        """The stage has come to its end, or was broken off; may be told twice."""
        self._inner.finished()
        if self._last_s > self._start_s:
            self._last_s = self._start_s
            with suppress(MprError):
                self._storage.delete([self._key])

    def concluded(self, stage: str, summary: str) -> None:
        """Passed on."""
        self._inner.concluded(stage, summary)


def stored_report(storage: Storage, timeline: str, run_id: str) -> ProgressReport | None:
    """How far the run's present stage is; None where nothing is told, by a run between two stages for example."""
    try:
        report = ProgressReport.model_validate_json(storage.get(Keys.progress(timeline)))
    except MissingObject:
        return None
    except ValidationError as error:
        where = storage.where(Keys.progress(timeline))
        raise PermanentError(f"{where} is not a valid progress report", "delete it") from error
    return report if report.run_id == run_id else None


def describe(done: int, total: int, unit: str, elapsed_s: float, left_s: float | None) -> str:
    """One line: how many of how many, how fast, and how long still where that is known.

    >>> describe(30, 120, "frames", 10.0, 30.0)
    '30 of 120 frames, 3.0/s, 30 s left'
    """
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    left = f", {left_s:.0f} s left" if left_s is not None else ""
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
