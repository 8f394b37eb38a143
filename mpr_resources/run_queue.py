"""Dagster's run queue with holds: while a timeline or a profile is on hold, its queued runs wait.

A hold is kept in the instance's own key-value store. A run of a timeline on hold carries a tag of which `dagster.yaml`
lets none run at once; releasing changes the tag. Whoever asks for the run (UI, sensor, backfill) need not know.
What belongs here is loaded by Dagster's webserver and daemon, so it imports nothing but Dagster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import PARTITION_NAME_TAG

HOLD_TAG = "mpr/hold"
HELD, RELEASED = "on", "off"
WAITING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED]
AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class HoldingRunCoordinator(QueuedRunCoordinator[dg.DagsterInstance]):
    """Queues runs as Dagster does, those of timelines on hold with the tag that keeps them waiting."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue the run."""
        run = context.dagster_run
        timeline = run.tags.get(PARTITION_NAME_TAG, "")
        held = HELD if held_by(self._instance, [timeline]) else RELEASED
        if run.tags.get(HOLD_TAG, RELEASED) != held:  # a re-execution has the tags of the run that it repeats
            self._instance.add_run_tags(run.run_id, {HOLD_TAG: held})
        return super().submit_run(context)


def hold_timeline(instance: dg.DagsterInstance, timeline: str, on: bool) -> None:
    """Put the timeline on hold or release it; `apply_holds` tells the runs that wait already."""
    _set(instance, f"mpr/hold/timeline/{timeline}", HELD if on else RELEASED)


def hold_profile(instance: dg.DagsterInstance, profile: str, on: bool) -> None:
    """Put all timelines of the profile on hold, later ones too, or release them."""
    _set(instance, f"mpr/hold/profile/{profile}", HELD if on else RELEASED)


def note_profile(instance: dg.DagsterInstance, timeline: str, profile: str) -> None:
    """Tell the queue which profile a timeline has: it cannot look into the storage."""
    _set(instance, f"mpr/profile/{timeline}", profile)


def held_by(instance: dg.DagsterInstance, timelines: Iterable[str]) -> dict[str, str]:
    """Why each timeline is on hold: "timeline" or "profile NAME". One that is not on hold is left out."""
    names = sorted(set(timelines) - {""})
    profiles = _get(instance, (f"mpr/profile/{name}" for name in names))
    of = {name: profiles.get(f"mpr/profile/{name}", "") for name in names}
    keys = {f"mpr/hold/timeline/{name}" for name in names} | {f"mpr/hold/profile/{profile}" for profile in of.values()}
    holds = {key for key, value in _get(instance, keys).items() if value == HELD}
    why = {name: f"profile {of[name]}" for name in names if f"mpr/hold/profile/{of[name]}" in holds}
    return why | {name: "timeline" for name in names if f"mpr/hold/timeline/{name}" in holds}


def apply_holds(instance: dg.DagsterInstance) -> int:
    """Make every waiting run wait or go as the holds say now; gives how many changed."""
    waiting = instance.get_runs(dg.RunsFilter(statuses=WAITING))
    held = held_by(instance, (run.tags.get(PARTITION_NAME_TAG, "") for run in waiting))
    changed = 0
    for run in waiting:
        now = HELD if run.tags.get(PARTITION_NAME_TAG) in held else RELEASED
        if run.tags.get(HOLD_TAG, RELEASED) != now:
            instance.add_run_tags(run.run_id, {HOLD_TAG: now})
            changed += 1
    return changed


def unfinished_timelines(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus] = (*WAITING, *AT_WORK)
) -> set[str]:
    """Timelines of which a run waits or is at work."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[*statuses]))
    return {run.tags[PARTITION_NAME_TAG] for run in runs if PARTITION_NAME_TAG in run.tags}


def can_hold(instance: dg.DagsterInstance) -> bool:
    """Whether the instance's `dagster.yaml` names this queue and its limit."""
    limits: list[dict[str, Any]] = []
    queue = instance.get_concurrency_config().run_queue_config
    if queue is not None:
        limits = [dict(limit) for limit in queue.tag_concurrency_limits]
    named = any(limit.get("key") == HOLD_TAG and limit.get("limit") == 0 for limit in limits)
    return named and isinstance(instance.run_coordinator, HoldingRunCoordinator)


def _get(instance: dg.DagsterInstance, keys: Iterable[str]) -> dict[str, str]:
    return dict(instance.run_storage.get_cursor_values(set(keys)))


def _set(instance: dg.DagsterInstance, key: str, value: str) -> None:
    # One at a time: with SQLite, of several keys the new ones are lost when one of them is there already.
    instance.run_storage.set_cursor_values({key: value})
