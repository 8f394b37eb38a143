"""What was tried with a timeline: every materialization of its stages with what it read, from Dagster's event log.

What is stale now is judged in `mpr_assets.freshness.judge`; what two results differ in is in
`mpr_assets.compare.table_diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import dagster as dg
from pydantic import JsonValue

from gpu_service.settings import Settings
from mpr_assets.engine.overview import SECONDS_BY_BRAND
from mpr_assets.engine.settings import differing_settings
from mpr_assets.freshness.event_log import CLEARED
from mpr_assets.runs.run_lock import COMMAND_TAG, USER_TAG
from mpr_resources.dagster_internals import (
    BACKFILL_ID_TAG,
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    PARENT_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)

BATCH = 500
"""Events fetched at once."""
NO_COUNTS = {"seconds"}
"""Numbers in the metadata that count nothing."""


@dataclass(frozen=True)
class HistoryEvent:
    """A materialization as the log has it. `said`: its metadata, the values plain."""

    stage: str
    event_id: int
    time_s: float
    run_id: str
    data_version: str
    code_version: str
    said: Mapping[str, object]


@dataclass(frozen=True)
class RepeatedRuns:
    """A later run that gave an entry back as it was stored."""

    time_s: float
    run_id: str
    who: str


@dataclass(frozen=True)
class HistoryEntry:
    """A result of a stage, with where it came from.

    Attributes:
        number: of the stage's results, from 1.
        parents: number of the result read of each upstream stage; None where the log has none with that content.
        upstream: version of all that was read or used, by what it is of.
        overrides: settings of the run that were not the profile's.
        changed: settings that are not as in the stage's result before, as (then, now).
        counts: rows and other figures.
        seconds_by_brand: on screen, of a report; None: it was not noted.
        again: runs that gave it back as it was stored.
        current: whether it is the stage's last one.
        note: "cleared", or why the stage was skipped; else empty.
    """

    stage: str
    number: int
    time_s: float
    run_id: str
    who: str
    data_version: str
    code_version: str
    profile: str
    parents: Mapping[str, int | None]
    upstream: Mapping[str, str]
    overrides: Mapping[str, JsonValue]
    changed: Mapping[str, tuple[JsonValue, JsonValue]]
    counts: Mapping[str, float]
    seconds_by_brand: Mapping[str, float] | None
    seconds: float | None
    reused: bool
    note: str
    fingerprint: str
    settings: Mapping[str, JsonValue]
    again: tuple[RepeatedRuns, ...] = ()
    current: bool = False


@dataclass(frozen=True)
class Branch:
    """An entry of the tree, and what was made from it."""

    entry: HistoryEntry
    children: list[Branch] = field(default_factory=list)


def entries(
    events: Iterable[HistoryEvent], stages: Mapping[str, type[Settings]], who: Mapping[str, str]
) -> list[HistoryEntry]:
    """The results in the order in which they were made.

    Args:
        events: of one timeline, in any order.
        stages: their settings by name, in the order of a run.
        who: who asked, by run.
    """
    made: list[HistoryEntry] = []
    last: dict[str, int] = {}  # place in `made` of a stage's last entry
    for event in sorted(events, key=lambda event: event.event_id):
        place = last.get(event.stage)
        entry = _entry(event, stages, who, made, made[place] if place is not None else None)
        if place is not None and entry.reused and entry.fingerprint == made[place].fingerprint:
            again = RepeatedRuns(event.time_s, event.run_id, entry.who)
            made[place] = replace(made[place], again=(*made[place].again, again))
            continue
        last[event.stage] = len(made)
        made.append(entry)
    current = set(last.values())
    return [replace(entry, current=place in current) for place, entry in enumerate(made)]


def _entry(
    event: HistoryEvent,
    stages: Mapping[str, type[Settings]],
    who: Mapping[str, str],
    made: Sequence[HistoryEntry],
    before: HistoryEntry | None,
) -> HistoryEntry:
    said = event.said
    settings, upstream = _mapping(said.get("settings")), _mapping(said.get("upstream"))
    counts = {
        name.removeprefix("dagster/row_").replace("count", "rows"): value
        for name, value in said.items()
        if name not in NO_COUNTS and _is_number(value)
    }
    seconds, on_screen = said.get("seconds"), said.get(SECONDS_BY_BRAND)
    changed = {}
    if before is not None and before.settings and settings:
        changed = differing_settings(stages[event.stage], before.settings, settings)
    return HistoryEntry(
        stage=event.stage,
        number=before.number + 1 if before else 1,
        time_s=event.time_s,
        run_id=event.run_id,
        who=who.get(event.run_id, ""),
        data_version=event.data_version,
        code_version=event.code_version,
        profile=str(said.get("profile", "")),
        parents={stage: _number_of(made, stage, str(upstream[stage])) for stage in stages if stage in upstream},
        upstream={name: str(version) for name, version in upstream.items()},
        overrides=_mapping(said.get("overrides")),
        changed=changed,
        counts=counts,
        seconds_by_brand=on_screen if isinstance(on_screen, Mapping) else None,
        seconds=seconds if _is_number(seconds) else None,
        reused=bool(said.get("reused")),
        note=CLEARED if event.data_version == CLEARED else str(said.get("skipped", "")),
        fingerprint=str(said.get("fingerprint", "")),
        settings=settings,
    )


def _mapping(value: object) -> dict[str, JsonValue]:
    return dict(value) if isinstance(value, Mapping) else {}


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_of(made: Sequence[HistoryEntry], stage: str, data_version: str) -> int | None:
    """The number of the stage's latest result with this content."""
    found = (one.number for one in reversed(made) if one.stage == stage and one.data_version == data_version)
    return next(found, None)


