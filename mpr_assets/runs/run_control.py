"""Stop, hold, clear and retry a timeline's runs: Dagster's own means, under the words that users know.

What is queued and launched is Dagster's to do; holds are in `mpr_resources.run_queue`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import JsonValue

from gpu_service.errors import BadInput
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import CLEARED, read_made
from mpr_assets.freshness.judge import (
    StageState,
    Verdict,
    judge,
    of_timeline,
)
from mpr_assets.runs.run_lock import is_local, runs_of
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources import dagster_internals
from mpr_resources.dagster_internals import (
    BACKFILL_ID_TAG,
    DATA_VERSION_TAG,
    PARENT_RUN_ID_TAG,
    ROOT_RUN_ID_TAG,
    cancel_backfill,
    cancel_run,
    count_runs,
    mark_canceled,
    mark_canceling,
    materialized_in,
)
from mpr_resources.run_queue import (
    AT_WORK,
    WAITING,
    apply_holds,
    can_hold,
    hold_profile,
    hold_timeline,
    note_profile,
)
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
STOP_S = 30.0
"""How long a run may take to stop before it is left to itself."""


@dataclass(frozen=True)
class StopResult:
    """A run that was asked to stop, and what became of it: "canceled", "canceling" or "ended before"."""

    run_id: str
    became: str


@dataclass(frozen=True)
class Backfill:
    """A backfill that still asks for runs.

    Attributes:
        done: how many of its runs ended well, and `failed` otherwise.
    """

    backfill_id: str
    title: str
    timelines: frozenset[str]
    done: int
    failed: int


@dataclass(frozen=True)
class Retry:
    """What is left of a run that did not end well.

    Attributes:
        stages: those that it was to make and did not, in order; the first is where it ended.
        config: the settings that its launchpad had for them, by stage.
        tags: say which run is tried again.
    """

    run_id: str
    stages: tuple[str, ...]
    config: dict[str, dict[str, JsonValue]]
    tags: dict[str, str]


def stop(
    instance: dg.DagsterInstance, timeline: str, *, force: bool = False, wait_s: float = STOP_S, only: str | None = None
) -> list[StopResult]:
    """Cancel the timeline's runs, those that wait and those at work.

    Args:
        only: the id of the one to cancel; None: all.
        force: take a run for ended that is not after that time: its process is gone.
        wait_s: how long to wait for those at work.
    """
    runs = [run for run in runs_of(instance, timeline, [*WAITING, *AT_WORK]) if only in (None, run.run_id)]
    for run in runs:
        _cancel(instance, run)
    end_s = time.monotonic() + wait_s
    became = {run.run_id: _outcome(instance, run.run_id, end_s) for run in runs}
    for run in runs:
        if force and became[run.run_id] == "canceling":
            mark_canceled(instance, run, "Marked ended by mpr stop --force.")
            became[run.run_id] = "canceled"
    return [StopResult(run_id, what) for run_id, what in became.items()]


def backfills_at_work(instance: dg.DagsterInstance) -> list[Backfill]:
    """The latest first."""
    return [
        Backfill(
            one.backfill_id,
            one.title,
            one.partitions,
            _runs(instance, one.backfill_id, dg.DagsterRunStatus.SUCCESS),
            _runs(instance, one.backfill_id, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED),
        )
        for one in dagster_internals.backfills_at_work(instance)
    ]


def _runs(instance: dg.DagsterInstance, backfill_id: str, *statuses: dg.DagsterRunStatus) -> int:
    return count_runs(instance, dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill_id}, statuses=[*statuses]))


def stop_backfill(instance: dg.DagsterInstance, backfill_id: str) -> None:
    """Ask a backfill to end as the UI does: the daemon then cancels its runs.

    Raises:
        BadInput: there is none that is at work.
    """
    if not cancel_backfill(instance, backfill_id):
        raise BadInput(f"No backfill {backfill_id!r} is at work", "mpr status lists those in progress")


def _cancel(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Ask a run to end. One that nobody can tell, as it is a command line's or as its server is gone, sees by itself
    that it is to: `mpr_resources.heartbeat`."""
    if run.status == dg.DagsterRunStatus.NOT_STARTED:
        mark_canceled(instance, run)
    elif is_local(run):
        if run.status != dg.DagsterRunStatus.CANCELING:
            mark_canceling(instance, run)
    else:
        cancel_run(instance, run.run_id)


def _outcome(instance: dg.DagsterInstance, run_id: str, end_s: float) -> str:
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return "canceled" if run is None or run.status == dg.DagsterRunStatus.CANCELED else "ended before"
        if time.monotonic() >= end_s:
            return "canceling"
        time.sleep(0.2)


