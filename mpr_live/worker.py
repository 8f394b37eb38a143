"""The worker process of a session: `python -m mpr_live.worker NAME PARENT`. It takes window after window, warm.

PARENT is the number of the supervisor's process. Each closed window becomes a timeline, whose run is one of Dagster's
like any other. A window is done once its record is written; a worker that was killed before takes it again, and what
its run had stored is not computed twice.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

import dagster as dg
from pydantic import JsonValue

from gpu_service.errors import MprError
from gpu_service.masking import masked
from mpr_assets.definitions import STAGES, storage_resource
from mpr_assets.runs.local_instance import LOG, PATIENCE_S, dagster_instance, resources
from mpr_assets.runs.local_run import report_session, run_here
from mpr_assets.runs.run_lock import AtWork, run_lock
from mpr_assets.runs.stage_failed import StageFailed
from mpr_assets.runs.up_to_date import up_to_date
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.sessions.joint import Joint, joint
from mpr_assets.sessions.session import Analysed, LiveSession, Window, timeline_of
from mpr_assets.sessions.session_store import SessionStore
from mpr_assets.stages import compile_report, extract_frames
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_live.lag import WindowTurn, turn_of
from mpr_live.processes import end_with_parent, told_to_end
from mpr_live.retention import due, is_set, needed
from mpr_resources.dagster_internals import keep_engines, remember_partitions
from mpr_resources.profiles.profile import Profile
from mpr_resources.storage.tables import read_table

LOOK_S = 0.1
COMMAND = "live"
REPORT_SHARE = 10
"""The report is made anew no more often than that making it takes this part of the time."""


def window_spec(store: SessionStore, session: LiveSession, window: Window) -> TimelineSpec:
    """The timeline of a window."""
    recorded_at = datetime.fromtimestamp(window.wall_s).isoformat(timespec="seconds")
    chunk = ChunkSpec(
        source=store.storage.where(store.key(store.window_file(window.number))),
        name=f"{session.name}/{window.number:06d}.mp4",
        recorded_at=recorded_at,
    )
    return TimelineSpec(
        name=timeline_of(session.name, window.number),
        profile=session.profile,
        chunks=(chunk,),
        brands=session.brands,
        version=window.sha256[:12],
    )


class Worker:
    """Analyses a session's windows in order."""

    def __init__(self, instance: dg.DagsterInstance, store: SessionStore) -> None:
        self._instance = instance
        self._store = store
        self._session = store.session()
        self._resources = resources(patience_s=PATIENCE_S)
        self._number = store.windows_analysed()
        self._held = self._recorded()
        self._report_due_s = 0.0
        self._reported: int | None = None

    def next(self) -> bool:
        """Take the next window; gives whether there was one, and nobody else at work on it."""
        window = self._store.window(self._number)
        if window is None:
            return False
        try:
            self._store.put_analysed(self._analyse(window))
        except AtWork:  # a worker before this one, whose run has not come to its end
            return False
        self._number += 1
        if is_set(self._session):
            self._held.append(window)
        return True

    def _recorded(self) -> list[Window]:
        """The windows whose recording may be taken away; none where it is kept for good."""
        if not is_set(self._session):
            return []
        removed = self._store.removed()
        return [one for one in islice(self._store.windows(), self._number) if one.number not in removed]

    def take_away(self) -> None:
        """Take recordings away that the session keeps no longer."""
        if not due(self._session, self._held, time.time(), frozenset()):
            return
        numbers = due(self._session, self._held, time.time(), needed(self._store))
        if numbers:
            self._store.remove(numbers)
            self._held = [one for one in self._held if one.number not in numbers]

    def report(self) -> None:
        """Make the session's report anew, where a window was analysed since and it is due, or the session is done."""
        began_s = time.monotonic()
        done = self.is_done
        if self._reported == self._number or (not done and began_s < self._report_due_s):
            return
        try:
            report_session(self._instance, self._session.name, command=COMMAND)
        except StageFailed as error:
            LOG.warning("the report: %s", error.sentence)
        ended_s = time.monotonic()
        self._report_due_s = ended_s + REPORT_SHARE * (ended_s - began_s)
        self._reported = self._number

    @property
    def is_done(self) -> bool:
        """Whether no window waits and none will come."""
        state = self._store.ingest()
        return state.ended and self._number >= state.windows

    def _analyse(self, window: Window) -> Analysed:
        began_s = time.time()
        name = timeline_of(self._session.name, window.number)
        run_id, status, reason, turn = "", "analysed", "", WindowTurn()
        try:
            profile = self._resources.profiles.load(self._session.profile)
            turn = turn_of(profile, began_s - window.closed_s, ended=self._store.ingest().ended)
            if turn.skipped is not None:
                LOG.warning("%s is not analysed: %s", name, turn.skipped)
                lag_ms = round((began_s - window.closed_s) * 1000)
                return Analysed(
                    number=window.number, status="skipped", reason=turn.skipped, lag_ms=lag_ms, done_s=began_s
                )
            register(self._instance, self._store.storage, window_spec(self._store, self._session, window))
            with run_lock(self._instance, name):
                stored = up_to_date(self._instance, STAGES, name, self._resources, LOG)
            if stored is None:
                run_id = run_here(self._instance, name, command=COMMAND, config=_thinned(profile, turn)).run_id
        except StageFailed as error:
            run_id, status, reason = error.run_id, "failed", error.sentence
        except AtWork:
            raise
        except MprError as error:
            status, reason = "failed", str(error)
        if reason:
            LOG.warning("%s: %s", name, reason)
        beside = Joint() if reason else self._joint(window)
        now_s = time.time()
        return Analysed.model_validate(
            {
                "number": window.number,
                "status": status,
                "reason": reason,
                "run_id": run_id,
                "thinned": turn.thinned > 1,
                "seconds": round(now_s - began_s, 3),
                "goes_on": beside.goes_on,
                "cut_ms": beside.cut_ms,
                "lag_ms": round((now_s - window.closed_s) * 1000),
                "exposures": 0
                if reason
                else read_table(self._store.storage, compile_report.stage.name, name).rows.height,
                "done_s": now_s,
            }
        )

    def _joint(self, window: Window) -> Joint:
        """With the window before; a window is none the worse where it cannot be told."""
        try:
            return joint(self._store, window)
        except MprError as error:
            LOG.warning("whether the shot goes on into window %d cannot be told: %s", window.number, error)
            return Joint()


