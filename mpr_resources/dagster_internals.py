"""The one door to what Dagster keeps to itself: no other module imports `dagster._*` or calls what is not public.

Each function says what it uses of Dagster's inside and why no public API does it; the exact list, with the signatures
relied on, is in `tests/mpr_resources/test_dagster_internals.py`, so that an upgrade of Dagster breaks there.
It knows nothing of timelines or stages. Dagster's webserver and daemon load it, so it imports nothing of ours.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import time
import uuid
import warnings
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.event_api import EventLogCursor
from dagster._core.events import AssetObservationData, StepMaterializationData
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.tags import (
    BACKFILL_ID_TAG,
    GRPC_INFO_TAG,
    MAX_RETRIES_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    RETRY_ON_ASSET_OR_OP_FAILURE_TAG,
    ROOT_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._serdes import ConfigurableClassData
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import Engine, QueuePool, select
from sqlalchemy.event import listen

__all__ = [
    # Tags that Dagster puts on runs and events: its public API has no names for them.
    "BACKFILL_ID_TAG",
    "CODE_VERSION_TAG",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "PARENT_RUN_ID_TAG",
    "PARTITION_NAME_TAG",
    "ROOT_RUN_ID_TAG",
    "SCHEDULE_NAME_TAG",
    "SENSOR_NAME_TAG",
    # Types that public classes take or give and that have no public name: for annotations.
    "ConfigurableClassData",
    "SerializableErrorInfo",
]

BATCH = 500
"""Events, or keys, of one query: SQLite takes 32,766 parameters, older ones 999."""
RUN_STATES = (
    "PIPELINE_ENQUEUED",
    "PIPELINE_STARTING",
    "PIPELINE_START",
    "PIPELINE_SUCCESS",
    "PIPELINE_FAILURE",
    "PIPELINE_CANCELING",
    "PIPELINE_CANCELED",
)
"""The events that say how a run stands, as the log has them."""
QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
"""What Dagster calls the part of its daemon that launches queued runs."""


# Assets


def allow_no_result(asset: dg.AssetsDefinition, check: str) -> None:
    """Let the asset's step end without a result of the check: the UI then shows it as not evaluated.

    Uses `get_output_name_for_asset_check_key` and the output's `_is_required`: publicly a step may leave out a check
    only of an asset that can be materialized in part.
    """
    name = asset.get_output_name_for_asset_check_key(dg.AssetCheckKey(asset.key, check))
    asset.op.output_def_named(name)._is_required = False


# Dagster's key-value store


def read_values(instance: dg.DagsterInstance, keys: Iterable[str]) -> dict[str, str]:
    """What is stored under these keys; one that is not there is left out.

    Uses the run storage's `get_cursor_values`, which Dagster's daemons keep their cursors with. Dagster has no public
    store for what is not an asset, a run or a sensor's own cursor, and its webserver, its daemon and a run share none
    but this: they need not see our storage.
    """
    wanted = sorted(set(keys))
    values: dict[str, str] = {}
    for batch in (wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)):
        values |= instance.run_storage.get_cursor_values(set(batch))
    return values


def write_value(instance: dg.DagsterInstance, key: str, value: str) -> None:
    """Store a value under a key, for `read_values`.

    Uses the run storage's `set_cursor_values`, with one key: with SQLite, of several keys the new ones are lost when
    one of them already exists.
    """
    instance.run_storage.set_cursor_values({key: value})


# The event log


def last_event_id(instance: dg.DagsterInstance) -> int:
    """The id of the log's latest event, 0 where there is none. Later events have higher ones.

    Uses the event log's `get_maximum_record_id`; publicly an id comes with a record alone.
    """
    return instance.event_log_storage.get_maximum_record_id() or 0


def latest_events(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    event: dg.DagsterEventType,
    partitions: Collection[str] | None = None,
    *,
    metadata: Collection[str] | None = None,
    after_id: int | None = None,
) -> Iterator[tuple[str, dg.EventLogRecord]]:
    """An asset's latest event of each partition: one query for the ids, one for each `BATCH` of them.

    Uses the event log's `get_latest_storage_id_by_partition`, and reads its table: the public
    `fetch_materializations` gives all events of an asset, page by page, not the latest of each partition, and unpacks
    all of their metadata. Of a thousand partitions with a preview each, that takes seconds.

    Args:
        partitions: all where it is None.
        metadata: labels of what is to be unpacked of a materialization; all where it is None.
        after_id: an event that is not later is left out.
    """
    if partitions is not None and not partitions:
        return  # Dagster takes none for all
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    latest = storage.get_latest_storage_id_by_partition(
        key, event, set(partitions) if partitions is not None else None, after_cursor=after_id
    )
    ids = sorted(latest.values())
    for batch in (ids[at : at + BATCH] for at in range(0, len(ids), BATCH)):
        query = select(SqlEventLogStorageTable.c.id, SqlEventLogStorageTable.c.event)
        with storage.index_connection() as connection:
            found = connection.execute(query.where(SqlEventLogStorageTable.c.id.in_(batch))).fetchall()
        for event_id, encoded in found:
            kept = encoded if metadata is None else _with_metadata(encoded, metadata)
            record = dg.EventLogRecord(event_id, dg.deserialize_value(kept, dg.EventLogEntry))
            if record.partition_key is not None:
                yield record.partition_key, record


def events_after(
    instance: dg.DagsterInstance,
    after_id: int,
    event: dg.DagsterEventType,
    keys: Collection[dg.AssetKey],
    *,
    metadata: Collection[str],
) -> list[dg.EventLogRecord]:
    """The events of this kind of some assets that are later than one, in order: one query for them all.

    Reads the event log's table: the public `fetch_materializations` and `fetch_observations` ask for one asset each.

    Args:
        metadata: labels of what is to be unpacked of a materialization.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    table = SqlEventLogStorageTable.c
    query = (
        select(table.id, table.event)
        .where(
            table.id > after_id,
            table.dagster_event_type == event.value,
            table.asset_key.in_([key.to_string() for key in keys]),
        )
        .order_by(table.id)
    )
    with storage.index_connection() as connection:
        found = connection.execute(query).fetchall()
    return [
        dg.EventLogRecord(event_id, dg.deserialize_value(_with_metadata(encoded, metadata), dg.EventLogEntry))
        for event_id, encoded in found
    ]


