"""One run of a timeline at a time: who is at work, and whose process is gone.

A queue keeps to it by the limit of `dagster/partition` in its `dagster.yaml`. A run in a command line's own process
does not pass the queue: it holds a lock, which the system takes back however the process ends.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from filelock import FileLock, Timeout

from gpu_service.errors import BadInput
from mpr_resources.dagster_internals import GRPC_INFO_TAG, PARTITION_NAME_TAG, home_of, mark_failed
from mpr_resources.run_queue import AT_WORK, HOLD_TAG

COMMAND_TAG = "mpr/command"
"""Which command asked for the run; the history shows it."""
USER_TAG = "user"
PLACE_TAG = "mpr/place"
"""The machine on which the command was given, and its `DAGSTER_HOME`: where its lock lies."""


def runs_of(
    instance: dg.DagsterInstance, timeline: str, statuses: Sequence[dg.DagsterRunStatus], limit: int | None = None
) -> Sequence[dg.DagsterRun]:
    """The timeline's runs, the latest first."""
    wanted = dg.RunsFilter(statuses=list(statuses), tags={PARTITION_NAME_TAG: timeline})
    return [record.dagster_run for record in instance.get_run_records(wanted, limit=limit)]


def is_local(run: dg.DagsterRun) -> bool:
    """Whether a command line does the run in its own process.

    One that the UI executes again has that command's tags too, and those of the queue and the server that it passed.
    """
    return COMMAND_TAG in run.tags and not {GRPC_INFO_TAG, HOLD_TAG} & run.tags.keys()


def place(instance: dg.DagsterInstance) -> str:
    """Where commands of this process take their locks."""
    return f"{socket.gethostname()}:{home_of(instance)}"


class AtWork(BadInput):
    """A run of the timeline is in progress: what was asked for has to wait for its end."""


@contextmanager
def run_lock(instance: dg.DagsterInstance, timeline: str) -> Iterator[None]:
    """While the block runs, no other command of this `DAGSTER_HOME` runs the timeline, nor does one begin.

    A run of a command line that takes the same locks, seems to be at work and holds none is marked failed: its process
    is gone.

    Raises:
        AtWork: a run of the timeline is at work: two would write the same objects.
    """
    folder = home_of(instance) / "locks"
    # Without the fallback: a soft lock outlives a process that is killed.
    lock = FileLock(folder / timeline, blocking=False, fallback_to_soft=False)
    try:
        folder.mkdir(exist_ok=True)
        lock.acquire()
    except Timeout:
        raise AtWork(
            f"A run of the timeline {timeline!r} is in progress in another command line",
            f"end it with mpr stop {timeline}, or wait for it",
        ) from None
    except OSError as error:
        raise BadInput(
            f"Dagster's folder {folder.parent} cannot be written ({error.strerror})",
            "set DAGSTER_HOME to a writable one",
        ) from error
    try:
        for run in runs_of(instance, timeline, AT_WORK):
            if not is_local(run) or run.tags.get(PLACE_TAG) != place(instance):
                raise AtWork(
                    f"The run {run.run_id[:8]} of the timeline {timeline!r} is in progress",
                    f"end it with mpr stop {timeline}, or wait for it",
                )
            mark_failed(instance, run, "The process of the run is gone.")
        yield
    finally:
        lock.release()


def refuse_at_work(instance: dg.DagsterInstance, timeline: str) -> None:
    """Raise AtWork when a run of the timeline is at work."""
    with run_lock(instance, timeline):
        pass
