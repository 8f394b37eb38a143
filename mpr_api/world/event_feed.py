"""Events of runs for many listeners: one look at Dagster's event log and the stored progress for all of them.

What is told comes from the instance, so that every process tells the same. A listener that does not keep up is let go,
and comes back where it was: an event's id is that of its record in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

import dagster as dg
import polars as pl
from fastapi.sse import KEEPALIVE_COMMENT

from gpu_service.errors import MprError
from mpr_api.world.backend import LOG, Backend
from mpr_api.world.told_events import METADATA, ToldEvent, told, told_progress
from mpr_assets.definitions import BY_NAME
from mpr_assets.runs.run_state import of_report
from mpr_resources.dagster_internals import (
    PARTITION_NAME_TAG,
    events_of_run,
    last_event_id,
    last_event_of_run,
    run_events_after,
)
from mpr_resources.progress import stored_report
from mpr_resources.run_queue import AT_WORK

LOOK_S = 0.5
"""Between two looks, while somebody listens."""
AFTER_ERROR_S = 5.0
MOST_WAITING = 2000
"""Events that may wait for a slow listener."""
PING_S = 15.0
LONGEST_S = 3600.0
"""A stream is ended after so long; a page then listens anew by itself."""
UNSETTLED = 100
"""So many records before the last are looked at once more: of two that write at once, the one with the lower id may
end last."""


@dataclass(eq=False)
class Listener:
    """Someone who listens to one run, or to all. `lost`: it was too slow, and is let go."""

    job: str | None
    waiting: asyncio.Queue[ToldEvent | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    lost: bool = False

    def give(self, events: Iterable[ToldEvent | None]) -> None:
        """Put events before it; None ends the stream."""
        for event in events:
            if self.lost:
                return
            try:
                self.waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.lost = True


class EventFeed:
    """The listeners of this process, and the one look for all of them."""

    def __init__(self, backend: Backend, look_s: float = LOOK_S) -> None:
        self._backend = backend
        self._look_s = look_s
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._after_id = self._now_id = 0
        self._settled: set[int] = set()
        self._of_jobs: dict[str, int] = {}
        """Up to which record each run was read that somebody listens to."""
        self._at_work: dict[str, int] | None = None
        """The same of the runs at work, for those who listen to all; None: at the next look it begins."""
        self._progress: dict[str, ToldEvent] = {}
        self._closing = False

    async def listen(self, job: str | None, after_id: int | None) -> AsyncIterator[bytes]:
        """What is told from now on, as it goes over the wire, with comments that keep the connection open.

        Args:
            job: the id of a run, whose stream ends with it; None: of all runs, without end.
            after_id: the last id that the listener has seen: what came since is told first. None: of one run all is.
        """
        listener = Listener(job)
        self._listeners.add(listener)
        try:
            await self._begin(job)
            seen = after_id or 0
            async for event in self._since(job, seen, backlog=job is not None or after_id is not None):
                seen = max(seen, event.id or 0)
                yield event.encoded
                if job is not None and event.name == "end":
                    return
            for run_id, progress in list(self._progress.items()):
                if job in (None, run_id):
                    yield progress.encoded
            async for new in self._live(listener):
                if new is None:
                    yield KEEPALIVE_COMMENT
                elif new.id is None or new.id > seen:
                    yield new.encoded
                    if job is not None and new.name == "end":
                        return
        finally:
            self._listeners.discard(listener)
            if job is not None and all(one.job != job for one in self._listeners):
                self._of_jobs.pop(job, None)

    def close(self) -> None:
        """End all streams; from any thread."""
        self._closing = True
        if self._looking is not None and not self._looking.done():
            self._looking.get_loop().call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for listener in list(self._listeners):
            listener.give([None])

    async def _live(self, listener: Listener) -> AsyncIterator[ToldEvent | None]:
        """What comes; None where nothing came for a while."""
        end_s = time.monotonic() + LONGEST_S
        while not listener.lost and not self._closing and time.monotonic() < end_s:
            try:
                event = await asyncio.wait_for(listener.waiting.get(), PING_S)
            except TimeoutError:
                yield None
                continue
            if event is None:
                return
            yield event

    async def _begin(self, job: str | None) -> None:
        """Have what is written from now on be seen."""
        if job is not None and job not in self._of_jobs:
            last_id = await asyncio.to_thread(last_event_of_run, self._backend.instance, job)
            self._of_jobs.setdefault(job, last_id)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())

    async def _since(self, job: str | None, after_id: int, *, backlog: bool) -> AsyncIterator[ToldEvent]:
        """What stands in the log already."""
        while backlog:
            events, last_id = await asyncio.to_thread(self._stored, job, after_id)
            for event in events:
                yield event
            backlog = last_id > after_id and job is None
            after_id = last_id

    def _stored(self, job: str | None, after_id: int) -> tuple[list[ToldEvent], int]:
        instance = self._backend.instance
        if job is not None:
            records = list(events_of_run(instance, job, after_id))
        else:
            records = run_events_after(instance, after_id, metadata=METADATA)
        return self._told(records), records[-1].storage_id if records else after_id

    async def _look_on(self) -> None:
        """Look while somebody listens."""
        self._at_work = None
        self._after_id = await asyncio.to_thread(last_event_id, self._backend.instance)
        first = max(0, self._after_id - UNSETTLED)
        records = await asyncio.to_thread(run_events_after, self._backend.instance, first, metadata=())
        self._settled, self._now_id = {record.storage_id for record in records}, self._after_id
        while self._listeners and not self._closing:
            wait_s = self._look_s
            try:
                of_all, of_runs = await asyncio.to_thread(self._look)
            except Exception:  # whatever the database's driver raises: it may be back at the next look
                LOG.exception("The event log could not be read.")
                wait_s = AFTER_ERROR_S
            else:
                for listener in list(self._listeners):
                    listener.give(of_all if listener.job is None else of_runs.get(listener.job, ()))
            await asyncio.sleep(wait_s)

    def _look(self) -> tuple[list[ToldEvent], dict[str, list[ToldEvent]]]:
        """What is new for those who listen to all, and by run for those who listen to one."""
        instance = self._backend.instance
        at_work = [one.dagster_run for one in instance.get_run_records(dg.RunsFilter(statuses=AT_WORK))]
        of_all = self._new_of_all()
        of_runs = {}
        for job, cursor in list(self._of_jobs.items()):
            records = list(events_of_run(instance, job, cursor))
            if records:
                self._of_jobs[job] = records[-1].storage_id
            of_runs[job] = self._told(records)
        if any(one.job is None for one in list(self._listeners)):
            of_all += self._new_at_work(at_work)
        else:
            self._at_work = None
        for run in at_work:
            progress = self._new_progress(run)
            if progress is not None:
                of_all.append(progress)
                of_runs.setdefault(run.run_id, []).append(progress)
        going_on = {run.run_id for run in at_work}
        self._progress = {run_id: one for run_id, one in self._progress.items() if run_id in going_on}
        return of_all, of_runs

    def _new_of_all(self) -> list[ToldEvent]:
        """What is new in the index of all runs."""
        now_id, before_id = last_event_id(self._backend.instance), self._now_id
        self._now_id = now_id
        if now_id == before_id == self._after_id:
            return []
        first = max(0, self._after_id - UNSETTLED)
        records = run_events_after(self._backend.instance, first, metadata=METADATA, known=self._settled)
        self._after_id = max([now_id, *(record.storage_id for record in records)])
        self._settled |= {record.storage_id for record in records}
        self._settled = {one for one in self._settled if one > self._after_id - 2 * UNSETTLED}
        return self._told(records)

    def _new_at_work(self, at_work: Sequence[dg.DagsterRun]) -> list[ToldEvent]:
        """What the index has not: the log of runs at work, and the stages that begin or fail. Told without ids."""
        before, instance = self._at_work, self._backend.instance
        self._at_work, events = {}, []
        for run in at_work:
            if before is None:
                self._at_work[run.run_id] = last_event_of_run(instance, run.run_id)
                continue
            cursor = before.get(run.run_id, 0)
            records = list(events_of_run(instance, run.run_id, cursor))
            self._at_work[run.run_id] = records[-1].storage_id if records else cursor
            events += [
                ToldEvent(event.name, event.data)
                for event in self._told(records)
                if event.name == "log"
                or (event.name == "stage" and event.data["status"] in ("running", "failed", "stopped"))
            ]
        return events

    def _told(self, records: Iterable[dg.EventLogRecord]) -> list[ToldEvent]:
        runs: dict[str, dg.DagsterRun | None] = {}
        events: list[ToldEvent] = []
        for record in records:
            run_id = record.event_log_entry.run_id
            if run_id not in runs:
                runs[run_id] = self._backend.instance.get_run_by_id(run_id)
            events += told(record, runs[run_id], self._brand_counts)
        return events

    def _new_progress(self, run: dg.DagsterRun) -> ToldEvent | None:
        """How far a run is, where it is not as told last."""
        timeline = run.tags.get(PARTITION_NAME_TAG, "")
        try:
            report = stored_report(self._backend.storage, timeline, run.run_id)
        except MprError as error:
            LOG.warning("The progress of %s cannot be read: %s", timeline, error)
            return None
        if report is None:
            self._progress.pop(run.run_id, None)
            return None
        event = told_progress(run.run_id, timeline, of_report(report))
        if self._progress.get(run.run_id) == event:
            return None
        self._progress[run.run_id] = event
        return event

    def _brand_counts(self, stage: str, timeline: str, data_version: str) -> dict[str, int] | None:
        if stage not in BY_NAME or not BY_NAME[stage].detection_sources:
            return None
        try:
            table = self._backend.table(stage, timeline)
        except MprError:
            return None
        if table.header.data_version != data_version:
            return None
        counts = table.rows.drop_nulls("brand").group_by("brand").len().sort("len", "brand", descending=[True, False])
        return dict(counts.select("brand", pl.col("len").cast(pl.Int64)).iter_rows())
