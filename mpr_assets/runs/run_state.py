"""How a run stands: its state in the words that users know, how far it is, what became of each of its stages.

How runs are asked for is in `local_run` and `queued_run`, and how they are ended in `run_control`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from pydantic import JsonValue

from gpu_service.errors import NotThere
from mpr_assets.definitions import JOB, STAGES
from mpr_assets.orchestration.launchpad import from_config
from mpr_assets.runs.history import who_asked
from mpr_assets.runs.local_run import failure_sentence
from mpr_assets.runs.queued_run import PARENT_TAG
from mpr_resources.dagster_internals import (
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    events_of_run,
    materialized_in,
)
from mpr_resources.progress import ProgressReport, stored_report
from mpr_resources.run_queue import HELD, HOLD_TAG, PAUSED_TAG, WAITING
from mpr_resources.storage.store import Storage

QUEUED, HELD_BACK, RUNNING, SUCCESS, PAUSED = "queued", "held", "running", "success", "paused"
STATES = (QUEUED, HELD_BACK, RUNNING, "canceling", SUCCESS, "failure", "canceled", PAUSED)
"""`held`: it waits in the queue until its timeline or profile is released; `paused`: it ended after a stage, as was
wished, and can be resumed."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: of its stage in progress `done` of `total` in `unit`; no stage: so many stages are done."""

    stage: str | None
    done: int
    total: int
    unit: str
    elapsed_ms: int | None
    left_ms: int | None


@dataclass(frozen=True)
class RunInfo:
    """A run.

    Attributes:
        parent_id: the run that it replays or continues; None: it does neither.
        stages: those that it is to make.
        overrides: settings that are not the profile's, by stage.
        who: who asked for it.
    """

    run_id: str
    parent_id: str | None
    timeline: str
    status: str
    stages: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, JsonValue]]
    who: str
    created_s: float
    started_s: float | None
    ended_s: float | None


@dataclass(frozen=True)
class StageOfRun:
    """What became of a stage in a run: waiting, running, done, skipped, failed, stopped."""

    stage: str
    status: str
    error: str | None = None


def status_word(run: dg.DagsterRun) -> str:
    """The run's state, one of `STATES`."""
    if run.status in WAITING:
        return HELD_BACK if run.tags.get(HOLD_TAG) == HELD else QUEUED
    if run.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
        return RUNNING
    if run.status == dg.DagsterRunStatus.CANCELED and PAUSED_TAG in run.tags:
        return PAUSED
    return str(run.status.value).lower()


def progress_of(instance: dg.DagsterInstance, storage: Storage, timeline: str, run: dg.DagsterRun) -> RunProgress:
    """How far a run that is at work is."""
    report = stored_report(storage, timeline, run.run_id)
    if report is None:
        return RunProgress(None, len(materialized_in(instance, run.run_id)), len(stages_of(run)), "stages", None, None)
    return of_report(report)


def of_report(report: ProgressReport) -> RunProgress:
    """The same of a stored report."""
    left_ms = None if report.left_s is None else round(report.left_s * 1000)
    return RunProgress(report.stage, report.done, report.total, report.unit, round(report.elapsed_s * 1000), left_ms)


def stages_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """The stages that a run is to make, in order."""
    asked = {key.path[-1] for key in run.asset_selection} if run.asset_selection else None
    return tuple(stage.name for stage in STAGES if asked is None or stage.name in asked)


def info_of(record: dg.RunRecord) -> RunInfo:
    """What a record of a run says."""
    run = record.dagster_run
    configs = run.run_config.get("ops")
    given = {
        stage: from_config(of_stage.get("config") or {}).record()
        for stage, of_stage in (configs.items() if isinstance(configs, Mapping) else ())
        if isinstance(of_stage, Mapping)
    }
    return RunInfo(
        run_id=run.run_id,
        parent_id=run.tags.get(PARENT_TAG) or run.tags.get(PARENT_RUN_ID_TAG),
        timeline=run.tags.get(PARTITION_NAME_TAG, ""),
        status=status_word(run),
        stages=stages_of(run),
        overrides={stage: record for stage, record in given.items() if record},
        who=who_asked(run.tags),
        created_s=record.create_timestamp.timestamp(),
        started_s=record.start_time,
        ended_s=record.end_time,
    )


def runs(
    instance: dg.DagsterInstance,
    *,
    timeline: str | None = None,
    statuses: Sequence[dg.DagsterRunStatus] = (),
    cursor: str | None = None,
    limit: int,
) -> list[RunInfo]:
    """Runs of all stages or some, the latest first. `cursor`: the id of a run; those before it."""
    wanted = dg.RunsFilter(
        job_name=JOB,
        statuses=list(statuses) or None,
        tags={PARTITION_NAME_TAG: timeline} if timeline is not None else None,
    )
    records = instance.get_run_records(wanted, limit=limit, cursor=cursor)
    return [info_of(record) for record in records]


def run_record(instance: dg.DagsterInstance, run_id: str) -> dg.RunRecord:
    """The record of a run.

    Raises:
        NotThere: there is none, or it is of no timeline.
    """
    found = instance.get_run_records(dg.RunsFilter(run_ids=[run_id], job_name=JOB), limit=1)
    if not found:
        raise NotThere(f"There is no job {run_id[:60]!r}", "GET /detect/jobs lists them")
    return found[0]


def stages_in(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[list[StageOfRun], str | None]:
    """What became of each stage of a run, and why the run failed; None: it did not, or has not yet."""
    found = {stage: StageOfRun(stage, "waiting") for stage in stages_of(run)}
    events = [
        record.event_log_entry.dagster_event
        for record in events_of_run(instance, run.run_id, 0)
        if record.event_log_entry.dagster_event is not None
    ]
    for event in events:
        told = stage_event(event)
        if told is not None and told.stage in found:
            found[told.stage] = told
    failed = run.status == dg.DagsterRunStatus.FAILURE
    ended = run.is_finished
    return (
        [StageOfRun(one.stage, "stopped") if ended and one.status == "running" else one for one in found.values()],
        failure_sentence(events) if failed else None,
    )


def stage_event(event: dg.DagsterEvent) -> StageOfRun | None:
    """What an event says of a stage; None: nothing."""
    stage = event.step_key or ""
    if event.is_step_start:
        return StageOfRun(stage, "running")
    if event.is_step_materialization:
        made = event.step_materialization_data.materialization
        return StageOfRun(stage, "skipped" if "skipped" in made.metadata else "done")
    if event.is_step_failure:
        return of_failure(stage, event)
    return None


def of_failure(stage: str, event: dg.DagsterEvent) -> StageOfRun:
    """A stage that failed, or was broken off."""
    error = event.step_failure_data.error
    names: list[str | None] = []
    while error is not None:
        names.append(error.cls_name)
        error = error.cause
    if dg.DagsterExecutionInterruptedError.__name__ in names or "KeyboardInterrupt" in names:
        return StageOfRun(stage, "stopped")
    return StageOfRun(stage, "failed", failure_sentence([event]))
