"""What happens by itself: changed settings are observed, and where a profile asks for it what is stale is made again.

Each sensor is a pure decision in a thin shell. What is stale and why is judged in `mpr_assets.freshness`.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.execution.backfill import PartitionBackfill

from mpr_assets.freshness import History, StageNode, State, changed, read_history, report
from mpr_assets.graph import RESOURCES, Stage, config_versions
from mpr_assets.partitions import load_spec, registered
from mpr_resources.tables import hash_of

INTERVAL_S = 30
MAX_ATTEMPTS = 3
"""A replay that failed so often is left to the user until something changes."""
MAX_RUNS = 100
"""More timelines than this become a backfill, which can be watched and cancelled as one."""
REPLAY_TAG = "mpr/replay"
CHANGE_TAG = "mpr/change"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Replay:
    """Stages of a timeline to be made again, in one run.

    Attributes:
        change: what changed, the same for all timelines that it touches.
        key: of this change on this state of this timeline, so that it is asked for once.
    """

    timeline: str
    stages: tuple[str, ...]
    change: str
    key: str


def node(stage: Stage) -> StageNode:
    return StageNode(stage.name, stage.inputs, stage.code_version)


def decide(
    history: History,
    config: Mapping[str, Mapping[str, str]],
    nodes: Sequence[StageNode],
    automatic: Collection[str],
    busy: Collection[str],
    failures: Mapping[str, int],
    backfilled_s: Mapping[str, float],
) -> list[Replay]:
    """The replays to ask for.

    A stage that a run's overrides made is left as it is, and so is a timeline that was never materialized.

    Args:
        history: latest events of all timelines.
        config: versions of the settings as they are now, by timeline, then stage.
        nodes: the stages in order.
        automatic: timelines whose profile says `replay: automatic`.
        busy: timelines with a run that has not ended.
        failures: failed runs by replay key.
        backfilled_s: when a backfill was last made for a change; what it was cancelled before is not asked for again.
    """
    replays = []
    for timeline in sorted(automatic):
        if timeline in busy or timeline not in config:
            continue
        verdicts = history.verdicts(nodes, timeline, config[timeline])
        stages = tuple(verdict.stage for verdict in verdicts if verdict.state is State.STALE)
        if not stages:
            continue
        made = [history.made[stage][timeline] for stage in stages]
        change = hash_of([stages, [config[timeline][stage] for stage in stages]])[:32]
        key = hash_of([timeline, change, [one.event_id for one in made]])[:32]
        attempt = failures.get(key, 0)
        backfilled = backfilled_s.get(change, 0.0) > max(one.time_s for one in made)
        if attempt < MAX_ATTEMPTS and not backfilled:
            replays.append(Replay(timeline, stages, change, f"{key}-{attempt}"))
    return replays


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
        config = config_versions(stages, timelines, context.resources, context.log)
        number = report(context.instance, changed(config, read_history(context.instance, [*map(node, stages)])))
        return dg.SkipReason(f"{number} settings of {len(timelines)} timelines changed.")

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
        instance, storage = context.instance, context.resources.storage.storage
        profiles = context.resources.profiles
        replay = {name: profiles.load(name).replay for name in profiles.names()}
        automatic = [
            timeline
            for timeline in registered(instance)
            if replay.get(load_spec(storage, timeline).profile) == "automatic"
        ]
        if not automatic:
            return dg.SkipReason("No timeline has a profile with `replay: automatic`.")
        nodes = [*map(node, stages)]
        config = config_versions(stages, automatic, context.resources, context.log)
        unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        replays = decide(
            read_history(instance, nodes, automatic),
            config,
            nodes,
            automatic,
            busy={run.tags.get("dagster/partition", "") for run in unfinished},
            failures=_failures(instance),
            backfilled_s=_backfilled_s(instance),
        )
        if len(replays) > MAX_RUNS:
            backfills = _backfill(instance, context.repository_def.asset_graph, replays)
            return dg.SkipReason(f"{len(replays)} timelines are stale; asked for in {backfills} backfills.")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=one.key,
                    partition_key=one.timeline,
                    asset_selection=[dg.AssetKey(stage) for stage in one.stages],
                    tags={REPLAY_TAG: one.key},
                )
                for one in replays
            ]
        )

    return sense


def _failures(instance: dg.DagsterInstance) -> Counter[str]:
    """Failed runs by replay key."""
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1000)
    return Counter(run.tags[REPLAY_TAG].partition("-")[0] for run in failed if REPLAY_TAG in run.tags)


def _backfilled_s(instance: dg.DagsterInstance) -> dict[str, float]:
    """When the last backfill was made for a change."""
    times: dict[str, float] = {}
    for backfill in instance.get_backfills(limit=1000):
        change = backfill.tags.get(CHANGE_TAG)
        if change is not None:
            times[change] = max(times.get(change, 0.0), backfill.backfill_timestamp)
    return times


def _backfill(instance: dg.DagsterInstance, asset_graph: BaseAssetGraph[Any], replays: Sequence[Replay]) -> int:
    """One backfill for each change; gives their number."""
    changes: dict[str, list[Replay]] = {}
    for one in replays:
        changes.setdefault(one.change, []).append(one)
    for change, of_change in changes.items():
        stages, timelines = of_change[0].stages, [one.timeline for one in of_change]
        instance.add_backfill(
            PartitionBackfill.from_asset_partitions(
                backfill_id=uuid.uuid4().hex[:8],
                asset_graph=asset_graph,
                partition_names=timelines,
                asset_selection=[dg.AssetKey(stage) for stage in stages],
                backfill_timestamp=time.time(),
                tags={CHANGE_TAG: change},
                dynamic_partitions_store=instance,
                all_partitions=False,
                title=f"Replay of {len(timelines)} timelines from {stages[0]}",
                description=None,
                run_config={},
            )
        )
    return len(changes)