def _thinned(profile: Profile, turn: WindowTurn) -> Mapping[str, Mapping[str, JsonValue]]:
    """The settings of a run that looks at fewer frames."""
    if turn.thinned == 1:
        return {}
    sampling = profile.section(extract_frames.stage.name)
    assert isinstance(sampling, ExtractFramesSettings)
    return {extract_frames.stage.name: {"fps": sampling.fps / turn.thinned}}


def work(name: str, told: threading.Event) -> None:
    """Analyse the session's windows until none comes any more, or the process is told to end."""
    store = SessionStore(storage_resource(os.environ).storage, name)
    keep_engines()
    with dagster_instance() as instance:
        remember_partitions(instance)
        worker = Worker(instance, store)
        while not told.is_set():
            took = worker.next()
            worker.report()
            if took:
                worker.take_away()
            if not took:
                if worker.is_done:
                    return
                told.wait(LOOK_S)


def main() -> None:
    """The process."""
    name, parent = sys.argv[1:]
    end_with_parent(int(parent))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s worker: %(message)s")
    try:
        work(name, told_to_end())
    except MprError as error:
        LOG.error("%s", masked(str(error)))
        sys.exit(1)
    except dg.DagsterExecutionInterruptedError:  # told to end in the middle of a run: the window is taken again
        sys.exit(1)


if __name__ == "__main__":
    main()
