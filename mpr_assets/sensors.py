"""What happens by itself: changed settings are observed, and where a profile asks for it what is stale is made again.

Each sensor is a pure decision in a thin shell. What is stale and why is judged in `mpr_assets.freshness`.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.execution.backfill import PartitionBackfill

from mpr_assets.config_assets import config_versions, usable_timelines
from mpr_assets.freshness import (
    BATCH,
    MadeByStage,
    StageNode,
    State,
    changed,
    judge,
    of_timeline,
    read_made,
    read_observed,
    report,
    tell,
)
from mpr_assets.graph import RESOURCES, Stage
from mpr_assets.overrides import as_config
from mpr_assets.partitions import registered
from mpr_resources.run_queue import unfinished_timelines
from mpr_resources.tables import hash_of

INTERVAL_S = 30
MAX_ATTEMPTS = 3
"""A replay that failed so often is left to the user until something changes."""
MAX_RUNS = 100
"""A change of more timelines becomes a backfill, which can be watched and cancelled as one; no more runs a tick."""
OBSERVE_S = 6.0
"""After so long a tick leaves what else changed to the next: SQLite takes 40 ms for each."""
OBSERVED_AT_ONCE = 100
CHANGE_TAG = "mpr/change"
"""What changed, on the runs and backfills that it led to."""


@dataclass(frozen=True)
class Replay:
    """Stages of a timeline to be made again, in one run.

    Attributes:
        overrides: of the stages that a user has overridden, which they keep.
        change: what changed, the same for all timelines that it touches.
        key: of this change on this state of this timeline, so that it is asked for once.
        since_s: when the last of what is to be made again was made.
    """

    timeline: str
    stages: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, Any]]
    change: str
    key: str
    since_s: float

    @property
    def run_config(self) -> dict[str, Any]:
        return {"ops": {stage: {"config": as_config(of_stage)} for stage, of_stage in self.overrides.items()}}


def node(stage: Stage) -> StageNode:
    return StageNode(stage.name, stage.inputs, stage.code_version)


def decide(
    made: MadeByStage,
    config: Mapping[str, Mapping[str, str]],
    nodes: Sequence[StageNode],
    automatic: Collection[str],
    busy: Collection[str],
) -> list[Replay]:
    """The replays that the timelines need.

    What a run's overrides made stays as it is; where something that it depends on has changed it is made again with the
    same overrides. A timeline that was never materialized is left alone.

    Args:
        made: latest materializations of all timelines.
        config: versions of the settings as they are now, by timeline, then stage; a timeline is left alone while one
            of its stages is not there.
        nodes: the stages in order.
        automatic: timelines whose profile says `replay: automatic`.
        busy: timelines with a run that has not ended.
    """
    replays = []
    for timeline in sorted(automatic):
        versions = config.get(timeline, {})
        if timeline in busy or any(one.name not in versions for one in nodes):
            continue
        mine = of_timeline(made, timeline)
        verdicts = judge(nodes, mine, versions)
        stages = _to_make(nodes, {verdict.stage: verdict.state for verdict in verdicts})
        if not stages:
            continue
        overrides = {one.stage: one.overrides for one in verdicts if one.overrides and one.stage in stages}
        before = {stage: mine[stage] for stage in stages if stage in mine}
        wanted = [
            # Settings that did not change are left out: those of `timeline` are each timeline's own.
            (one.name, "" if before.get(one.name) and before[one.name].config == version else version, one.code_version)
            for one in nodes
            if one.name in stages
            for version in [versions[one.name]]
        ]
        change = hash_of([wanted, overrides])[:32]
        key = hash_of([timeline, change, [one.event_id for one in before.values()]])[:32]
        since_s = max(one.time_s for one in before.values())
        replays.append(Replay(timeline, stages, overrides, change, key, since_s))
    return replays


def to_ask_for(
    replays: Sequence[Replay],
    failed_s: Mapping[tuple[str, str], Sequence[float]],
    backfilled_s: Mapping[str, float],
) -> list[Replay]:
    """The replays that are to be asked for now, each with a key of this attempt.

    Args:
        failed_s: when runs were asked for that failed, by timeline and change.
        backfilled_s: when a backfill was last made for a change. What it was cancelled before is not asked for again,
            but what failed in it is.
    """
    wanted = []
    for one in replays:
        attempt = sum(time_s > one.since_s for time_s in failed_s.get((one.timeline, one.change), ()))
        backfilled = backfilled_s.get(one.change, 0.0) > one.since_s
        if attempt < MAX_ATTEMPTS and (attempt or not backfilled):
            wanted.append(replace(one, key=f"{one.key}-{attempt}"))
    return wanted


def _to_make(nodes: Sequence[StageNode], states: Mapping[str, State]) -> tuple[str, ...]:
    """The stale stages, and the missing ones that they need, in order."""
    stages: list[StageNode] = []
    for one in reversed(nodes):
        needed = any(one.name in other.inputs for other in stages)
        if states[one.name] is State.STALE or (states[one.name] is State.MISSING and needed):
            stages.insert(0, one)
    return tuple(one.name for one in stages)


def answered(replay: Replay, made: MadeByStage, nodes: Sequence[StageNode], changes: Mapping[str, str]) -> bool:
    """Whether this very replay has been made, from the inputs as they are, so that another would change nothing.

    It happens where the process that judges and the one that runs disagree, on a version of the code for example.

    Args:
        changes: the change that a run was asked for, by run id.
    """
    inputs = {one.name: one.inputs for one in nodes}
    for stage in replay.stages:
        mine = made.get(stage, {}).get(replay.timeline)
        if mine is None or changes.get(mine.run_id) != replay.change:
            return False
        others = (made.get(name, {}).get(replay.timeline) for name in inputs[stage] if name not in replay.stages)
        if any(other is not None and other.event_id > mine.event_id for other in others):
            return False
    return True


def config_sensor(stages: Sequence[Stage]) -> dg.SensorDefinition:
    """Reports the settings that changed since they were last observed, and those only."""

    @dg.sensor(
        name="observe_settings",
        description="Observes config/<stage> where a profile, a brand list, a logo or a model changed.",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        timelines = registered(context.instance)
        number = observe(context.instance, stages, timelines, context.resources, context.log, OBSERVE_S)
        return dg.SkipReason(f"{number} settings of {len(timelines)} timelines changed.")

    return sense


def observe(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    timelines: Sequence[str],
    resources: Any,
    log: logging.Logger,
    within_s: float = math.inf,
) -> int:
    """Report the settings of these timelines that are not as last observed; gives their number.

    A stage that runs before its settings were ever observed does not go stale in Dagster's eyes later.

    Args:
        within_s: after so long, no more are reported.
    """
    end_s = time.monotonic() + within_s
    config = config_versions(stages, usable_timelines(timelines, resources, log), resources, log)
    changes = sorted(changed(config, read_observed(instance, [*map(node, stages)], timelines)))
    number = 0
    while number < len(changes) and time.monotonic() < end_s:
        number += report(instance, changes[number : number + OBSERVED_AT_ONCE])
    return number


def state_sensor(stages: Sequence[Stage]) -> dg.SensorDefinition:
    """Tells in the metadata of the asset `timeline` what is stale of each timeline."""

    @dg.sensor(
        name="show_states",
        description="Observes `timeline` where a stage became stale, fresh, missing or overridden: see its metadata.",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        usable = usable_timelines(registered(context.instance), context.resources, context.log)
        config = config_versions(stages, usable, context.resources, context.log)
        nodes = [*map(node, stages)]
        made = read_made(context.instance, nodes, list(config))
        number = tell(
            context.instance,
            {timeline: judge(nodes, of_timeline(made, timeline), of) for timeline, of in config.items()},
        )
        return dg.SkipReason(f"The states of {number} of {len(config)} timelines changed.")

    return sense


def replay_sensor(stages: Sequence[Stage], job: str) -> dg.SensorDefinition:
    """Asks for what is stale of the timelines whose profile says `replay: automatic`."""

    @dg.sensor(
        name="replay_stale",
        description="Materializes again what is stale, where the profile says `replay: automatic`.",
        job_name=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        usable = usable_timelines(registered(context.instance), context.resources, context.log)
        automatic = {name: (spec, profile) for name, (spec, profile) in usable.items() if profile.replay == "automatic"}
        if not automatic:
            return dg.SkipReason("No timeline has a profile with `replay: automatic`.")
        config = config_versions(stages, automatic, context.resources, context.log)
        replays = _wanted(context.instance, [*map(node, stages)], config)
        large, few = _by_size(replays)
        for of_change in large:
            _backfill(context.instance, context.repository_def.asset_graph, of_change)
        if large and not few:
            return dg.SkipReason(f"{sum(map(len, large))} timelines are stale; asked for in {len(large)} backfills.")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=one.key,
                    partition_key=one.timeline,
                    asset_selection=[dg.AssetKey(stage) for stage in one.stages],
                    run_config=one.run_config,
                    tags={CHANGE_TAG: one.change},
                )
                for one in few[:MAX_RUNS]
            ]
        )

    return sense


def _wanted(
    instance: dg.DagsterInstance, nodes: Sequence[StageNode], config: Mapping[str, Mapping[str, str]]
) -> list[Replay]:
    """The replays to ask for of these timelines, as the event log and the runs have it."""
    automatic = list(config)
    made = read_made(instance, nodes, automatic)
    replays = decide(made, config, nodes, automatic, busy=unfinished_timelines(instance))
    failed_s = _failed_s(instance, sorted({one.change for one in replays}))
    replays = to_ask_for(replays, failed_s, _backfilled_s(instance))
    run_ids = sorted({of[one.timeline].run_id for one in replays for of in made.values() if one.timeline in of})
    changes = _changes(instance, run_ids)
    return [one for one in replays if not answered(one, made, nodes, changes)]


def _by_size(replays: Sequence[Replay]) -> tuple[list[list[Replay]], list[Replay]]:
    """Changes that touch more timelines than `MAX_RUNS`, each with its replays, and the replays of all others."""
    changes: dict[str, list[Replay]] = {}
    for one in replays:
        changes.setdefault(one.change, []).append(one)
    large = [of_change for of_change in changes.values() if len(of_change) > MAX_RUNS]
    return large, [one for one in replays if len(changes[one.change]) <= MAX_RUNS]


def _changes(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> dict[str, str]:
    """The changes that runs were asked for, by run id."""
    batches = (run_ids[at : at + BATCH] for at in range(0, len(run_ids), BATCH))
    runs = (run for batch in batches for run in instance.get_runs(dg.RunsFilter(run_ids=batch)))
    return {run.run_id: run.tags[CHANGE_TAG] for run in runs if CHANGE_TAG in run.tags}


def _failed_s(instance: dg.DagsterInstance, changes: Sequence[str]) -> dict[tuple[str, str], list[float]]:
    """When runs for these changes were asked for that failed, by timeline and change."""
    times: dict[tuple[str, str], list[float]] = {}
    for batch in (changes[at : at + BATCH] for at in range(0, len(changes), BATCH)):
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={CHANGE_TAG: batch})
        for record in instance.get_run_records(failed):
            tags = record.dagster_run.tags
            where = (tags.get("dagster/partition", ""), tags[CHANGE_TAG])
            times.setdefault(where, []).append(record.create_timestamp.timestamp())
    return times


def _backfilled_s(instance: dg.DagsterInstance) -> dict[str, float]:
    """When the last backfill was made for a change."""
    times: dict[str, float] = {}
    for backfill in instance.get_backfills(limit=1000):
        change = backfill.tags.get(CHANGE_TAG)
        if change is not None:
            times[change] = max(times.get(change, 0.0), backfill.backfill_timestamp)
    return times


def _backfill(instance: dg.DagsterInstance, asset_graph: BaseAssetGraph[Any], replays: Sequence[Replay]) -> None:
    """One backfill for the replays of one change."""
    first, timelines = replays[0], [one.timeline for one in replays]
    with warnings.catch_warnings():
        # Dagster's own, of a function of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=uuid.uuid4().hex[:8],
            asset_graph=asset_graph,
            partition_names=timelines,
            asset_selection=[dg.AssetKey(stage) for stage in first.stages],
            backfill_timestamp=time.time(),
            tags={CHANGE_TAG: first.change},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=f"Replay of {len(timelines)} timelines from {first.stages[0]}",
            description=None,
            run_config=first.run_config,
        )
    instance.add_backfill(backfill)
