"""Deletes a timeline with all that is stored of it, or gives it another name.

What a run works on is never touched: both take the lock of the timeline's runs, and refuse while one waits in the
queue. A deletion that was broken off is finished by the next: the spec goes last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from gpu_service.errors import BadInput
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.event_log import CLEARED
from mpr_assets.runs.run_control import backfills_at_work, clear
from mpr_assets.runs.run_lock import run_lock, runs_of
from mpr_assets.timelines.partitions import register, registered, timelines
from mpr_assets.timelines.spec import validate_timeline_name
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.brands.registry import Registry
from mpr_resources.cloud import budget, ledger
from mpr_resources.dagster_internals import DATA_VERSION_TAG, latest_events, write_events
from mpr_resources.run_queue import WAITING, held_by, hold_timeline
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, read_table, to_parquet


def is_known(instance: dg.DagsterInstance, storage: Storage, timeline: str) -> bool:
    """Whether there is something to delete: a spec, be it one that cannot be read, or a partition."""
    return storage.exists(Keys.spec(validate_timeline_name(timeline))) or timeline in registered(instance)


def delete_timeline(
    instance: dg.DagsterInstance, storage: Storage, registry: Registry, timeline: str, stages: Sequence[Stage]
) -> int:
    """Delete all of the timeline: its spec, tables, frames, reports, annotations, partition and airings; gives how many
    objects there were.

    Kept are scenarios, which are copies, what requests to cloud providers cost, and Dagster's history of the runs.

    Raises:
        BadInput: a run of the timeline is at work or waits.
    """
    with _at_rest(instance, timeline):
        return _delete(instance, storage, registry, timeline, stages)


def rename_timeline(
    instance: dg.DagsterInstance, storage: Storage, registry: Registry, old: str, new: str, stages: Sequence[Stage]
) -> StageTable | None:
    """Give the timeline another name: its spec, tables, pictures, annotations, states, costs and hold go
    with it.

    Its report holds the old name and is to be made again; gives its old table, None where it has none.

    Raises:
        BadInput: a run of one of them is at work or waits, or the new name is taken or cannot be one.
    """
    spec = load_spec(storage, old)
    if is_known(instance, storage, new):
        raise BadInput(f"The timeline {new!r} is already registered", "choose another name, or delete it first")
    with _at_rest(instance, old), _at_rest(instance, new):
        report: StageTable | None = None
        for stage in stages:
            try:
                table = read_table(storage, stage.name, old)
            except MissingObject:
                continue
            if stage.is_report:
                report = table
                continue
            header = table.header.model_copy(update={"timeline": new})
            storage.put(Keys.table(stage.name, new), to_parquet(StageTable(table.rows, header)))
        # Overlays lie under runs, which keep the old name.
        for kind in (Keys.frames, Keys.crops, Keys.parts, Keys.seconds, Keys.annotation):
            before, after = (kind(name, "").rpartition("/")[0] for name in (old, new))
            storage.copy({key: after + key.removeprefix(before) for key in storage.list(before)})
        register(instance, storage, spec.model_copy(update={"name": new}))
        if held_by(instance, [old]).get(old) == "timeline":
            hold_timeline(instance, new, on=True)
        write_events(instance, list(_materializations(instance, old, new, stages)))
        if not registry.database.absent:
            now_ms = time.time_ns() // 1_000_000
            registry.database.write(lambda connection: budget.rename_timeline(connection, old, new, now_ms))
            registry.database.write(lambda connection: ledger.rename_timeline(connection, old, new))
        _delete(instance, storage, registry, old, stages)
    return report


@contextmanager
def _at_rest(instance: dg.DagsterInstance, timeline: str) -> Iterator[None]:
    """While the block runs, no run of the timeline begins in a command line; none is at work or waits at its start."""
    with run_lock(instance, timeline):
        if runs_of(instance, timeline, WAITING, limit=1):
            raise BadInput(f"A run of the timeline {timeline!r} waits in the queue", f"end it with mpr stop {timeline}")
        for backfill in backfills_at_work(instance):
            if timeline in backfill.timelines:
                raise BadInput(
                    f"The backfill {backfill.backfill_id} may still request runs of the timeline {timeline!r}",
                    f"wait for it, or end it with mpr stop --backfill {backfill.backfill_id}",
                )
        yield


def _delete(
    instance: dg.DagsterInstance, storage: Storage, registry: Registry, timeline: str, stages: Sequence[Stage]
) -> int:
    deleted = clear(instance, storage, timeline, stages)
    instance.delete_dynamic_partition(str(timelines.name), timeline)
    hold_timeline(instance, timeline, on=False)
    if not registry.database.absent:
        registry.forget_timeline(timeline)
    doomed = [key for folder in Keys.folders(timeline) for key in storage.list(folder)]
    doomed += [key for key in (Keys.progress(timeline), Keys.spec(timeline)) if storage.exists(key)]
    storage.delete(doomed[:-1])
    storage.delete(doomed[-1:])
    return deleted + len(doomed)


def _materializations(
    instance: dg.DagsterInstance, old: str, new: str, stages: Sequence[Stage]
) -> Iterator[dg.AssetMaterialization]:
    """What was made last of each stage but the report, for the new name: what was stale or overridden still is."""
    for stage in stages:
        if stage.is_report:
            continue
        event = dg.DagsterEventType.ASSET_MATERIALIZATION
        for _, record in latest_events(instance, dg.AssetKey(stage.name), event, [old]):
            made = record.asset_materialization
            if made is not None and (made.tags or {}).get(DATA_VERSION_TAG) != CLEARED:
                yield dg.AssetMaterialization(
                    stage.name,
                    partition=new,
                    description=f"Made as {old}, which was renamed.",
                    metadata=made.metadata,
                    tags=made.tags,
                )
