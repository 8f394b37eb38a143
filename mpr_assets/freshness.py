"""Which stages of a timeline are out of date, and why: read from the event log, judged by a pure function.

A stage's settings are an upstream asset, `config/<stage>`, whose data version is the hash of all that the stage depends
on outside the graph. What belongs here: those versions, reporting the ones that changed, judging what is stale. What is
done about it is in `mpr_assets.sensors`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
)
from dagster._core.events import AssetObservationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable
from dagster_shared.serdes import deserialize_value
from sqlalchemy import select

from mpr_resources.tables import hash_of

BATCH = 500
"""Events fetched at once."""

SAID = ("upstream", "overrides", "config_version", "skipped")
"""Metadata of a materialization that judging needs."""

STATES_TAG = "mpr/states"
"""On an observation of a timeline: hash of its stages' states."""

CONFIG_CHANGED = "its settings, or a file or a model that it uses, changed"
"""The cause of a stage whose version of settings changed; a brand list and a logo are such files, and so is a video."""

CLEARED = "cleared"
"""The data version of a stage whose output was deleted on purpose: it is missing."""


class State(StrEnum):
    """What can be said of a stage of a timeline."""

    MISSING = "missing"
    FRESH = "fresh"
    STALE = "stale"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True)
class StageNode:
    """What judging needs to know of a stage."""

    name: str
    inputs: tuple[str, ...]
    code_version: str


@dataclass(frozen=True)
class Made:
    """The latest materialization of a stage: what it made, and from what.

    Attributes:
        event_id: the event's place in the log; later is higher.
        time_s: when, in seconds since 1970.
        upstream: data version of each stage that it read.
        config: version of its settings, see `config_version`.
        overrides: what was not as the profile has it.
        run_id: of the run that made it.
        skipped: why the stage was switched off, or empty.
    """

    event_id: int
    time_s: float
    data_version: str
    code_version: str
    upstream: Mapping[str, str]
    config: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    run_id: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Verdict:
    """A stage's state and its causes, the first the nearest.

    Attributes:
        overrides: what its run had that the profile has not; a stage that was overridden can be stale besides.
    """

    stage: str
    state: State
    causes: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)


MadeByStage: TypeAlias = Mapping[str, Mapping[str, Made]]
"""Latest materializations by stage, then timeline."""


def config_key(stage: str) -> dg.AssetKey:
    """The asset that stands for a stage's settings."""
    return dg.AssetKey(["config", stage])


def same_config(observed: str, current: str) -> bool:
    """Whether an observed version is of these settings. What follows a `#` is the run that overrode them."""
    return observed.partition("#")[0] == current


def overridden_version(current: str, run_id: str) -> str:
    """The version of the same settings after a run that did not use them, so that what it made reads as stale."""
    return f"{current}#{run_id}"


def judge(stages: Sequence[StageNode], made: Mapping[str, Made], config: Mapping[str, str]) -> list[Verdict]:
    """The state of every stage of one timeline.

    A stage that was overridden goes stale by what it depends on as any other does, not by its settings: those are
    shown, and stay until somebody asks for a run without them. Overrides that the profile has taken over are none.

    Args:
        stages: in the order of a run, so that a stage's inputs come before it.
        made: latest materialization by stage; a stage that is not there was never materialized.
        config: version of the settings as they are now, by stage; a stage whose version cannot be told is left out.
    """
    verdicts: dict[str, Verdict] = {}
    for stage in stages:
        mine = made.get(stage.name)
        if mine is None:
            verdicts[stage.name] = Verdict(stage.name, State.MISSING)
            continue
        overrides = mine.overrides if mine.config != config.get(stage.name) else {}
        causes = tuple(_causes(stage, mine, made, config, verdicts))
        state = State.STALE if causes else State.OVERRIDDEN if overrides else State.FRESH
        verdicts[stage.name] = Verdict(stage.name, state, causes, overrides)
    return list(verdicts.values())


def _causes(
    stage: StageNode,
    mine: Made,
    made: Mapping[str, Made],
    config: Mapping[str, str],
    verdicts: Mapping[str, Verdict],
) -> Iterable[str]:
    if mine.code_version != stage.code_version:
        yield f"code version {mine.code_version} is now {stage.code_version}"
    if mine.config != config.get(stage.name, mine.config) and not mine.overrides:
        yield CONFIG_CHANGED
    for name in stage.inputs:
        if verdicts[name].state in (State.STALE, State.MISSING):
            yield f"{name} is {verdicts[name].state}"
        elif mine.upstream.get(name) != made[name].data_version:
            yield f"{name} has another result"


def of_timeline(made: MadeByStage, timeline: str) -> dict[str, Made]:
    """What was made last of each stage of the timeline."""
    return {stage: by_timeline[timeline] for stage, by_timeline in made.items() if timeline in by_timeline}


