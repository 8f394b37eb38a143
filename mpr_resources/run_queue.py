"""Dagster's run queue with holds: while a timeline or a profile is on hold, its queued runs wait.

A hold is kept in the instance's own key-value store. A run of a timeline on hold carries a tag of which `dagster.yaml`
lets none run at once; releasing changes the tag. Whoever asks for the run (UI, sensor, backfill) need not know.
What belongs here is loaded by Dagster's webserver and daemon, so it imports nothing but
Dagster and the door to its inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from mpr_resources.dagster_internals import (
    PARTITION_NAME_TAG,
    add_tags,
    instance_of,
    mark_canceling,
    queue_of,
    quiet_idle_sensors,
    read_values,
    write_value,
)

HOLD_TAG = "mpr/hold"
HELD, RELEASED = "on", "off"
PAUSED_TAG = "mpr/paused"
"""On a run that ended between two stages, as was wished."""
WAITING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED]
AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class HoldingRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """Queues runs as Dagster does, those of timelines on hold with the tag that keeps them waiting.

    The daemon makes one as it starts, which is also when it learns not to tell of sensors that had nothing to do.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        quiet_idle_sensors()

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Queue the run. By the tag it is told apart from those that a command line makes without a queue."""
        run, instance = context.dagster_run, instance_of(self)
        timeline = run.tags.get(PARTITION_NAME_TAG, "")
        held = HELD if held_by(instance, [timeline]) else RELEASED
        if run.tags.get(HOLD_TAG) != held:  # a re-execution has the tags of the run that it repeats
            add_tags(instance, run.run_id, {HOLD_TAG: held})
        return super().submit_run(context)


def hold_timeline(instance: dg.DagsterInstance, timeline: str, on: bool) -> None:
    """Put the timeline on hold or release it; `apply_holds` tells the runs that wait already."""
    write_value(instance, f"mpr/hold/timeline/{timeline}", HELD if on else RELEASED)


def hold_profile(instance: dg.DagsterInstance, profile: str, on: bool) -> None:
    """Put all timelines of the profile on hold, later ones too, or release them."""
    write_value(instance, f"mpr/hold/profile/{profile}", HELD if on else RELEASED)


def note_profile(instance: dg.DagsterInstance, timeline: str, profile: str) -> None:
    """Tell the queue which profile a timeline has: it cannot look into the storage."""
    write_value(instance, f"mpr/profile/{timeline}", profile)


def held_by(instance: dg.DagsterInstance, timelines: Iterable[str]) -> dict[str, str]:
    """Why each timeline is on hold: "timeline" or "profile NAME". One that is not on hold is left out."""
    names = sorted(set(timelines) - {""})
    profiles = read_values(instance, (f"mpr/profile/{name}" for name in names))
    of = {name: profiles.get(f"mpr/profile/{name}", "") for name in names}
    keys = {f"mpr/hold/timeline/{name}" for name in names} | {f"mpr/hold/profile/{profile}" for profile in of.values()}
    holds = {key for key, value in read_values(instance, keys).items() if value == HELD}
    why = {name: f"profile {of[name]}" for name in names if f"mpr/hold/profile/{of[name]}" in holds}
    return why | {name: "timeline" for name in names if f"mpr/hold/timeline/{name}" in holds}


def apply_holds(instance: dg.DagsterInstance) -> int:
    """Make every waiting run wait or go as the holds say now; gives how many changed."""
    waiting = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=WAITING))]
    held = held_by(instance, (run.tags.get(PARTITION_NAME_TAG, "") for run in waiting))
    changed = 0
    for run in waiting:
        now = HELD if run.tags.get(PARTITION_NAME_TAG) in held else RELEASED
        if run.tags.get(HOLD_TAG, RELEASED) != now:
            add_tags(instance, run.run_id, {HOLD_TAG: now})
            changed += 1
    return changed


def pause_after_stage(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Wish that a run ends once its present stage is made: what is left of it can be resumed."""
    write_value(instance, _pause_key(run), run.run_id)


def is_to_pause(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether that was wished of the run. Asked between two of its stages."""
    key = _pause_key(run)
    return read_values(instance, [key]).get(key) == run.run_id


def end_as_paused(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Mark a run that ends between two stages, as was wished.

    Raises:
        DagsterExecutionInterruptedError: always: by it the run's process ends the run.
    """
    add_tags(instance, run.run_id, {PAUSED_TAG: "true"})
    mark_canceling(instance, run)
    raise dg.DagsterExecutionInterruptedError


def _pause_key(run: dg.DagsterRun) -> str:
    # Not by run: a timeline has one at a time, and so one row, however often it is run.
    return f"mpr/pause/{run.tags.get(PARTITION_NAME_TAG, '')}"


def unfinished_timelines(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus] = (*WAITING, *AT_WORK)
) -> set[str]:
    """Timelines of which a run waits or is at work."""
    records = instance.get_run_records(dg.RunsFilter(statuses=[*statuses]))
    tags = [record.dagster_run.tags for record in records]
    return {of_run[PARTITION_NAME_TAG] for of_run in tags if PARTITION_NAME_TAG in of_run}


def can_hold(instance: dg.DagsterInstance) -> bool:
    """Whether the instance's `dagster.yaml` names this queue and its limit."""
    queue, limits = queue_of(instance)
    named = any(limit.get("key") == HOLD_TAG and limit.get("limit") == 0 for limit in limits)
    return named and isinstance(queue, HoldingRunCoordinator)
