"""A run writes heartbeats; one that stops writing counts as dead; one that was ended unreachably notices and ends."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, PARTITION_NAME_TAG

from mpr_resources.heartbeat import WatchedRunLauncher, beating, give_way

BEAT_S = 0.05
KEY = "mpr/alive/match"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(
        {"run_launcher": {"module": "mpr_resources.heartbeat", "class": "WatchedRunLauncher"}}
    ) as made:
        yield made


def started(
    instance: dg.DagsterInstance,
    timeline: str = "match",
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
) -> dg.DagsterRun:
    run = dg.DagsterRun(
        job_name="mpr",
        run_id=str(uuid.uuid4()),
        status=status,
        tags={PARTITION_NAME_TAG: timeline},
    )
    return instance.run_storage.add_run(run)


def sign(instance: dg.DagsterInstance) -> str | None:
    return instance.run_storage.get_cursor_values({KEY}).get(KEY)


@pytest.mark.parametrize(
    ("signs", "seconds", "silent_s"),
    [
        pytest.param([], 600, None, id="none was ever given: not ours to judge"),
        pytest.param(["other 7"] * 6, 600, None, id="those of an earlier run"),
        pytest.param([f"RUN {number}" for number in range(6)], 600, None, id="a new one at every look"),
        pytest.param(["RUN 1"], 600, None, id="the first look"),
        pytest.param(["RUN 1"] * 3, 600, None, id="the database was away: two looks are too few"),
        pytest.param(["RUN 1"] * 4, 40, None, id="many looks in a short time"),
        pytest.param(["RUN 1", "RUN 1", "RUN 1", "RUN 2", "RUN 2"], 600, None, id="one came in time"),
        pytest.param(["RUN 1"] * 4, 46, 46, id="silent"),
        pytest.param(["RUN 1", "RUN 2", "RUN 2", "RUN 2", "RUN 2"], 64, 48, id="silent after a while"),
    ],
)
def test_which_runs_are_taken_for_dead(
    instance: dg.DagsterInstance, signs: Sequence[str], seconds: int, silent_s: int | None
) -> None:
    now_s = [100.0]
    launcher = WatchedRunLauncher(clock=lambda: now_s[0])
    launcher.register_instance(instance)
    run = started(instance)
    said = [launcher.check_run_worker_health(run)]
    for text in signs:
        instance.run_storage.set_cursor_values({KEY: text.replace("RUN", run.run_id)})
        said.append(launcher.check_run_worker_health(run))
        now_s[0] += seconds / max(1, len(signs) - 1)
    assert {one.status for one in said[:-1]} <= {WorkerStatus.RUNNING}
    expected = (WorkerStatus.NOT_FOUND, f"no heartbeat for {silent_s} s") if silent_s else (WorkerStatus.RUNNING, None)
    assert (said[-1].status, said[-1].msg) == expected


def test_a_run_at_work_gives_one_sign_after_another(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    with beating(instance, run, BEAT_S):
        signs = []
        for _ in range(20):
            time.sleep(BEAT_S)
            signs.append(sign(instance))
    assert {text.split()[0] for text in signs if text} == {run.run_id}
    assert len(set(signs)) > 3
    after = sign(instance)
    time.sleep(3 * BEAT_S)
    assert sign(instance) == after
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


@pytest.mark.parametrize("ended", ["canceling", "canceled", "failed", "deleted"])
def test_a_run_that_was_ended_without_knowing_is_interrupted_once(instance: dg.DagsterInstance, ended: str) -> None:
    run = started(instance)
    end: dict[str, Callable[[], object]] = {
        "canceling": lambda: instance.report_run_canceling(run),
        "canceled": lambda: instance.report_run_canceled(run),
        "failed": lambda: instance.report_run_failed(run),
        "deleted": lambda: instance.delete_run(run.run_id),
    }
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        with beating(instance, run, BEAT_S):
            end[ended]()
            end_s = time.monotonic() + 10
            while not told and time.monotonic() < end_s:
                time.sleep(BEAT_S)
            time.sleep(5 * BEAT_S)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == [signal.SIGINT]


@pytest.mark.parametrize(
    ("others", "goes_on"),
    [
        pytest.param([], True, id="alone"),
        pytest.param([("match", "STARTED", "before")], False, id="another began before"),
        pytest.param([("match", "CANCELING", "before")], False, id="another is still ending"),
        pytest.param([("match", "STARTED", "after")], True, id="another began after: that one gives way"),
        pytest.param([("match", "NOT_STARTED", "before")], True, id="another waits"),
        pytest.param([("match", "FAILURE", "before")], True, id="another has ended"),
        pytest.param([("other", "STARTED", "before")], True, id="of another timeline"),
    ],
)
def test_of_two_runs_of_a_timeline_the_first_goes_on(
    instance: dg.DagsterInstance, others: Sequence[tuple[str, str, str]], goes_on: bool
) -> None:
    def add(when: str) -> list[dg.DagsterRun]:
        found = [(timeline, status) for timeline, status, order in others if order == when]
        return [started(instance, timeline, dg.DagsterRunStatus(status)) for timeline, status in found]

    before, run, _ = add("before"), started(instance), add("after")
    if goes_on:
        give_way(instance, run)
    else:
        with pytest.raises(dg.Failure) as failure:
            give_way(instance, run)
        assert failure.value.description == (
            f"The run {before[0].run_id[:8]} of the timeline 'match' is in progress; run this one again once it ends."
        )


def test_a_run_that_its_server_has_told_gets_time_to_end(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    instance.add_run_tags(run.run_id, {GRPC_INFO_TAG: "{}"})
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        with beating(instance, instance.get_run_by_id(run.run_id) or run, BEAT_S):
            instance.report_run_canceling(run)
            time.sleep(5 * BEAT_S)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == []


def test_a_database_that_is_away_ends_no_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = started(instance)
    write, failures = instance.run_storage.set_cursor_values, [OSError("connection refused")] * 3

    def sometimes(values: dict[str, str]) -> None:
        if failures:
            raise failures.pop()
        write(values)

    monkeypatch.setattr(instance.run_storage, "set_cursor_values", sometimes)
    with beating(instance, run, BEAT_S):
        end_s = time.monotonic() + 10
        while sign(instance) is None and time.monotonic() < end_s:
            time.sleep(BEAT_S)
    assert sign(instance) == f"{run.run_id} 3"
    assert caplog.messages == ["The run's heartbeat could not be written: connection refused"] * 3
