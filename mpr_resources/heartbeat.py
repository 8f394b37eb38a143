"""Heartbeats: a run writes one every few seconds to Dagster's key-value store. Run monitoring marks a run failed when
its heartbeat stops, whatever died with it; a run that was ended while it could not be reached notices that and stops.

What belongs here is loaded by Dagster's webserver and daemon, so it imports nothing but
Dagster and the door to its inside.
"""

import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from mpr_resources.dagster_internals import (
    GRPC_INFO_TAG,
    PARTITION_NAME_TAG,
    ConfigurableClassData,
    HealthCheckedRunLauncher,
    has_retry_tag,
    instance_of,
    is_ephemeral,
    read_values,
    retry_run,
    write_value,
)
from mpr_resources.run_queue import AT_WORK

BEAT_S = 3.0
SILENT_S = 45.0
"""A run without a new heartbeat for this long is considered dead."""
CANCEL_BEATS = 10
SILENT_LOOKS = 3
"""And at this many checks: after a database outage, runs have time to write one."""

log = logging.getLogger(__name__)


@dg.resource(description="Writes a run's heartbeat from its first stage to its last.")
def heartbeat(context: dg.InitResourceContext) -> Iterator[None]:
    """Fails where another run of the timeline is at work: two may have begun at the same moment."""
    run, instance = context.run, context.instance
    if run is None or instance is None or is_ephemeral(instance):
        yield
        return
    give_way(instance, run)
    if has_retry_tag(run):  # of the run that this one repeats; what was final is tried again
        retry_run(instance, run.run_id, on_failure=True)
    with beating(instance, run):
        yield


def give_way(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Of runs of one timeline that are at work, the one that was asked for first goes on.

    Raises:
        Failure: this is not the first.
    """
    timeline = run.tags.get(PARTITION_NAME_TAG)
    if timeline is None:
        return
    at_work = instance.get_run_records(dg.RunsFilter(statuses=AT_WORK, tags={PARTITION_NAME_TAG: timeline}))
    first = min(at_work, key=lambda one: one.storage_id, default=None)
    if first is not None and first.dagster_run.run_id != run.run_id:
        raise dg.Failure(
            f"The run {first.dagster_run.run_id[:8]} of the timeline {timeline!r} is in progress; run this one again "
            "once it ends."
        )


@contextmanager
def beating(instance: dg.DagsterInstance, run: dg.DagsterRun, every_s: float = BEAT_S) -> Iterator[None]:
    """While the block runs, write the run's heartbeat from a separate thread.

    The main thread gets SIGINT, once, when the run was ended or canceled in the meantime and this process goes on for
    two beats: the run is a command line's, or the server that would have told it is gone. While there may be one that
    has told it, the process gets more beats to come to its end.
    """
    over = threading.Event()
    told_by_server = GRPC_INFO_TAG in run.tags

    def beat() -> None:
        ended = 0
        for number in itertools.count():
            try:
                write_value(instance, _key(run), f"{run.run_id} {number}")
                now = instance.get_run_by_id(run.run_id)
            except Exception as error:  # whatever the database's driver raises: it may be back at the next beat
                log.warning("The run's heartbeat could not be written: %s", error)
            else:
                going_on = now is not None and now.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
                ended = 0 if going_on else ended + 1
                canceling = now is not None and now.status == dg.DagsterRunStatus.CANCELING
                if ended >= (CANCEL_BEATS if canceling and told_by_server else 2) and not over.is_set():
                    main = threading.main_thread().ident
                    assert main is not None
                    signal.pthread_kill(main, signal.SIGINT)
                    return
            if over.wait(every_s):
                return

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(every_s)  # of a database that does not answer the run's end does not wait longer


@dataclass
class _Sign:
    """The last sign of a timeline's run, when it was first seen, and how many looks since then found no other."""

    text: str
    since_s: float
    looks: int = 0


class WatchedRunLauncher(HealthCheckedRunLauncher):
    """Dagster's launcher, whose runs are monitored by their heartbeats. A run that has written none is not judged."""

    def __init__(
        self, inst_data: ConfigurableClassData | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inst_data)
        self._clock = clock
        self._last: dict[str, _Sign] = {}

    def why_gone(self, run: dg.DagsterRun) -> str | None:
        """For how long there was no sign, where that is too long."""
        key, now_s = _key(run), self._clock()
        text = read_values(instance_of(self), [key]).get(key, "")
        last = self._last.get(key)
        if not text.startswith(run.run_id) or last is None or last.text != text:
            self._last[key] = _Sign(text, now_s)
            return None
        last.looks += 1
        silent_s = now_s - last.since_s
        if last.looks < SILENT_LOOKS or silent_s < SILENT_S:
            return None
        return f"no heartbeat for {silent_s:.0f} s"


def _key(run: dg.DagsterRun) -> str:
    # Not by run: a timeline has one at a time, and so one row, however often it is run.
    return f"mpr/alive/{run.tags.get(PARTITION_NAME_TAG, run.job_name)}"
