"""The command `watch`: a run's progress until it ends, as stored by `mpr_resources.progress`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import dagster as dg
import typer

from gpu_service.errors import PermanentError
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.run_lock import runs_of
from mpr_assets.runs.run_state import QUEUED, RUNNING, SUCCESS, progress_of
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_cli.exit_status import FAILED
from mpr_resources.progress import describe
from mpr_resources.run_queue import AT_WORK, WAITING
from mpr_resources.storage.store import Storage

app = typer.Typer()

EVERY_S = 1.0
NO_RUN = "none"


@dataclass(frozen=True)
class RunState(Document):
    """How far a run is, or what became of it. `status`: queued, running; success, failure, canceled when it has ended;
    none: no run is queued or in progress. `stage`: the one in progress, of which `done` of `total` in `unit` are done;
    null: so many stages are. `left_ms`: null where it is not known yet.
    """

    timeline: str
    run_id: str | None
    status: str
    stage: str | None = None
    done: int | None = None
    total: int | None = None
    unit: str | None = None
    elapsed_ms: int | None = None
    left_ms: int | None = None

    def show(self) -> None:
        if self.run_id is None:
            terminal.out.print(f"{self.timeline} has no run, queued or in progress.")
        else:
            terminal.out.print(f"run {self.run_id[:8]}: {self.sentence()}")

    def sentence(self) -> str:
        """What is to be said of it."""
        if self.status == QUEUED:
            return "waits in the queue"
        if self.status == RUNNING:
            if self.stage is None or self.done is None or self.total is None or self.elapsed_ms is None:
                return f"{self.done} of {self.total} stages done"
            left_s = None if self.left_ms is None else self.left_ms / 1000
            return f"{self.stage}: {describe(self.done, self.total, self.unit or '', self.elapsed_ms / 1000, left_s)}"
        return "done" if self.status == SUCCESS else f"{self.status}; go on with: mpr retry {self.timeline}"

    @property
    def exit_status(self) -> int:
        return 0 if self.status in (QUEUED, RUNNING, SUCCESS, NO_RUN) else FAILED


@app.command()
def watch(timeline: Timeline) -> Iterator[RunState]:
    """Show the progress of a timeline's run until it ends: stage, frames done, rate, time left."""
    store = storage()
    load_spec(store, timeline)
    with dagster_instance() as instance:
        # Of several, the one in progress: the others wait for it.
        runs = [*runs_of(instance, timeline, AT_WORK, limit=1), *runs_of(instance, timeline, WAITING)]
        if not runs:
            yield RunState(timeline, None, NO_RUN)
            return
        yield from _follow(instance, store, timeline, runs[0].run_id)


def _follow(instance: dg.DagsterInstance, store: Storage, timeline: str, run_id: str) -> Iterator[RunState]:
    """A run's state whenever it has changed, until it has ended.

    Raises:
        PermanentError: the run was deleted.
    """
    last = None
    while last is None or last.status in (QUEUED, RUNNING):
        run = instance.get_run_by_id(run_id)
        if run is None:
            raise PermanentError(f"The run {run_id[:8]} was deleted while it was watched.")
        state = _state(instance, store, timeline, run)
        if state != last:
            yield state
            last = state
        if not run.is_finished:
            time.sleep(EVERY_S)


def _state(instance: dg.DagsterInstance, store: Storage, timeline: str, run: dg.DagsterRun) -> RunState:
    if run.is_finished:
        return RunState(timeline, run.run_id, run.status.value.lower())
    if run.status in WAITING:
        return RunState(timeline, run.run_id, QUEUED)
    how_far = progress_of(instance, store, timeline, run)
    if how_far.stage is None:
        return RunState(timeline, run.run_id, RUNNING, done=how_far.done, total=how_far.total)
    return RunState(timeline, run.run_id, RUNNING, **asdict(how_far))
