"""What Dagster's event log says of many timelines at once, and what is reported into it: versions and states.

What follows from it is judged in `mpr_assets.freshness.judge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg

from mpr_assets.freshness.judge import (
    Materialization,
    StageNode,
    StageState,
    Verdict,
)
from mpr_resources.dagster_internals import CODE_VERSION_TAG, DATA_VERSION_TAG, latest_events, write_events
from mpr_resources.storage.tables import hash_of

SAID = ("upstream", "overrides", "config_version", "skipped")
"""Metadata of a materialization that judging needs."""

STATES_TAG = "mpr/states"
"""On an observation of a timeline: hash of its stages' states."""

CLEARED = "cleared"
"""The data version of a stage whose output was deleted on purpose: it is missing."""


def config_key(stage: str) -> dg.AssetKey:
    """The asset that stands for a stage's settings."""
    return dg.AssetKey(["config", stage])


def read_made(
    instance: dg.DagsterInstance, stages: Sequence[StageNode], timelines: Sequence[str] | None = None
) -> dict[str, dict[str, Materialization]]:
    """What was made last of every stage, of all timelines or of some."""
    event = dg.DagsterEventType.ASSET_MATERIALIZATION
    return {
        stage.name: {
            timeline: made
            for timeline, record in _latest(instance, dg.AssetKey(stage.name), event, timelines)
            if (made := _made(record)).data_version != CLEARED
        }
        for stage in stages
    }


def read_observed(
    instance: dg.DagsterInstance, stages: Sequence[StageNode], timelines: Sequence[str] | None = None
) -> dict[str, dict[str, str]]:
    """The version of every stage's settings as last observed, by stage, then timeline."""
    event = dg.DagsterEventType.ASSET_OBSERVATION
    return {
        stage.name: {
            timeline: _observed(record)
            for timeline, record in _latest(instance, config_key(stage.name), event, timelines)
        }
        for stage in stages
    }


def _observed(record: dg.EventLogRecord) -> str:
    event = record.asset_observation
    return event.data_version or "" if event is not None else ""


def _made(record: dg.EventLogRecord) -> Materialization:
    event = record.asset_materialization
    assert event is not None
    tags, said = event.tags or {}, {name: value.value for name, value in event.metadata.items()}
    upstream, overrides = said.get("upstream"), said.get("overrides")
    return Materialization(
        event_id=record.storage_id,
        time_s=record.timestamp,
        data_version=tags.get(DATA_VERSION_TAG, ""),
        code_version=tags.get(CODE_VERSION_TAG, ""),
        upstream={str(key): str(value) for key, value in upstream.items()} if isinstance(upstream, Mapping) else {},
        config=str(said.get("config_version", "")),
        overrides=dict(overrides) if isinstance(overrides, Mapping) else {},
        run_id=record.run_id,
        skipped=str(said.get("skipped", "")),
    )


def _latest(
    instance: dg.DagsterInstance, key: dg.AssetKey, event: dg.DagsterEventType, timelines: Sequence[str] | None
) -> Iterator[tuple[str, dg.EventLogRecord]]:
    """An asset's latest event of each timeline, without its pictures."""
    return latest_events(instance, key, event, timelines, metadata=SAID)


def report(instance: dg.DagsterInstance, changes: Iterable[tuple[str, str, str]]) -> int:
    """Write an observation for each (stage, timeline, version); gives their number."""
    by_stage: dict[str, list[dg.AssetObservation]] = {}
    for stage, timeline, version in changes:
        observation = dg.AssetObservation(config_key(stage), partition=timeline, tags={DATA_VERSION_TAG: version})
        by_stage.setdefault(stage, []).append(observation)
    for observations in by_stage.values():
        write_events(instance, observations)
    return sum(map(len, by_stage.values()))


def tell(instance: dg.DagsterInstance, verdicts: Mapping[str, Sequence[Verdict]]) -> int:
    """Observe the first stage, which stands for the timeline, where the states of its stages are not as last told.

    Dagster's UI shows a partition's metadata; its graph says of every partitioned asset that it is fresh.

    Args:
        verdicts: of all stages in order, by timeline. One of which nothing was ever made has nothing to tell.

    Returns:
        How many timelines' states were told.
    """
    if not verdicts:
        return 0
    key, event = dg.AssetKey(next(iter(verdicts.values()))[0].stage), dg.DagsterEventType.ASSET_OBSERVATION
    told = {
        timeline: (record.asset_observation.tags or {}).get(STATES_TAG, "")
        for timeline, record in _latest(instance, key, event, list(verdicts))
        if record.asset_observation is not None
    }
    observations = [
        _states(timeline, of_timeline, version)
        for timeline, of_timeline in verdicts.items()
        if timeline in told or any(one.state is not StageState.MISSING for one in of_timeline)
        for version in [hash_of([[one.stage, one.state, one.causes, dict(one.overrides)] for one in of_timeline])[:32]]
        if told.get(timeline) != version
    ]
    write_events(instance, observations)
    return len(observations)


def _states(timeline: str, verdicts: Sequence[Verdict], version: str) -> dg.AssetObservation:
    def why(one: Verdict) -> str:
        made_with = [f"made with {name}={value}" for name, value in one.overrides.items()]
        return "; ".join([*one.causes, *made_with])

    records = [dg.TableRecord({"stage": one.stage, "state": str(one.state), "why": why(one)}) for one in verdicts]
    counts = {
        str(state): sum(one.state is state for one in verdicts) for state in StageState if state is not StageState.FRESH
    }
    return dg.AssetObservation(
        verdicts[0].stage,
        partition=timeline,
        description="What is up to date of this timeline, and what is not.",
        metadata={**counts, "states": dg.MetadataValue.table(records)},
        tags={STATES_TAG: version},
    )
