"""Decides which timelines' stale stages are rematerialized, in which runs; a pure function.

The sensor around it is in `mpr_assets.automation.sensors`; what is stale is judged in `mpr_assets.freshness.judge`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from mpr_assets.engine.overrides import Overrides
from mpr_assets.freshness.judge import (
    MaterializationsByStage,
    StageNode,
    StageState,
    judge,
    of_timeline,
)
from mpr_assets.orchestration.launchpad import as_config
from mpr_resources.storage.tables import hash_of

MAX_ATTEMPTS = 3
"""A replay that failed so often is left to the user until something changes."""
CHANGE_TAG = "mpr/change"
"""What changed, on the runs and backfills that it led to."""


@dataclass(frozen=True)
class Replay:
    """Stages of a timeline to be made again, in one run.

    Attributes:
        overrides: of the stages that a user has overridden, which they keep, as they are recorded.
        change: what changed, the same for all timelines that it touches.
        key: of this change on this state of this timeline, so that it is asked for once.
        since_s: when the last of what is to be made again was made.
    """

    timeline: str
    stages: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, JsonValue]]
    change: str
    key: str
    since_s: float

    @property
    def run_config(self) -> dict[str, object]:
        configs = {stage: as_config(Overrides.from_record(record)) for stage, record in self.overrides.items()}
        return {"ops": {stage: {"config": config} for stage, config in configs.items()}}


def decide(
    made: MaterializationsByStage,
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


def _to_make(nodes: Sequence[StageNode], states: Mapping[str, StageState]) -> tuple[str, ...]:
    """The stale stages, and the missing ones that they need, in order."""
    stages: list[StageNode] = []
    for one in reversed(nodes):
        needed = any(one.name in other.inputs for other in stages)
        if states[one.name] is StageState.STALE or (states[one.name] is StageState.MISSING and needed):
            stages.insert(0, one)
    return tuple(one.name for one in stages)


def answered(
    replay: Replay, made: MaterializationsByStage, nodes: Sequence[StageNode], changes: Mapping[str, str]
) -> bool:
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
