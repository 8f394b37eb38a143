"""Signs of life: a run at work gives one every few seconds, in Dagster's own key-value store. Run monitoring marks
failed a run whose signs stop, whatever died with it; one that others ended, and that nobody could tell, ends itself.

What belongs here is loaded by Dagster's webserver and daemon, so it imports nothing but Dagster.
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
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._serdes import ConfigurableClassData

BEAT_S = 3.0
SILENT_S = 45.0
"""A run is taken for dead when there is no new sign for so long."""
SILENT_LOOKS = 3
"""And at so many looks: after the database was away, runs have the time to give one."""

log = logging.getLogger(__name__)


@dg.resource(description="Gives signs of life from a run's first stage to its last.")
def heartbeat(context: dg.InitResourceContext) -> Iterator[None]:
    """A run of no timeline gives none: `_key`."""
    run, instance = context.run, context.instance
    if run is None or instance is None or instance.is_ephemeral or PARTITION_NAME_TAG not in run.tags:
        yield
        return
    with beating(instance, run):
        yield


@contextmanager
def beating(instance: dg.DagsterInstance, run: dg.DagsterRun, every_s: float = BEAT_S) -> Iterator[None]:
    """While the block runs, give signs of life of the run from a thread of their own.

    The main thread gets SIGINT, once, when the run was ended or canceled in the meantime and this process goes on for
    two beats: the server that would have told it is gone, or the run is a command line's.
    """
    over = threading.Event()

    def beat() -> None:
        ended = 0
        for number in itertools.count():
            try:
                instance.run_storage.set_cursor_values({_key(run): f"{run.run_id} {number}"})
                now = instance.get_run_by_id(run.run_id)
            except Exception as error:  # whatever the database's driver raises: it may be back at the next beat
                log.warning("The run's sign of life could not be written: %s", error)
            else:
                going_on = now is not None and now.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
                ended = 0 if going_on else ended + 1
                if ended == 2:
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


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, whose runs are watched by their signs of life. A run that has not given any is not judged."""

    def __init__(
        self, inst_data: ConfigurableClassData | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inst_data)
        self._clock = clock
        self._last: dict[str, _Sign] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's signs go on; run monitoring asks this of each run at work, at each of its looks."""
        key, now_s = _key(run), self._clock()
        text = self._instance.run_storage.get_cursor_values({key}).get(key, "")
        last = self._last.get(key)
        if not text.startswith(run.run_id) or last is None or last.text != text:
            self._last[key] = _Sign(text, now_s)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        last.looks += 1
        silent_s = now_s - last.since_s
        if last.looks < SILENT_LOOKS or silent_s < SILENT_S:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"no sign of life for {silent_s:.0f} s")


def _key(run: dg.DagsterRun) -> str:
    # By timeline, which has one run at a time: one row a timeline, however often it is run.
    return f"mpr/alive/{run.tags.get(PARTITION_NAME_TAG, '')}"
