"""What is used of Dagster's inside, each thing by name: an upgrade that takes one away or changes it fails here."""

from __future__ import annotations

import importlib
import inspect
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import RunCoordinator
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.daemon import SensorDaemon, get_default_daemon_logger
from sqlalchemy import Engine, Pool, event

from bench import structure
from mpr_resources.dagster_internals import (
    DATA_VERSION_TAG,
    IDLE_MESSAGES,
    HealthCheckedRunLauncher,
    events_after,
    keep_engines,
    last_event_id,
    latest_events,
    materialized_in,
    quiet_idle_sensors,
    read_values,
    remember_partitions,
    runs_of_code_location,
    write_events,
    write_value,
)

ROOT = Path(__file__).parents[2]
IMPORTED = {
    "dagster._core.code_pointer": "ModuleCodePointer",
    "dagster._core.definitions.data_version": "CODE_VERSION_TAG DATA_VERSION_TAG",
    "dagster._core.definitions.run_request": "InstigatorType",
    "dagster._core.definitions.repository_definition.valid_definitions": "SINGLETON_REPOSITORY_NAME",
    "dagster._core.errors": "DagsterUserCodeProcessError DagsterUserCodeUnreachableError",
    "dagster._core.event_api": "EventLogCursor",
    "dagster._core.events": "AssetObservationData StepMaterializationData",
    "dagster._core.execution.backfill": "BulkActionStatus BulkActionsFilter PartitionBackfill",
    "dagster._core.instance.utils": "RUNLESS_JOB_NAME RUNLESS_RUN_ID",
    "dagster._core.launcher": "CheckRunHealthResult WorkerStatus",
    "dagster._core.origin": "DEFAULT_DAGSTER_ENTRY_POINT JobPythonOrigin RepositoryPythonOrigin",
    "dagster._core.remote_origin": "ManagedGrpcPythonEnvCodeLocationOrigin RemoteRepositoryOrigin",
    "dagster._core.storage.event_log": "SqlEventLogStorage SqlEventLogStorageTable",
    "dagster._core.storage.event_log.sqlite": "sqlite_event_log",
    "dagster._core.storage.runs.sqlite": "sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite": "sqlite_schedule_storage",
    "dagster._core.storage.tags": "BACKFILL_ID_TAG GRPC_INFO_TAG MAX_RETRIES_TAG PARENT_RUN_ID_TAG PARTITION_NAME_TAG "
    "RETRY_ON_ASSET_OR_OP_FAILURE_TAG ROOT_RUN_ID_TAG SCHEDULE_NAME_TAG SENSOR_NAME_TAG",
    "dagster._core.types.loadable_target_origin": "LoadableTargetOrigin",
    "dagster._serdes": "ConfigurableClassData",
    "dagster_shared.error": "SerializableErrorInfo",
}
OF_AN_INSTANCE = {
    # parameters relied on; None: a property
    "add_backfill": "partition_backfill",
    "add_run_tags": "run_id new_tags",
    "all_instigator_state": "instigator_type",
    "create_run_for_job": "job_def run_config tags asset_selection remote_job_origin job_code_origin",
    "event_log_storage": None,
    "get_backfill": "backfill_id",
    "get_backfills": "filters limit",
    "get_concurrency_config": "",
    "get_daemon_statuses": "daemon_types",
    "get_records_for_run": "run_id of_type cursor limit ascending",
    "get_runs_count": "filters",
    "is_ephemeral": None,
    "report_run_canceled": "dagster_run message",
    "report_run_canceling": "run",
    "report_run_failed": "dagster_run message",
    "root_directory": None,
    "run_coordinator": None,
    "run_storage": None,
    "submit_run": "run_id workspace",
    "update_backfill": "partition_backfill",
}
OF_OTHERS: list[tuple[type, str, str | None]] = [
    (InstigatorState, "__new__", "origin instigator_data"),
    (InstigatorState, "instigator_name", None),
    (LoadableTargetOrigin, "module_name", None),
    (ManagedGrpcPythonEnvCodeLocationOrigin, "__new__", "loadable_target_origin"),
    (RemoteRepositoryOrigin, "get_job_origin", "job_name"),
    (RunStorage, "get_cursor_values", "keys"),
    (RunStorage, "set_cursor_values", "pairs"),
    (SqlEventLogStorage, "get_latest_storage_id_by_partition", "asset_key event_type partitions after_cursor"),
    (SqlEventLogStorage, "get_maximum_record_id", ""),
    (SqlEventLogStorage, "index_connection", ""),
    (SqlEventLogStorage, "store_event_batch", "events"),
    (RunCoordinator, "cancel_run", "run_id"),
    (
        PartitionBackfill,
        "from_asset_partitions",
        "backfill_id asset_graph partition_names asset_selection backfill_timestamp tags dynamic_partitions_store "
        "all_partitions title description run_config",
    ),
    (PartitionBackfill, "with_status", "status"),
    (PartitionBackfill, "__new__", "backfill_id status tags backfill_timestamp title partition_names"),
    (PartitionBackfill, "asset_backfill_data", None),
    (CheckRunHealthResult, "__new__", "status msg"),
    (dg.DefaultRunLauncher, "__init__", "inst_data"),
    (dg.DefaultRunLauncher, "_instance", None),
    (dg.DefaultRunLauncher, "check_run_worker_health", "run"),
    (dg.DefaultRunLauncher, "supports_check_run_worker_health", None),
    (dg.QueuedRunCoordinator, "_instance", None),
    (dg.RepositoryDefinition, "asset_graph", None),
    (dg.AssetKey, "to_string", ""),
    (dg.AssetsDefinition, "get_output_name_for_asset_check_key", "key"),
    (dg.DagsterEvent, "__new__", "event_type_value job_name event_specific_data"),
    (dg.EventLogEntry, "__new__", "error_info level user_message run_id timestamp job_name dagster_event"),
    (dg.EventLogRecord, "__new__", "storage_id event_log_entry"),
]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def test_what_is_imported_is_named_here_and_is_there() -> None:
    expected = sorted(f"{module}.{name}" for module, names in IMPORTED.items() for name in names.split())
    assert sorted(line.partition(": ")[2] for line in structure.private_dagster(ROOT)) == expected
    missing = [
        f"{module}.{name}"
        for module, names in IMPORTED.items()
        for name in names.split()
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def test_what_is_used_of_an_instance_is_named_here() -> None:
    assert {line.partition(": ")[2] for line in structure.private_of_instance(ROOT)} == set(OF_AN_INSTANCE)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [*((dg.DagsterInstance, name, parameters) for name, parameters in OF_AN_INSTANCE.items()), *OF_OTHERS],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_what_is_used_takes_what_it_is_given(owner: type, name: str, parameters: str | None) -> None:
    member = getattr(owner, name)
    if parameters is None:
        assert not callable(member)
    else:
        assert set(parameters.split()) <= set(inspect.signature(member).parameters)


def test_states_and_columns_that_are_named() -> None:
    assert {"REQUESTED", "CANCELING"} <= set(BulkActionStatus.__members__)
    assert {"RUNNING", "NOT_FOUND"} <= set(WorkerStatus.__members__)
    assert {"id", "event", "asset_key", "dagster_event_type", "run_id"} <= set(SqlEventLogStorageTable.c.keys())


# What it does


@pytest.mark.parametrize(
    ("written", "keys", "expected"),
    [
        pytest.param([], [], {}, id="nothing"),
        pytest.param([], ["a"], {}, id="a key that is not there"),
        pytest.param([("a", "1"), ("b", "2"), ("a", "3")], ["a", "b", "b"], {"a": "3", "b": "2"}, id="written again"),
        pytest.param([("a", "1")], [f"{n}" for n in range(1200)] + ["a"], {"a": "1"}, id="more keys than one query"),
    ],
)
def test_values(
    instance: dg.DagsterInstance, written: list[tuple[str, str]], keys: list[str], expected: dict[str, str]
) -> None:
    for key, value in written:
        write_value(instance, key, value)
    assert read_values(instance, keys) == expected


def made(partition: str | None, version: str, asset: str = "a") -> dg.AssetMaterialization:
    metadata = {"kept": "yes", "preview": dg.MetadataValue.md("x" * 1000)}
    return dg.AssetMaterialization(asset, partition=partition, tags={DATA_VERSION_TAG: version}, metadata=metadata)


def seen(partition: str, version: str) -> dg.AssetObservation:
    return dg.AssetObservation("a", partition=partition, tags={DATA_VERSION_TAG: version})


MATERIALIZED, OBSERVED = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION
EVENTS = [made("t", "1"), made("u", "1"), made("t", "2"), made("t", "9", "b"), made(None, "3"), seen("t", "4")]


@pytest.mark.parametrize(
    ("kind", "partitions", "after", "expected"),
    [
        pytest.param(MATERIALIZED, None, 0, {"t": "2", "u": "1"}, id="all"),
        pytest.param(MATERIALIZED, [], 0, {}, id="of no partition"),
        pytest.param(MATERIALIZED, ["u", "v"], 0, {"u": "1"}, id="of some"),
        pytest.param(OBSERVED, None, 0, {"t": "4"}, id="observations"),
        pytest.param(MATERIALIZED, None, 2, {"t": "2"}, id="after the second event"),
        pytest.param(MATERIALIZED, None, 6, {}, id="after the last"),
    ],
)
def test_the_latest_event_of_each_partition(
    instance: dg.DagsterInstance,
    kind: dg.DagsterEventType,
    partitions: list[str] | None,
    after: int,
    expected: dict[str, str],
) -> None:
    first = last_event_id(instance)
    write_events(instance, EVENTS)
    assert last_event_id(instance) == first + len(EVENTS)
    found = dict(latest_events(instance, dg.AssetKey("a"), kind, partitions, metadata=["kept"], after_id=first + after))
    versions = {}
    for partition, record in found.items():
        event = record.asset_materialization or record.asset_observation
        assert event is not None
        versions[partition] = (event.tags or {})[DATA_VERSION_TAG]
        assert set(event.metadata) == ({"kept"} if kind is MATERIALIZED else set())
    assert versions == expected


@pytest.mark.parametrize(
    ("kind", "after", "assets", "expected"),
    [
        pytest.param(MATERIALIZED, 0, [], [], id="of no asset"),
        pytest.param(MATERIALIZED, 0, ["a"], ["1", "1", "2", "3"], id="of one, in order"),
        pytest.param(MATERIALIZED, 2, ["a", "b"], ["2", "9", "3"], id="of two, after the second"),
        pytest.param(OBSERVED, 0, ["a", "b"], ["4"], id="observations"),
        pytest.param(MATERIALIZED, 6, ["a", "b"], [], id="after the last"),
    ],
)
def test_events_after_one(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType, after: int, assets: list[str], expected: list[str]
) -> None:
    first = last_event_id(instance)
    write_events(instance, EVENTS)
    found = events_after(instance, first + after, kind, [dg.AssetKey(name) for name in assets], metadata=["kept"])
    events = [record.asset_materialization or record.asset_observation for record in found]
    assert [(event.tags or {})[DATA_VERSION_TAG] for event in events if event is not None] == expected


def test_no_event_and_no_run(instance: dg.DagsterInstance) -> None:
    assert last_event_id(instance) == 0
    assert materialized_in(instance, str(uuid.uuid4())) == set()


def ticked(location: str, sensor: str, time_s: float | None) -> InstigatorState:
    """The state of a sensor of a server's code location."""
    repository = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("host", 4000, location_name=location), "r")
    data = SensorInstigatorData(last_tick_timestamp=time_s)
    origin = repository.get_instigator_origin(sensor)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)


