"""Sensors: changed settings are observed, and stale stages are rematerialized where the profile says so.

Each sensor is a thin shell around a pure decision: `mpr_assets.automation.replay_decision`,
`mpr_assets.freshness.judge`. One that asks for no run ends in a `SkipReason`, which Dagster's log and its list of ticks
show after "skipped:", so it says what was done instead; where nothing was, it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

import dagster as dg

from mpr_assets.automation.replay_decision import (
    CHANGE_TAG,
    Replay,
    answered,
    decide,
    to_ask_for,
)
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import (
    ConfigWatch,
    node,
    profile_settings,
    report_changed,
)
from mpr_assets.freshness.event_log import (
    made_events,
    observed_events,
    tell,
    told_events,
)
from mpr_assets.freshness.judge import (
    Materialization,
    MaterializationsByStage,
    StageNode,
    judge,
    of_timeline,
)
from mpr_assets.orchestration.stage_asset import RESOURCES
from mpr_assets.timelines.partitions import registered
from mpr_resources.dagster_internals import (
    BATCH,
    PARTITION_NAME_TAG,
    backfill_times_s,
    request_backfill,
)
from mpr_resources.run_queue import unfinished_timelines

STATE_SENSOR = "show_states"
INTERVAL_S = 30
MAX_RUNS = 100
"""A change of more timelines becomes a backfill, which can be watched and cancelled as one; no more runs a tick."""
OBSERVE_S = 6.0
"""After so long a tick leaves what else changed to the next: SQLite takes 40 ms for each."""


def config_sensor(stages: Sequence[Stage]) -> dg.SensorDefinition:
    """Reports the settings that changed since they were last observed, and those only."""
    watch, observed, ticks = ConfigWatch(stages), observed_events([*map(node, stages)]), Lock()

    @dg.sensor(
        name="observe_settings",
        description="Observes config/<stage> where a profile, a brand list, a logo or a model changed.",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        names = registered(context.instance)
        with ticks:
            usable = watch.timelines(names, context.resources, context.log)
            config = watch.versions(usable, context.resources, context.log)
            latest = observed.look(context.instance)
            number = report_changed(context.instance, config, latest, OBSERVE_S, profile_settings(stages, usable))
        return dg.SkipReason(f"no run is needed; {number} changed settings were observed." if number else None)

    return sense


def state_sensor(stages: Sequence[Stage]) -> dg.SensorDefinition:
    """Tells in the metadata of the asset `timeline` what is stale of each timeline."""
    nodes = [*map(node, stages)]
    watch, made, told, ticks = ConfigWatch(stages), made_events(nodes), told_events(nodes), Lock()
    judged: dict[str, tuple[Mapping[str, str], Mapping[str, Materialization]]] = {}

    @dg.sensor(
        name=STATE_SENSOR,
        description="Observes `timeline` where a stage became stale, fresh, missing or overridden: see its metadata.",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        with ticks:
            usable = watch.timelines(registered(context.instance), context.resources, context.log)
            config = watch.versions(usable, context.resources, context.log)
            latest = made.look(context.instance)
            now = {name: (of, of_timeline(latest, name)) for name, of in config.items()}
            new = [name for name in now if now[name] != judged.get(name)]
            verdicts = {name: judge(nodes, now[name][1], now[name][0]) for name in new}
            number = tell(context.instance, verdicts, told.look(context.instance)[nodes[0].name])
            judged.clear()  # once they are told: what is broken off is judged again
            judged.update(now)
        noted = f"no run is needed; the changed states of {number} of {len(config)} timelines were noted."
        return dg.SkipReason(noted if number else None)

    return sense


def replay_sensor(stages: Sequence[Stage], job: str) -> dg.SensorDefinition:
    """Asks for what is stale of the timelines whose profile says `replay: automatic`."""
    nodes = [*map(node, stages)]
    watch, made, ticks = ConfigWatch(stages), made_events(nodes), Lock()

    @dg.sensor(
        name="replay_stale",
        description="Rematerializes stale stages where the profile says `replay: automatic`.",
        job_name=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCES),
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        with ticks:
            usable = watch.timelines(registered(context.instance), context.resources, context.log)
            automatic = {name: one for name, one in usable.items() if one[1].replay == "automatic"}
            if not automatic:
                return dg.SkipReason()
            config = watch.versions(automatic, context.resources, context.log)
            replays = _wanted(context.instance, nodes, config, made.look(context.instance))
        large, few = _by_size(replays)
        for of_change in large:
            _backfill(context.instance, context.repository_def, of_change)
        if large and not few:
            return dg.SkipReason(
                f"no single runs are needed; {sum(map(len, large))} stale timelines are requested as backfills: "
                f"{len(large)}."
            )
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
    instance: dg.DagsterInstance,
    nodes: Sequence[StageNode],
    config: Mapping[str, Mapping[str, str]],
    made: MaterializationsByStage,
) -> list[Replay]:
    """The replays to ask for of these timelines, as the event log and the runs have it."""
    automatic = list(config)
    replays = decide(made, config, nodes, automatic, busy=unfinished_timelines(instance))
    failed_s = _failed_s(instance, sorted({one.change for one in replays}))
    replays = to_ask_for(replays, failed_s, backfill_times_s(instance, CHANGE_TAG))
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
    records = (one for batch in batches for one in instance.get_run_records(dg.RunsFilter(run_ids=batch)))
    runs = (record.dagster_run for record in records)
    return {run.run_id: run.tags[CHANGE_TAG] for run in runs if CHANGE_TAG in run.tags}


def _failed_s(instance: dg.DagsterInstance, changes: Sequence[str]) -> dict[tuple[str, str], list[float]]:
    """When runs for these changes were asked for that failed, by timeline and change."""
    times: dict[tuple[str, str], list[float]] = {}
    for batch in (changes[at : at + BATCH] for at in range(0, len(changes), BATCH)):
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={CHANGE_TAG: batch})
        for record in instance.get_run_records(failed):
            tags = record.dagster_run.tags
            where = (tags.get(PARTITION_NAME_TAG, ""), tags[CHANGE_TAG])
            times.setdefault(where, []).append(record.create_timestamp.timestamp())
    return times


def _backfill(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, replays: Sequence[Replay]) -> None:
    """One backfill for the replays of one change."""
    first = replays[0]
    request_backfill(
        instance,
        repository,
        [dg.AssetKey(stage) for stage in first.stages],
        [one.timeline for one in replays],
        title=f"Replay of {len(replays)} timelines from {first.stages[0]}",
        tags={CHANGE_TAG: first.change},
        run_config=first.run_config,
    )
