"""What is told of timelines' stages to people: state, causes in full, overrides, and why one was skipped.

What is stale is judged in `judge`; what has changed is found out in `stored`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import ConfigWatch, config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import read_made
from mpr_assets.freshness.judge import Materialization, Verdict, judge, of_timeline
from mpr_assets.freshness.stored import in_full, stored_headers
from mpr_assets.timelines.spec_store import load_spec


@dataclass(frozen=True)
class StageStatus:
    """`causes`: why it is stale, or comes from what is. `overrides`: what the stored result was made with for one run.
    `skipped`: why the stage was switched off, or null.
    """

    stage: str
    state: str
    causes: list[str]
    overrides: dict[str, object]
    skipped: str | None


@dataclass(frozen=True)
class TimelineStatus:
    """`profile`: null, with no stages, where the timeline cannot be used."""

    timeline: str
    profile: str | None
    stages: list[StageStatus]


def status_of(
    instance: dg.DagsterInstance, stages: Sequence[Stage], timeline: str, resources: RunResources, log: logging.Logger
) -> TimelineStatus:
    """The state of every stage of one timeline, its causes told in full.

    Raises:
        BadInput: the timeline is not registered, or its profile cannot be used.
    """
    storage = resources.storage.storage
    spec = load_spec(storage, timeline)
    profile = resources.profiles.load(spec.profile)
    config = config_versions(stages, {timeline: (spec, profile)}, resources, log)[timeline]
    nodes = [*map(node, stages)]
    made = of_timeline(read_made(instance, nodes, [timeline]), timeline)
    # What is stored may be another result than the last one in this event log.
    of_log = {
        name: header
        for name, header in stored_headers(storage, stages, timeline).items()
        if name in made and header.data_version == made[name].data_version
    }
    told = in_full(
        judge(nodes, made, config),
        stages,
        of_log,
        lambda stage: run_of(stage, spec, profile, NO_OVERRIDES, resources, log),
    )
    return TimelineStatus(timeline, spec.profile, _stages(told, made))


def status_of_many(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    timelines: Sequence[str],
    resources: RunResources,
    log: logging.Logger,
    watch: ConfigWatch | None = None,
) -> list[TimelineStatus]:
    """The same of many timelines, without what exactly has changed.

    `watch`: what it remembers of an earlier look is not read again.
    """
    usable = (
        usable_timelines(timelines, resources, log) if watch is None else watch.timelines(timelines, resources, log)
    )
    config = (
        config_versions(stages, usable, resources, log) if watch is None else watch.versions(usable, resources, log)
    )
    nodes = [*map(node, stages)]
    made = read_made(instance, nodes, timelines)

    def told(timeline: str) -> TimelineStatus:
        if timeline not in usable:
            return TimelineStatus(timeline, None, [])
        mine = of_timeline(made, timeline)
        return TimelineStatus(
            timeline, usable[timeline][0].profile, _stages(judge(nodes, mine, config[timeline]), mine)
        )

    return [told(timeline) for timeline in timelines]


def _stages(verdicts: Sequence[Verdict], made: Mapping[str, Materialization]) -> list[StageStatus]:
    return [
        StageStatus(
            stage=one.stage,
            state=one.state,
            causes=list(one.causes),
            overrides=dict(one.overrides),
            skipped=(made[one.stage].skipped or None) if one.stage in made else None,
        )
        for one in verdicts
    ]