LOCATIONS: dict[str, tuple[list[InstigatorState], str]] = {
    "nothing has ticked": ([], "__repository__@a.module"),
    "another sensor has": ([ticked("other", "theirs", 1.0)], "__repository__@a.module"),
    "ours has": ([ticked("server", "ours", 1.0)], "r@server"),
    "ours has, elsewhere later": (
        [ticked("new", "ours", 2.0), ticked("old", "ours", 1.0), ticked("never", "ours", None)],
        "r@new",
    ),
}


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_run_made_here_belongs_to_the_code_location(instance: dg.DagsterInstance, name: str) -> None:
    states, label = LOCATIONS[name]
    for state in states:
        instance.add_instigator_state(state)

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def work() -> None:
        nothing()

    with runs_of_code_location(instance, "work", sensor="ours", module="a.module"):
        work.execute_in_process(instance=instance, tags={"mine": "1"})
    work.execute_in_process(instance=instance)
    without, made = instance.get_runs()
    assert without.remote_job_origin is None
    assert made.remote_job_origin is not None
    assert (made.remote_job_origin.repository_origin.get_label(), made.remote_job_origin.job_name) == (label, "work")
    listed = instance.get_runs(dg.RunsFilter(job_name="work", tags={".dagster/repository": label}))
    assert [run.run_id for run in listed] == [made.run_id]
    assert (made.tags["mine"], made.tags["dagster/max_retries"]) == ("1", "0")


