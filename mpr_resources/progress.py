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


class ProgressReport(BaseModel):
    """How far a stage of a timeline is, as it is stored.

    Attributes:
        elapsed_s: since the stage began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    stage: str
    done: int
    total: int
    unit: str
    elapsed_s: float

    def sentence(self) -> str:
        """In a line."""
        return f"{self.stage}: {describe(self.done, self.total, self.unit, self.elapsed_s)}"


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

    def started(self, stage: str, total: int, unit: str) -> None:
        """Begin to count `stage` from nothing."""
        self._inner.started(stage, total, unit)
        self._stage, self._total, self._unit = stage, total, unit
        self._start_s = self._last_s = self._clock()

    def advanced(self, done: int) -> None:
        """`done` items of the stage are done."""
        self._inner.advanced(done)
        now_s = self._clock()
        if now_s - self._last_s < STORE_EVERY_S:
            return
        self._last_s = now_s
        report = ProgressReport(
            run_id=self._run_id,
            stage=self._stage,
            done=done,
            total=self._total,
            unit=self._unit,
            elapsed_s=now_s - self._start_s,
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