def tree(made: Sequence[HistoryEntry], stages: Sequence[str]) -> list[Branch]:
    """The entries as trees: each stands below the one it read that is the farthest on in a run."""
    branches = {(entry.stage, entry.number): Branch(entry) for entry in made}
    roots: list[Branch] = []
    for branch in branches.values():
        read = [
            (stage, branch.entry.parents[stage])
            for stage in stages
            if branch.entry.parents.get(stage) is not None and stage != branch.entry.stage
        ]
        above = branches[(read[-1][0], read[-1][1] or 0)].children if read else roots
        above.append(branch)
    return roots


def who_asked(tags: Mapping[str, str]) -> str:
    """Who asked for a run, by its tags."""
    if SENSOR_NAME_TAG in tags:
        return f"sensor {tags[SENSOR_NAME_TAG]}"
    if SCHEDULE_NAME_TAG in tags:
        return f"schedule {tags[SCHEDULE_NAME_TAG]}"
    if BACKFILL_ID_TAG in tags:
        return f"backfill {tags[BACKFILL_ID_TAG]}"
    user = f" by {tags[USER_TAG]}" if USER_TAG in tags else ""
    if COMMAND_TAG in tags:
        return f"mpr {tags[COMMAND_TAG]}{user}"
    if PARENT_RUN_ID_TAG in tags:
        return f"again of run {tags[PARENT_RUN_ID_TAG][:8]}{user}"
    return f"launched{user}"


def read_entries(
    instance: dg.DagsterInstance, stages: Mapping[str, type[Settings]], timeline: str, only: str | None = None
) -> list[HistoryEntry]:
    """The history of a timeline. `only`: the entries of this stage alone, with parents as in the whole."""
    events = [event for stage in stages for event in _events(instance, stage, timeline)]
    run_ids = sorted({event.run_id for event in events} - {""})
    who: dict[str, str] = {}
    for at in range(0, len(run_ids), BATCH):
        records = instance.get_run_records(dg.RunsFilter(run_ids=run_ids[at : at + BATCH]))
        who |= {record.dagster_run.run_id: who_asked(record.dagster_run.tags) for record in records}
    return [entry for entry in entries(events, stages, who) if only in (None, entry.stage)]


def _events(instance: dg.DagsterInstance, stage: str, timeline: str) -> Iterator[HistoryEvent]:
    records, cursor = dg.AssetRecordsFilter(dg.AssetKey(stage), asset_partitions=[timeline]), None
    while True:
        page = instance.fetch_materializations(records, limit=BATCH, cursor=cursor, ascending=True)
        for record in page.records:
            made = record.asset_materialization
            if made is not None:
                said = {name: value.value for name, value in made.metadata.items()}
                tags = made.tags or {}
                yield HistoryEvent(
                    stage,
                    record.storage_id,
                    record.timestamp,
                    record.run_id,
                    tags.get(DATA_VERSION_TAG, ""),
                    tags.get(CODE_VERSION_TAG, ""),
                    said,
                )
        if not page.has_more:
            return
        cursor = page.cursor