TOLD_OF_SENSORS = [
    ("Checking for new runs for sensor: new_media", False),
    ("No run requests returned for new_media, skipping", False),
    ("Sensor show_states skipped: no run is needed; the changed states of 1 of 1 timelines were noted.", True),
    ("Launching run for new_media", True),
]


@pytest.mark.parametrize(("message", "told"), TOLD_OF_SENSORS)
def test_an_idle_sensor_says_nothing(message: str, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    quiet_idle_sensors()
    logger = get_default_daemon_logger(SensorDaemon.__name__)
    with caplog.at_level("INFO", logger.name):
        logger.info(message)
    assert caplog.messages == [message] * told


def test_messages_of_idle_sensors_are_dagsters() -> None:
    source = inspect.getsource(importlib.import_module("dagster._daemon.sensor"))
    assert [text for text in IDLE_MESSAGES if f'info(f"{text}{{' not in source] == []


@pytest.mark.parametrize("reason", [None, "no sign"])
def test_a_launcher_that_says_why_a_run_is_gone(instance: dg.DagsterInstance, reason: str | None) -> None:
    class Launcher(HealthCheckedRunLauncher):
        def why_gone(self, run: dg.DagsterRun) -> str | None:
            return reason

    launcher = Launcher()
    launcher.register_instance(instance)
    found = launcher.check_run_worker_health(dg.DagsterRun("mpr", str(uuid.uuid4())))
    expected = WorkerStatus.NOT_FOUND if reason else WorkerStatus.RUNNING
    assert (launcher.supports_check_run_worker_health, found.status, found.msg) == (True, expected, reason)


def test_storages_keep_an_engine_and_a_connection_for_each_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):

        def counted(url: str, make: Callable[..., Engine] = module.create_engine, **how: Any) -> Engine:
            made.append(url)
            return make(url, **how)

        monkeypatch.setattr(module, "create_engine", counted)
    keep_engines()
    keep_engines()
    opened: list[str] = []

    def connected(connection: sqlite3.Connection, _: object) -> None:
        opened.append(connection.execute("PRAGMA database_list").fetchone()[2])

    event.listen(Pool, "connect", connected)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        for value in ("one", "two", "three", "four"):
            write_value(instance, "key", value)
            instance.add_dynamic_partitions("timelines", [value])
        assert read_values(instance, ["key"]) == {"key": "four"}
        assert sorted(instance.get_dynamic_partitions("timelines")) == ["four", "one", "three", "two"]
    assert made
    assert len(set(made)) == len(made)
    event.remove(Pool, "connect", connected)
    # A second one where a file is made within an access to another.
    assert set(Counter(opened).values()) <= {1, 2}
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        for engine in module.create_engine.args[1].values():
            engine.pool.dispose()


def test_a_partition_that_was_seen_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        asked: list[str] = []
        looked_up = instance.has_dynamic_partition

        def counted(partitions_def_name: str, partition_key: str) -> bool:
            asked.append(partition_key)
            return looked_up(partitions_def_name, partition_key)

        monkeypatch.setattr(instance, "has_dynamic_partition", counted)
        remember_partitions(instance)
        assert [instance.has_dynamic_partition("timelines", "match") for _ in range(2)] == [False, False]
        instance.add_dynamic_partitions("timelines", ["match"])
        assert [instance.has_dynamic_partition("timelines", "match") for _ in range(3)] == [True, True, True]
        assert not instance.has_dynamic_partition("other", "match")
        assert asked == ["match", "match", "match", "match"]
