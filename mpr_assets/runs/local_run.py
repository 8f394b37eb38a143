"""A run in this process, as the command line makes it: its tags, its settings, and the sentence when it fails.

Runs that wait in the queue are in `mpr_assets.runs.run_control`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from pydantic import JsonValue

from gpu_service.errors import MprError
from gpu_service.routines.ocr.engine import OcrSettings
from mpr_assets.across.asset import JOB as BRAND_HISTORY_JOB
from mpr_assets.automation.sensors import STATE_SENSOR
from mpr_assets.definitions import JOB, STAGES, definitions
from mpr_assets.engine.checks import doubt
from mpr_assets.engine.open_run import resolve_settings, stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.freshness.config_versions import observe
from mpr_assets.orchestration.launchpad import from_config
from mpr_assets.runs.local_instance import LOG, PATIENCE_S, resources
from mpr_assets.runs.run_lock import (
    COMMAND_TAG,
    PLACE_TAG,
    USER_TAG,
    place,
    run_lock,
)
from mpr_assets.runs.stage_failed import StageFailed
from mpr_assets.sessions.asset import JOB as SESSION_REPORT_JOB
from mpr_assets.sessions.asset import sessions
from mpr_assets.text.scripts import cannot_be_read
from mpr_resources.dagster_internals import SerializableErrorInfo, runs_of_code_location
from mpr_resources.environment import user_name
from mpr_resources.progress import Progress

CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value


@dataclass(frozen=True)
class LocalRun:
    """A run that succeeded. `doubts`: a line for each check that failed."""

    run_id: str
    doubts: tuple[str, ...]


def run_tags(instance: dg.DagsterInstance, command: str) -> dict[str, str]:
    """The tags that say who asked for a run, and where: a word of the command line, its place, the user's name where
    there is one."""
    user = user_name()
    return {COMMAND_TAG: command, PLACE_TAG: place(instance)} | ({USER_TAG: user} if user else {})


def run_here(
    instance: dg.DagsterInstance,
    timeline: str,
    *,
    command: str,
    stages: Sequence[str] = (),
    config: Mapping[str, Mapping[str, JsonValue]] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> LocalRun:
    """Materialize stages of a timeline in this process, all when none is named.

    Args:
        command: the word that asked for it.
        config: settings for this run only, by stage, as the launchpad takes them.
        progress: is told how far each stage is; None: the run's log is.

    Raises:
        BadInput: a run of the timeline is at work.
        DagsterExecutionInterruptedError: the process was asked to end.
        StageFailed: a stage failed.
    """
    with (
        run_lock(instance, timeline),
        runs_of_code_location(instance, JOB, sensor=STATE_SENSOR, module=definitions.__module__),
    ):
        observe_first(instance, timeline)
        graph = definitions(os.environ, progress=progress)
        result = graph.resolve_job_def(JOB).execute_in_process(
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {stage: {"config": dict(settings)} for stage, settings in (config or {}).items()},
            },
            instance=instance,
            partition_key=timeline,
            asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
            tags=run_tags(instance, command) | dict(tags or {}),
            raise_on_error=False,
        )
    _raise_interrupt(result.all_events)
    doubts = tuple(failed_checks(result.all_events))
    if not result.success:
        raise StageFailed(failure_sentence(result.all_events), result.run_id, doubts)
    return LocalRun(result.run_id, doubts)


def make_history(instance: dg.DagsterInstance, *, command: str) -> str:
    """Materialize `brand_history` in this process; gives the run's id.

    Raises:
        StageFailed: it failed.
    """
    return _make(instance, BRAND_HISTORY_JOB, command)


def report_session(instance: dg.DagsterInstance, session: str, *, command: str) -> str:
    """Materialize the `session_report` of a live session in this process; gives the run's id.

    Raises:
        StageFailed: it failed.
    """
    instance.add_dynamic_partitions(str(sessions.name), [session])
    return _make(instance, SESSION_REPORT_JOB, command, session)


def _make(instance: dg.DagsterInstance, job: str, command: str, partition: str | None = None) -> str:
    result = (
        definitions(os.environ)
        .resolve_job_def(job)
        .execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            partition_key=partition,
            tags=run_tags(instance, command),
            raise_on_error=False,
        )
    )
    _raise_interrupt(result.all_events)
    if not result.success:
        raise StageFailed(failure_sentence(result.all_events), result.run_id, ())
    return result.run_id


def names_not_read(
    timeline: str, stages: Sequence[str] = (), config: Mapping[str, Mapping[str, JsonValue]] | None = None
) -> tuple[str, ...]:
    """Sentences on the names that a run of these stages would look for and cannot read; see `run_here`.

    Empty where that cannot be told now: the run then says why.
    """
    matching, ocr = (next(one for one in STAGES if one.name == name) for name in ("match_brands", "run_ocr"))
    if stages and matching.name not in stages:
        return ()
    try:
        world = resources(patience_s=PATIENCE_S)
        run = stage_run(matching, timeline, NO_OVERRIDES, world, LOG)
        settings = resolve_settings(ocr, run.profile, from_config((config or {}).get(ocr.name, {})))
        if run.skipped or not settings.enabled:
            return ()
        of_routine = OcrSettings(**{name: getattr(settings, name) for name in OcrSettings.model_fields})
        return cannot_be_read(run.brand_list().brands, run.inference, of_routine)
    except MprError:
        return ()


def observe_first(instance: dg.DagsterInstance, timeline: str) -> int:
    """Report what changed in the timeline's settings, as a sensor would soon; gives how many.

    A stage that runs before its settings were ever observed would not go stale in the UI later.
    """
    return observe(instance, STAGES, [timeline], resources(patience_s=PATIENCE_S), LOG)


def failed_checks(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """A line for each check that failed: the result is there, and in doubt."""
    found = [event.asset_check_evaluation_data for event in events if event.event_type_value == CHECKED]
    return [
        doubt(one.check_name, one.asset_key.to_user_string(), one.description or "") for one in found if not one.passed
    ]


def failure_sentence(events: Sequence[dg.DagsterEvent]) -> str:
    """What the first stage that failed said, or the run when none was reached. `events`: those of a run that failed."""
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data is not None and failure.user_failure_data.description:
                return f"{event.step_key} failed: {failure.user_failure_data.description}"
            return f"{event.step_key} failed unexpectedly: {_said(failure.error)}"
    said = [_said(event.job_failure_data.error) for event in events if event.is_job_failure]
    return f"The run failed before its first stage: {''.join(said[:1])}"


def _raise_interrupt(events: Sequence[dg.DagsterEvent]) -> None:
    """Where the process was asked to end, in a stage or before the first."""
    for event in events:
        failed_in_stage, failed = event.is_step_failure, event.is_job_failure
        if (failed_in_stage and _interrupted(event.step_failure_data.error)) or (
            failed and _interrupted(event.job_failure_data.error)
        ):
            raise dg.DagsterExecutionInterruptedError


def _interrupted(error: SerializableErrorInfo | None) -> bool:
    """Whether it goes back to the wish that the process end."""
    while error is not None and error.cls_name != dg.DagsterExecutionInterruptedError.__name__:
        error = error.cause
    return error is not None


def _said(error: SerializableErrorInfo | None) -> str:
    """The first line of what an unforeseen error goes back to."""
    while error is not None and error.cause is not None:
        error = error.cause
    lines = error.message.strip().splitlines() if error else []
    return f"{lines[0] if lines else 'no reason given'}. See the run's log in the Dagster UI."