def run_events_after(
    instance: dg.DagsterInstance,
    after_id: int,
    *,
    metadata: Collection[str],
    known: Collection[int] = (),
    limit: int = BATCH,
) -> list[dg.EventLogRecord]:
    """What the log has of all runs that is later than one event, in order: materializations, and states of runs.

    Reads the event log's table: the public `fetch_run_status_changes` and `fetch_materializations` ask for one kind of
    event and one asset each, and SQLite keeps all other events of a run in a file of the run: see `events_of_run`.

    Args:
        metadata: labels of what is to be unpacked of a materialization.
        known: ids that are left out.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    table = SqlEventLogStorageTable.c
    kinds = [dg.DagsterEventType.ASSET_MATERIALIZATION.value, *RUN_STATES]
    query = (
        select(table.id, table.event)
        .where(table.id > after_id, table.dagster_event_type.in_(kinds), table.run_id != RUNLESS_RUN_ID)
        .order_by(table.id)
        .limit(limit)
    )
    with storage.index_connection() as connection:
        found = connection.execute(query).fetchall()
    return [
        dg.EventLogRecord(event_id, dg.deserialize_value(_with_metadata(encoded, metadata), dg.EventLogEntry))
        for event_id, encoded in found
        if event_id not in known
    ]


def events_of_run(instance: dg.DagsterInstance, run_id: str, after_id: int) -> Iterator[dg.EventLogRecord]:
    """All that the log has of a run that is later than one of its events, in order. With SQLite their ids are the
    run's own.

    Uses `get_records_for_run` and `EventLogCursor`; publicly a run's events are in the UI and in GraphQL alone.
    """
    cursor = EventLogCursor.from_storage_id(after_id).to_string()
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, limit=BATCH)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


def last_event_of_run(instance: dg.DagsterInstance, run_id: str) -> int:
    """The id of a run's latest event, 0 where there is none. Uses `get_records_for_run`, as `events_of_run` does."""
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return records[0].storage_id if records else 0