def read_made(
    instance: dg.DagsterInstance, stages: Sequence[StageNode], timelines: Sequence[str] | None = None
) -> dict[str, dict[str, Made]]:
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
    return (event.tags or {}).get(DATA_VERSION_TAG, "") if event is not None else ""


def _made(record: dg.EventLogRecord) -> Made:
    event = record.asset_materialization
    assert event is not None
    tags, said = event.tags or {}, {name: value.value for name, value in event.metadata.items()}
    upstream, overrides = said.get("upstream"), said.get("overrides")
    return Made(
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
    """An asset's latest event of each timeline: one query for the ids, one for each `BATCH` of them."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    wanted = set(timelines) if timelines is not None else None
    ids = sorted(storage.get_latest_storage_id_by_partition(key, event, wanted).values())
    for batch in (ids[i : i + BATCH] for i in range(0, len(ids), BATCH)):
        query = select(SqlEventLogStorageTable.c.id, SqlEventLogStorageTable.c.event)
        with storage.index_connection() as connection:
            found = connection.execute(query.where(SqlEventLogStorageTable.c.id.in_(batch))).fetchall()
        for event_id, encoded in found:
            record = dg.EventLogRecord(event_id, deserialize_value(_without_pictures(encoded), dg.EventLogEntry))
            if record.partition_key is not None:
                yield record.partition_key, record


def _without_pictures(encoded: str) -> str:
    """The event with no more metadata than is read here: of a thousand timelines, to unpack the rest takes seconds."""
    event = json.loads(encoded)
    match event:
        case {"dagster_event": {"event_specific_data": {"materialization": {"metadata_entries": [*said]} as made}}}:
            made["metadata_entries"] = [one for one in said if one.get("label") in SAID]
    return json.dumps(event)


def config_version(settings: Mapping[str, object], depends_on: Mapping[str, str]) -> str:
    """Hash of a stage's resolved settings and of what else it depends on outside the graph.

    A stage that is switched off depends on nothing else.
    """
    if settings.get("enabled") is False:
        return hash_of({"enabled": False})
    return hash_of([dict(settings), dict(depends_on)])


def changed(
    current: Mapping[str, Mapping[str, str]], observed: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str, str]]:
    """(stage, timeline, version) of every config that is not as it was last observed.

    `current` has the version by timeline, then stage; `observed` by stage, then timeline.
    """
    return [
        (stage, timeline, version)
        for timeline, versions in current.items()
        for stage, version in versions.items()
        if not same_config(observed.get(stage, {}).get(timeline, ""), version)
    ]


def report(instance: dg.DagsterInstance, changes: Iterable[tuple[str, str, str]]) -> int:
    """Write an observation for each (stage, timeline, version); gives their number.

    Those of a stage are written at once: on PostgreSQL one by one takes 30 ms each.
    """
    by_stage: dict[str, list[dg.AssetObservation]] = {}
    for stage, timeline, version in changes:
        observation = dg.AssetObservation(config_key(stage), partition=timeline, tags={DATA_VERSION_TAG: version})
        by_stage.setdefault(stage, []).append(observation)
    for observations in by_stage.values():
        for at in range(0, len(observations), BATCH):
            instance.event_log_storage.store_event_batch([*map(_entry, observations[at : at + BATCH])])
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
        if timeline in told or any(one.state is not State.MISSING for one in of_timeline)
        for version in [hash_of([[one.stage, one.state, one.causes, dict(one.overrides)] for one in of_timeline])[:32]]
        if told.get(timeline) != version
    ]
    for at in range(0, len(observations), BATCH):
        instance.event_log_storage.store_event_batch([*map(_entry, observations[at : at + BATCH])])
    return len(observations)


def _states(timeline: str, verdicts: Sequence[Verdict], version: str) -> dg.AssetObservation:
    def why(one: Verdict) -> str:
        made_with = [f"made with {name}={value}" for name, value in one.overrides.items()]
        return "; ".join([*one.causes, *made_with])

    records = [dg.TableRecord({"stage": one.stage, "state": str(one.state), "why": why(one)}) for one in verdicts]
    counts = {str(state): sum(one.state is state for one in verdicts) for state in State if state is not State.FRESH}
    return dg.AssetObservation(
        verdicts[0].stage,
        partition=timeline,
        description="What is up to date of this timeline, and what is not.",
        metadata={**counts, "states": dg.MetadataValue.table(records)},
        tags={STATES_TAG: version},
    )


def _entry(observation: dg.AssetObservation) -> dg.EventLogEntry:
    """As `report_runless_asset_event` writes it."""
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_OBSERVATION.value,
        job_name=RUNLESS_JOB_NAME,
        event_specific_data=AssetObservationData(observation),
    )
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.INFO,
        user_message="",
        run_id=RUNLESS_RUN_ID,
        timestamp=time.time(),
        job_name=RUNLESS_JOB_NAME,
        dagster_event=event,
    )
