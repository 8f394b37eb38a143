"""The command `watch`: a run's progress until it ends, as stored by `mpr_resources.progress`."""

from __future__ import annotations

import time

import dagster as dg
import typer

from mpr_assets.definitions import STAGES
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.run_lock import runs_of
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.exit_status import FAILED
from mpr_resources.dagster_internals import materialized_in
from mpr_resources.progress import stored_report
from mpr_resources.run_queue import AT_WORK, WAITING
from mpr_resources.storage.store import Storage

app = typer.Typer()

EVERY_S = 1.0


@app.command()
def watch(timeline: Timeline) -> None:
    """Show the progress of a timeline's run until it ends: stage, frames done, rate, time left."""
    store = storage()
    load_spec(store, timeline)
    with dagster_instance() as instance:
        # Of several, the one in progress: the others wait for it.
        runs = [*runs_of(instance, timeline, AT_WORK, limit=1), *runs_of(instance, timeline, WAITING)]
        if not runs:
            terminal.out.print(f"{timeline} has no run, queued or in progress.")
            return
        ended = _follow(instance, store, timeline, runs[0].run_id)
    short = ended.run_id[:8]
    if ended.status == dg.DagsterRunStatus.SUCCESS:
        terminal.out.print(f"run {short}: done")
        return
    terminal.out.print(f"run {short}: {ended.status.value.lower()}; go on with: mpr retry {timeline}")
    raise typer.Exit(FAILED)


def _follow(instance: dg.DagsterInstance, store: Storage, timeline: str, run_id: str) -> dg.DagsterRun:
    """Print a run's progress when it changes, until it has ended."""
    said = ""
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None:
            raise typer.Exit(FAILED)
        if run.is_finished:
            return run
        sentence = f"run {run_id[:8]}: {_state(instance, store, timeline, run)}"
        if sentence != said:
            terminal.out.print(sentence)
            said = sentence
        time.sleep(EVERY_S)


def _state(instance: dg.DagsterInstance, store: Storage, timeline: str, run: dg.DagsterRun) -> str:
    if run.status in WAITING:
        return "waits in the queue"
    report = stored_report(store, timeline, run.run_id)
    if report is not None:
        return report.sentence()
    total = len(run.asset_selection or STAGES)
    return f"{len(materialized_in(instance, run.run_id))} of {total} stages done"