def _with_metadata(encoded: str, labels: Collection[str]) -> str:
    """The event, a materialization, with this metadata alone. Relies on how Dagster encodes one."""
    event = json.loads(encoded)
    match event:
        case {"dagster_event": {"event_specific_data": {"materialization": {"metadata_entries": [*entries]} as made}}}:
            made["metadata_entries"] = [one for one in entries if one.get("label") in labels]
    return json.dumps(event)


def write_events(instance: dg.DagsterInstance, events: Sequence[dg.AssetObservation | dg.AssetMaterialization]) -> None:
    """Report events of no run, many at once.

    Uses the event log's `store_event_batch`, and makes entries as the public `report_runless_asset_event` does, which
    writes one at a time: 30 ms each on PostgreSQL.
    """
    for at in range(0, len(events), BATCH):
        instance.event_log_storage.store_event_batch([*map(_entry, events[at : at + BATCH])])


def _entry(event: dg.AssetObservation | dg.AssetMaterialization) -> dg.EventLogEntry:
    data: AssetObservationData | StepMaterializationData
    if isinstance(event, dg.AssetObservation):
        kind, data = dg.DagsterEventType.ASSET_OBSERVATION, AssetObservationData(event)
    else:
        kind, data = dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event)
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.INFO,
        user_message="",
        run_id=RUNLESS_RUN_ID,
        timestamp=time.time(),
        job_name=RUNLESS_JOB_NAME,
        dagster_event=dg.DagsterEvent(event_type_value=kind.value, job_name=RUNLESS_JOB_NAME, event_specific_data=data),
    )


def materialized_in(instance: dg.DagsterInstance, run_id: str) -> set[dg.AssetKey]:
    """The assets that a run has materialized so far.

    Uses `get_records_for_run`; the public `fetch_materializations` asks for an asset, not for a run.
    """
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    return {record.asset_key for record in records if record.asset_key is not None}


# Runs


def add_tags(instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Put tags on a run, whatever its state.

    Uses `add_run_tags`; publicly a run gets its tags when it is asked for.
    """
    instance.add_run_tags(run_id, tags)


def retry_run(instance: dg.DagsterInstance, run_id: str, *, on_failure: bool) -> None:
    """Say whether the daemon may try a run again that a stage's failure ended.

    Uses the tag of `run_retries.retry_on_asset_or_op_failure`: publicly that is set for a whole instance or job.
    """
    add_tags(instance, run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true" if on_failure else "false"})


def has_retry_tag(run: dg.DagsterRun) -> bool:
    """Whether `retry_run` was called for the run, or for the one that it repeats. Uses the same tag."""
    return RETRY_ON_ASSET_OR_OP_FAILURE_TAG in run.tags


@contextmanager
def runs_of_code_location(instance: dg.DagsterInstance, job: str, *, sensor: str, module: str) -> Iterator[None]:
    """While the block runs, runs that are made in this process belong to the job of the code location, as the UI's do.

    By that the UI lists them with the job, and lets them be executed again. The daemon makes none of them again by
    itself: who gave the command sees that it failed.
    Uses `create_run_for_job`, which the public `execute_in_process` calls without an origin and has no parameter for;
    what the sensors' states know of the code location; and, where none has ticked yet, the origin that a workspace
    gives a Python module.

    Args:
        sensor: one of the code location. module: what the workspace loads, where nobody else tells.
    """
    origin = _repository_origin(instance, sensor, module).get_job_origin(job)
    create = instance.create_run_for_job

    def create_with_origin(*, tags: Mapping[str, str], **arguments: Any) -> dg.DagsterRun:
        return create(tags={**tags, MAX_RETRIES_TAG: "0"}, remote_job_origin=origin, **arguments)

    instance.create_run_for_job = create_with_origin  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del instance.create_run_for_job


def _repository_origin(instance: dg.DagsterInstance, sensor: str, module: str) -> RemoteRepositoryOrigin:
    """What the code location is called: as the sensors' states know it, else as a workspace would load the module."""
    sensors = [] if instance.is_ephemeral else instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    known = [state for state in sensors if state.instigator_name == sensor]
    if known:
        latest = max(known, key=lambda state: getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0)
        return latest.origin.repository_origin
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=module))
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)


