"""What Dagster's event log says of many timelines at once, and what is reported into it: versions and states.

What follows from it is judged in `mpr_assets.freshness.judge`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import dagster as dg

from mpr_assets.freshness.judge import (
    Materialization,
    StageNode,
    StageState,
    Verdict,
)
from mpr_resources.dagster_internals import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    events_after,
    last_event_id,
    latest_events,
    write_events,
)
from mpr_resources.storage.tables import hash_of

SAID = ("upstream", "overrides", "config_version", "skipped")
"""Metadata of a materialization that judging needs."""

STATES_TAG = "mpr/states"
"""On an observation of a timeline: hash of its stages' states."""

SETTINGS = "settings"
"""On an observation of a stage's settings: all of them."""

CLEARED = "cleared"
"""The data version of a stage whose output was deleted on purpose: it is missing."""


def config_key(stage: str) -> dg.AssetKey:
    """The asset that stands for a stage's settings."""
    return dg.AssetKey(["config", stage])


READ_ALL_S = 3600.0
"""How often the whole log is read: of a run that was deleted, no event tells."""

UNSETTLED = 1000
"""So many events before the last are read once more: of two that write at once, the one with the lower id may end last.
"""

Value = TypeVar("Value")


class LatestEvents(Generic[Value]):
    """What the latest event of each partition of some assets says, kept up with the log from one look to the next.

    Held in memory alone: who has none, after a restart, reads the whole log, with the same result.
    """

    def __init__(
        self,
        keys: Mapping[str, dg.AssetKey],
        event: dg.DagsterEventType,
        value: Callable[[dg.EventLogRecord], Value | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys`: by the name that the assets have here. `value`: what an event says; None: as if there were none."""
        self._names = {key: name for name, key in keys.items()}
        self._event = event
        self._value = value
        self._clock = clock
        self._latest: dict[str, dict[str, Value]] | None = None
        self._read_all_s = 0.0
        self._after_id = self._seen_id = 0

    def look(self, instance: dg.DagsterInstance) -> Mapping[str, Mapping[str, Value]]:
        """By asset, then partition."""
        now_id = last_event_id(instance)  # before the log is read: what is written meanwhile is read next time
        stale = now_id < self._seen_id or self._clock() - self._read_all_s >= READ_ALL_S
        latest, self._latest = self._latest, None  # what is broken off in the middle is begun anew
        if latest is None or stale:
            latest = {name: self._whole(instance, key) for key, name in self._names.items()}
            self._read_all_s, self._after_id = self._clock(), max(0, now_id - UNSETTLED)
        elif now_id > self._after_id:
            for record in events_after(instance, self._after_id, self._event, self._names.keys(), metadata=SAID):
                if record.asset_key is not None and record.partition_key is not None:
                    self._note(latest[self._names[record.asset_key]], record.partition_key, self._value(record))
            self._after_id = self._seen_id  # and not `now_id`: see UNSETTLED
        self._latest, self._seen_id = latest, now_id
        return latest

    def _whole(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Value]:
        of_asset: dict[str, Value] = {}
        for partition, record in latest_events(instance, key, self._event, metadata=SAID):
            self._note(of_asset, partition, self._value(record))
        return of_asset

    @staticmethod
    def _note(of_asset: dict[str, Value], partition: str, value: Value | None) -> None:
        if value is None:
            of_asset.pop(partition, None)
        elif of_asset.get(partition) != value:  # else what is there stays: that it is the same is quickly seen
            of_asset[partition] = value


def made_events(
    stages: Sequence[StageNode], clock: Callable[[], float] = time.monotonic
) -> LatestEvents[Materialization]:
    """What `read_made` reads, by stage, then timeline."""

    def value(record: dg.EventLogRecord) -> Materialization | None:
        made = _made(record)
        return made if made.data_version != CLEARED else None

    keys = {stage.name: dg.AssetKey(stage.name) for stage in stages}
    return LatestEvents(keys, dg.DagsterEventType.ASSET_MATERIALIZATION, value, clock)


def observed_events(stages: Sequence[StageNode]) -> LatestEvents[str]:
    """What `read_observed` reads, by stage, then timeline."""
    keys = {stage.name: config_key(stage.name) for stage in stages}
    return LatestEvents(keys, dg.DagsterEventType.ASSET_OBSERVATION, _observed)


def told_events(stages: Sequence[StageNode]) -> LatestEvents[str]:
    """The hash of its stages' states that each timeline was last told to have, under the name of the first stage."""
    first = stages[0].name
    return LatestEvents({first: dg.AssetKey(first)}, dg.DagsterEventType.ASSET_OBSERVATION, _told)


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


def _told(record: dg.EventLogRecord) -> str:
    event = record.asset_observation
    return (event.tags or {}).get(STATES_TAG, "") if event is not None else ""


def _made(record: dg.EventLogRecord) -> Materialization:
    event = record.asset_materialization
    assert event is not None
    tags = event.tags or {}
    said: dict[str, object] = {name: value.value for name, value in event.metadata.items()}
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


def report(
    instance: dg.DagsterInstance,
    changes: Iterable[tuple[str, str, str]],
    settings_of: Callable[[str, str], Mapping[str, Any]] = lambda _stage, _timeline: {},
) -> int:
    """Write an observation for each (stage, timeline, version); gives their number.

    `settings_of`: the profile's settings of a stage and a timeline, which the metadata shows, and which of them are
    others than at the observation before.
    """
    by_stage: dict[str, list[tuple[str, str]]] = {}
    for stage, timeline, version in changes:
        by_stage.setdefault(stage, []).append((timeline, version))
    for stage, versions in by_stage.items():
        before = _observed_settings(instance, stage, [timeline for timeline, _ in versions])
        observations = [
            dg.AssetObservation(
                config_key(stage),
                partition=timeline,
                metadata=_settings_metadata(before.get(timeline), settings_of(stage, timeline)),
                tags={DATA_VERSION_TAG: version},
            )
            for timeline, version in versions
        ]
        write_events(instance, observations)
    return sum(map(len, by_stage.values()))


def _observed_settings(
    instance: dg.DagsterInstance, stage: str, timelines: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """The settings that the latest observations show, by timeline; earlier versions of MPR noted none."""
    found: dict[str, Mapping[str, Any]] = {}
    event = dg.DagsterEventType.ASSET_OBSERVATION
    for timeline, record in latest_events(instance, config_key(stage), event, timelines):
        noted = record.asset_observation.metadata.get(SETTINGS) if record.asset_observation is not None else None
        if noted is not None and isinstance(noted.value, Mapping):
            found[timeline] = noted.value
    return found


def _settings_metadata(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    if not now:
        return {}
    differ = {} if before is None else {name for name in {*before, *now} if before.get(name) != now.get(name)}
    changed = {name: {"from": (before or {}).get(name), "to": now.get(name)} for name in sorted(differ)}
    told: dict[str, dg.MetadataValue] = {"changed_settings": dg.MetadataValue.json(changed)} if changed else {}
    if before is not None and not changed:
        told = {
            "changed": dg.MetadataValue.text(
                "No setting of the profile: brands, logos, a model or the video; or a run had settings of its own."
            )
        }
    return {**told, SETTINGS: dg.MetadataValue.json(dict(now))}


def tell(instance: dg.DagsterInstance, verdicts: Mapping[str, Sequence[Verdict]], told: Mapping[str, str]) -> int:
    """Observe the first stage, which stands for the timeline, where the states of its stages are not as last told.

    Dagster's UI shows a partition's metadata; its graph says of every partitioned asset that it is fresh.

    Args:
        verdicts: of all stages in order, by timeline. One of which nothing was ever made has nothing to tell.
        told: what was last told of each timeline, as `told_events` has it.

    Returns:
        How many timelines' states were told.
    """
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
        description="Which stages of this timeline are up to date.",
        metadata={**counts, "states": dg.MetadataValue.table(records)},
        tags={STATES_TAG: version},
    )