def hold(
    instance: dg.DagsterInstance, storage: Storage, *, on: bool, timeline: str | None = None, profile: str | None = None
) -> int:
    """Put a timeline or a profile on hold, or release it; gives how many waiting runs that changed.

    Raises:
        BadInput: the instance's queue knows no holds.
    """
    if not can_hold(instance):
        raise BadInput(
            "This Dagster instance's queue does not support holds",
            "copy `run_coordinator` and the limit of `mpr/hold` from MPR's dagster.yaml and restart Dagster",
        )
    if timeline is not None:
        note_profile(instance, timeline, load_spec(storage, timeline).profile)
        hold_timeline(instance, timeline, on)
    if profile is not None:
        for name in registered(instance):
            note_profile(instance, name, load_spec(storage, name).profile)
        hold_profile(instance, profile, on)
    return apply_holds(instance)


def downstream(stages: Sequence[Stage], first: str) -> list[str]:
    """The stage and all that depend on it, in order."""
    found: list[str] = []
    for stage in stages:
        if stage.name == first or any(name in found for name in stage.inputs):
            found.append(stage.name)
    return found


def selection(stages: Sequence[Stage], first: str, *, only: bool = False, through: str | None = None) -> list[str]:
    """The stages to materialize, in order: the first and all that depend on it, or those up to `through`.

    Raises:
        BadInput: both limits are given, or `through` does not depend on the first.
    """
    if only and through is not None:
        raise BadInput("--only and --through cannot be combined", "give one of them")
    if only:
        return [first]
    below = downstream(stages, first)
    if through is None:
        return below
    if through not in below:
        raise BadInput(f"{through} does not depend on {first}", f"choose one of {', '.join(below)}")
    needed = {through}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.inputs)
    return [name for name in below if name in needed]


def clear(instance: dg.DagsterInstance, storage: Storage, timeline: str, stages: Sequence[Stage]) -> int:
    """Forget what the stages made of the timeline; gives how many objects were deleted.

    Dagster cannot take back a materialization of one partition, so an empty one is reported that says so.
    """
    for stage in stages:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                stage.name,
                partition=timeline,
                description="Cleared: this stage's stored result was deleted.",
                metadata={CLEARED: True},
                tags={DATA_VERSION_TAG: CLEARED},
            )
        )
    names = {stage.name for stage in stages}
    doomed = [key for name in names if storage.exists(key := Keys.table(name, timeline))]
    doomed += [key for stage in stages for folder in stage.folders(timeline) for key in storage.list(folder)]
    overlays = Keys.overlay(timeline, "", "", 0, "").partition("//")[0]
    doomed += [key for key in storage.list(overlays) if key.removeprefix(overlays).split("/")[2] in names]
    storage.delete(doomed)
    return len(doomed)


def next_step(
    instance: dg.DagsterInstance, stages: Sequence[Stage], timeline: str, resources: RunResources, log: logging.Logger
) -> Verdict | None:
    """The first stage of the timeline that is missing or stale; None when there is none.

    Args:
        resources: those of a run, by attribute.
    """
    config = config_versions(stages, usable_timelines([timeline], resources, log), resources, log).get(timeline, {})
    nodes = [*map(node, stages)]
    verdicts = judge(nodes, of_timeline(read_made(instance, nodes, [timeline]), timeline), config)
    return next((one for one in verdicts if one.state in (StageState.MISSING, StageState.STALE)), None)


def what_to_retry(
    instance: dg.DagsterInstance, stages: Sequence[str], timeline: str, run: dg.DagsterRun | None = None
) -> Retry:
    """What the timeline's last run left undone, or `run`.

    Raises:
        BadInput: it has no run, or the last one ended well.
    """
    last = run or next(iter(runs_of(instance, timeline, ENDED, limit=1)), None)
    if last is None:
        raise BadInput(
            f"No run of the timeline {timeline!r} has ended", f"start one with mpr replay {timeline} timeline"
        )
    if last.status == dg.DagsterRunStatus.SUCCESS:
        raise BadInput(f"The last run {last.run_id[:8]} of the timeline {timeline!r} did not fail", "nothing is left")
    done = {key.path[-1] for key in materialized_in(instance, last.run_id)}
    asked = {key.path[-1] for key in last.asset_selection} if last.asset_selection else set(stages)
    left = tuple(stage for stage in stages if stage in asked - done)
    if not left:
        raise BadInput(f"Every stage of the last run {last.run_id[:8]} was made", "a check failed: see its log")
    ops: Mapping[str, Any] = last.run_config.get("ops", {})  # type: ignore[assignment]  # Dagster says object
    return Retry(
        run_id=last.run_id,
        stages=left,
        config={stage: dict(ops[stage].get("config", {})) for stage in left if stage in ops},
        tags={PARENT_RUN_ID_TAG: last.run_id, ROOT_RUN_ID_TAG: last.tags.get(ROOT_RUN_ID_TAG, last.run_id)},
    )