def queue_run(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    *,
    sensor: str,
    module: str,
    attribute: str,
    partition: str,
    assets: Sequence[dg.AssetKey],
    run_config: Mapping[str, object],
    tags: Mapping[str, str],
) -> dg.DagsterRun:
    """Put a run of the job into the instance's queue, as the UI does; the daemon launches it at the code location.

    Uses `create_run_for_job` and `submit_run` with the origins by which the daemon finds the code: publicly this is a
    GraphQL mutation, which needs a webserver. Where the code's image and entry point are is what the job's last run
    says that was launched so; else it is this Python's module.

    Args:
        sensor, module: as of `runs_of_code_location`. attribute: of the module, which has the definitions.
        assets: none: all of the job.
    """
    repository = _repository_origin(instance, sensor, module)
    before = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(job_name=job.name), limit=20)]
    code = next((run.job_code_origin for run in before if run.job_code_origin is not None), None)
    pointer = ModuleCodePointer(module, attribute)
    run = instance.create_run_for_job(
        job,
        run_config=run_config,
        tags={**tags, PARTITION_NAME_TAG: partition},
        asset_selection=set(assets) or None,
        remote_job_origin=repository.get_job_origin(job.name),
        job_code_origin=code
        or JobPythonOrigin(
            job.name, RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
        ),
    )
    # Queues do not look at the workspace; the daemon has its own.
    return instance.submit_run(run.run_id, None)  # type: ignore[arg-type]


def has_queue(instance: dg.DagsterInstance) -> bool:
    """Whether runs are queued, for the daemon to launch. Uses `run_coordinator`, as `queue_of` does."""
    return isinstance(instance.run_coordinator, dg.QueuedRunCoordinator)


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon that launches queued runs has told lately that it is at work.

    Uses `get_daemon_statuses` and `DaemonStatus`: publicly this is a page of the UI.
    """
    statuses = instance.get_daemon_statuses([QUEUE_DAEMON])
    return any(bool(status.healthy) for status in statuses.values())


def count_runs(instance: dg.DagsterInstance, runs: dg.RunsFilter) -> int:
    """How many runs there are of this kind.

    Uses `get_runs_count`; the public `get_run_records` would read them all.
    """
    return instance.get_runs_count(runs)


def mark_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    """Take a run for failed, as its process is gone.

    Uses `report_run_failed`: publicly only the daemon does this, for runs that it launched.
    """
    instance.report_run_failed(run, message)


def mark_canceling(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Say of a run that it is to end. Uses `report_run_canceling`: publicly this is the UI's alone."""
    instance.report_run_canceling(run)


def mark_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str | None = None) -> None:
    """Take a run for canceled. Uses `report_run_canceled`: publicly this is the UI's alone."""
    instance.report_run_canceled(run, message=message)


def cancel_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Ask the queue, or the server of a run, to end it. A server that is gone is no error: the run is told otherwise.

    Uses the instance's `run_coordinator` and the errors of a code server: publicly this is a GraphQL mutation, which
    needs a webserver.
    """
    with suppress(DagsterUserCodeUnreachableError, DagsterUserCodeProcessError):
        instance.run_coordinator.cancel_run(run_id)


# Backfills


@dataclass(frozen=True)
class BackfillRecord:
    """A backfill that still asks for runs, as Dagster has it."""

    backfill_id: str
    title: str
    partitions: frozenset[str]


def backfills_at_work(instance: dg.DagsterInstance) -> list[BackfillRecord]:
    """Those that still ask for runs, the latest first.

    Uses `get_backfills` and `PartitionBackfill`: publicly backfills are in the UI and in GraphQL alone.
    """
    requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    return [
        BackfillRecord(one.backfill_id, one.title or "", _partitions_of(one))
        for one in instance.get_backfills(filters=requested)
    ]


def _partitions_of(backfill: PartitionBackfill) -> frozenset[str]:
    data = backfill.asset_backfill_data
    if data is None:
        return frozenset(backfill.partition_names or ())
    subsets = data.target_subset.partitions_subsets_by_asset_key.values()
    return frozenset(name for subset in subsets for name in subset.get_partition_keys())


def backfill_times_s(instance: dg.DagsterInstance, tag: str, limit: int = 1000) -> dict[str, float]:
    """When the last backfill was asked for with each value of the tag, of so many, the latest.

    Uses `get_backfills`, as `backfills_at_work` does.
    """
    times: dict[str, float] = {}
    for backfill in instance.get_backfills(limit=limit):
        value = backfill.tags.get(tag)
        if value is not None:
            times[value] = max(times.get(value, 0.0), backfill.backfill_timestamp)
    return times


def request_backfill(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    assets: Sequence[dg.AssetKey],
    partitions: Sequence[str],
    *,
    title: str,
    tags: Mapping[str, str],
    run_config: Mapping[str, object],
) -> None:
    """Ask the daemon for runs of many partitions as one backfill, which can be watched and cancelled as one.

    Uses `PartitionBackfill`, the repository's `asset_graph` and `add_backfill`: a sensor can publicly ask for runs,
    not for a backfill with a title, tags and a configuration.
    """
    with warnings.catch_warnings():
        # Dagster's own, of a function of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=uuid.uuid4().hex[:8],
            asset_graph=repository.asset_graph,
            partition_names=[*partitions],
            asset_selection=[*assets],
            backfill_timestamp=time.time(),
            tags=tags,
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=title,
            description=None,
            run_config=run_config,
        )
    instance.add_backfill(backfill)


def cancel_backfill(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    """Ask a backfill to end as the UI does: the daemon then cancels its runs. False: none of this name is at work.

    Uses `get_backfill`, `update_backfill` and `BulkActionStatus`: publicly this is a GraphQL mutation.
    """
    backfill = instance.get_backfill(backfill_id)
    if backfill is None or backfill.status != BulkActionStatus.REQUESTED:
        return False
    instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELING))  # type: ignore[no-untyped-call]
    return True


# The daemon's log


def quiet_idle_sensors() -> None:
    """Keep out of the daemon's log that a sensor is looked at, and that it had nothing to do; all else is told.

    Uses the name of the logger and the beginnings of two messages: publicly there is a level for all of the daemon's
    log alone. With others, all lines are told.
    """
    logging.getLogger(SENSOR_LOGGER).addFilter(_tells_of_something)


SENSOR_LOGGER = "dagster.daemon.SensorDaemon"
IDLE_MESSAGES = ("Checking for new runs for sensor: ", "No run requests returned for ")


def _tells_of_something(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(IDLE_MESSAGES)


# The instance: its folder, its queue, its launcher


def home_of(instance: dg.DagsterInstance) -> Path:
    """The instance's `DAGSTER_HOME`. Uses `root_directory`: publicly it is an environment variable alone."""
    return Path(instance.root_directory).resolve()


def is_ephemeral(instance: dg.DagsterInstance) -> bool:
    """Whether the instance ends with this process. Uses `is_ephemeral`, which is not public."""
    return instance.is_ephemeral


def queue_of(instance: dg.DagsterInstance) -> tuple[object, list[dict[str, object]]]:
    """What queues the instance's runs, and the limits by tag that it keeps.

    Uses `run_coordinator` and `get_concurrency_config`: publicly both are in `dagster.yaml` alone.
    """
    queue = instance.get_concurrency_config().run_queue_config
    limits = [dict(limit) for limit in queue.tag_concurrency_limits] if queue is not None else []
    return instance.run_coordinator, limits


def instance_of(part: dg.QueuedRunCoordinator[dg.DagsterInstance] | dg.DefaultRunLauncher) -> dg.DagsterInstance:
    """The instance that a queue or a launcher belongs to. Uses their `_instance`: a subclass has no public way."""
    return part._instance


class HealthCheckedRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher with a check of its own of whether a run's process is gone.

    Uses `check_run_worker_health`, `CheckRunHealthResult` and `WorkerStatus`: run monitoring asks every launcher so,
    and the default one, whose class is public, can only ask a code server, which may be gone with the run.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tells run monitoring to ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """What run monitoring asks of each run at work, at each of its looks."""
        reason = self.why_gone(run)
        if reason is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, reason)

    @abstractmethod
    def why_gone(self, run: dg.DagsterRun) -> str | None:
        """Why the run's process is taken for gone; None where it is not."""


# The databases of a DAGSTER_HOME


def repair_versions(home: Path) -> None:
    """Leave one version in each SQLite database of a home where several processes wrote theirs.

    Two processes that open a new home at once each make the tables and note a version; with two versions Dagster
    opens the home no more. Both made the tables as they are today, so the latest version is the true one.
    Uses the files' names, their table `alembic_version` and the scripts in `dagster/_core/storage/alembic`: publicly
    there is `dagster instance migrate`, which cannot open such a home either.

    Raises:
        sqlite3.Error: a file is no database, or cannot be written.
    """
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        file = home / name
        if not file.exists():
            continue
        with closing(sqlite3.connect(file)) as connection, connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
            if not tables or connection.execute("SELECT count(*) FROM alembic_version").fetchone() <= (1,):
                continue
            from alembic.script import ScriptDirectory  # slow to import, and hardly ever needed

            scripts = ScriptDirectory(str(Path(dg.__file__).parent / "_core" / "storage" / "alembic"))
            connection.execute("DELETE FROM alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (scripts.get_current_head(),))


ENGINES = 8
"""SQLite files whose engines are kept: those of a home, and the latest runs'."""


def keep_engines() -> None:
    """Have SQLite storages that this process opens keep an engine and an open connection for each file.

    By themselves they make an engine at each access, which compiles every statement anew, and close its connection,
    which moves the whole write-ahead log into the file: together most of what a run costs Dagster. Replaces the
    `create_engine` that the modules of SQLite storages call, for which they have no setting. Once is enough.
    """
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        if isinstance(module.create_engine, partial):
            continue
        make, kept = module.create_engine, OrderedDict[str, Engine]()
        module.create_engine = partial(_kept_engine, make, kept)  # type: ignore[attr-defined]


def _kept_engine(make: Callable[..., Engine], kept: OrderedDict[str, Engine], url: str, **how: Any) -> Engine:
    engine = kept.pop(url, None) or _pooled(make, url, **how)
    kept[url] = engine
    while len(kept) > ENGINES:
        _, old = kept.popitem(last=False)
        old.pool.dispose()
    return engine


def _pooled(make: Callable[..., Engine], url: str, **how: Any) -> Engine:
    """An engine whose connections stay open: the event log's disposes of its engine after each access."""
    engine = make(url, **how | {"poolclass": QueuePool})
    listen(engine, "connect", _write_ahead)
    engine.dispose = _stay_open  # type: ignore[method-assign]
    return engine


def _stay_open(close: bool = True) -> None:  # as the method has it
    """What `dispose` of a kept engine does; its pool is disposed of once it is kept no longer."""


def _write_ahead(connection: sqlite3.Connection, _: object) -> None:
    # The log is written to disk when it is moved into the file: what a power cut takes is run again.
    connection.execute("PRAGMA synchronous=NORMAL")


_KNOWN_PARTITIONS = 1000


def remember_partitions(instance: dg.DagsterInstance) -> None:
    """Have the instance remember partitions that it has seen to be there: a run asks for its own at each input.

    Replaces `has_dynamic_partition` of this one instance, which has no cache of its own. One that is deleted meanwhile
    is still thought to be there by this process.
    """
    asked, known = instance.has_dynamic_partition, OrderedDict[tuple[str, str], None]()

    def has(partitions_def_name: str, partition_key: str) -> bool:
        key = (partitions_def_name, partition_key)
        if key not in known:
            if not asked(partitions_def_name, partition_key):
                return False
            known[key] = None
            while len(known) > _KNOWN_PARTITIONS:
                known.popitem(last=False)
        return True

    instance.has_dynamic_partition = has  # type: ignore[method-assign]
