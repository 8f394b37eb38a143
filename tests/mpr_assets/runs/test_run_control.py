from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext

from gpu_service.errors import BadInput
from mpr_assets.definitions import (
    ROOT,
    STAGES,
    database,
    definitions,
    inference_resource,
    storage_resource,
)
from mpr_assets.freshness.config_versions import node
from mpr_assets.freshness.event_log import read_made
from mpr_assets.runs.local_instance import Resources
from mpr_assets.runs.run_control import (
    backfills_at_work,
    clear,
    downstream,
    next_step,
    stop,
    what_to_retry,
)
from mpr_assets.runs.run_lock import (
    COMMAND_TAG,
    PLACE_TAG,
    refuse_at_work,
    runs_of,
)
from mpr_assets.timelines.partitions import register
from mpr_cli import app
from mpr_resources import run_queue
from mpr_resources.run_queue import HELD, HOLD_TAG
from tests.world import (
    BY_NAME,
    NAMES,
    TIMELINE,
    Ran,
    World,
)

Status = dg.DagsterRunStatus
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "mpr"), "nothing")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's folder, with the repository's dagster.yaml."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    return home


@pytest.fixture(scope="module")
def queue(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance as the repository's dagster.yaml has it, with its run queue and no daemon; for tests in turn."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def queued(instance: dg.DagsterInstance, timeline: str, tags: Mapping[str, str] | None = None) -> str:
    """A run of the timeline, submitted as the UI and the sensors do."""
    tags = {"dagster/partition": timeline} | dict(tags or {})
    run = instance.create_run_for_job(definition(), tags=tags, remote_job_origin=ORIGIN)
    coordinator = instance.run_coordinator
    assert isinstance(coordinator, run_queue.HoldingRunCoordinator)
    coordinator.submit_run(SubmitRunContext(run, None))  # type: ignore[arg-type]  # the queue looks at the run alone
    return run.run_id


def definition() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None: ...

    return nothing


HOLDS = {
    "nothing on hold": ([], set()),
    "a timeline": (["timeline a"], {"a"}),
    "its profile": (["profile one"], {"a"}),
    "another profile": (["profile two"], {"b"}),
    "released": (["timeline a", "-timeline a"], set()),
    "released, but not its profile": (["timeline a", "profile one", "-timeline a"], {"a"}),
    "twice on hold is once released": (["profile one", "profile one", "-profile one"], set()),
}


@pytest.mark.parametrize("after", [False, True], ids=["runs queued before", "runs queued after"])
@pytest.mark.parametrize("case", HOLDS, ids=str)
def test_runs_of_what_is_on_hold_wait(queue: dg.DagsterInstance, case: str, after: bool) -> None:
    asked, expected = HOLDS[case]

    def own(name: str) -> str:  # each case has its own names
        return f"{name}-{case}-{after}"

    def queue_both() -> None:
        for timeline in ("a", "b"):
            queued(queue, own(timeline))

    for timeline, profile in {"a": "one", "b": "two"}.items():
        run_queue.note_profile(queue, own(timeline), own(profile))
    if not after:
        queue_both()
    for what in asked:
        kind, name = what.removeprefix("-").split()
        put = run_queue.hold_timeline if kind == "timeline" else run_queue.hold_profile
        put(queue, own(name), not what.startswith("-"))
    run_queue.apply_holds(queue)
    if after:
        queue_both()
    waits = {
        timeline
        for timeline in ("a", "b")
        for run in runs_of(queue, own(timeline), [Status.QUEUED])
        if run.tags.get(HOLD_TAG) == HELD
    }
    assert waits == expected


def test_the_repository_s_queue_lets_no_run_on_hold_begin(queue: dg.DagsterInstance) -> None:
    assert run_queue.can_hold(queue)
    limits = queue.get_concurrency_config().run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]
    assert {"key": HOLD_TAG, "value": HELD, "limit": 0} in limits


@pytest.mark.parametrize("on", [False, True])
def test_a_run_that_repeats_one_on_hold_waits_while_the_hold_lasts(queue: dg.DagsterInstance, on: bool) -> None:
    run_queue.hold_timeline(queue, "repeated", on)
    run = queue.get_run_by_id(queued(queue, "repeated", {HOLD_TAG: HELD}))
    assert run is not None
    assert (run.tags[HOLD_TAG] == HELD) is on


def test_an_instance_without_the_queue_is_told_apart() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_queue.can_hold(instance)


def test_a_registered_timeline_s_profile_is_known_to_the_queue(empty_world: World) -> None:
    run_queue.hold_profile(empty_world.instance, "board", True)
    assert run_queue.held_by(empty_world.instance, [TIMELINE, "other", ""]) == {TIMELINE: "profile board"}


def test_stop_cancels_what_waits_and_asks_what_is_at_work(queue: dg.DagsterInstance) -> None:
    waiting, other = queued(queue, "a"), queued(queue, "b")
    # It is at work, as far as Dagster knows.
    local = queue.create_run_for_job(definition(), tags={"dagster/partition": "a", "mpr/command": "run"})
    queue.handle_new_event(started(local))
    became = {one.run_id: one.became for one in stop(queue, "a", wait_s=0)}
    assert became == {waiting: "canceled", local.run_id: "canceling"}
    assert [one.became for one in stop(queue, "a", force=True, wait_s=0)] == ["canceled"]
    assert stop(queue, "a") == []
    assert [run.run_id for run in runs_of(queue, "b", [Status.QUEUED])] == [other]


def test_a_run_of_another_machine_is_not_taken_for_ended(queue: dg.DagsterInstance) -> None:
    tags = {"dagster/partition": "far", COMMAND_TAG: "run", PLACE_TAG: "elsewhere:/home"}
    run = queue.create_run_for_job(definition(), tags=tags)
    queue.handle_new_event(started(run))
    said = f"The run {run.run_id[:8]} of the timeline 'far' is in progress; end it with mpr stop far, or wait for it."
    with pytest.raises(BadInput) as error:
        refuse_at_work(queue, "far")
    assert str(error.value) == said


def started(run: dg.DagsterRun) -> dg.EventLogEntry:
    event = dg.DagsterEvent("PIPELINE_START", run.job_name)
    return dg.EventLogEntry(None, "info", "", run.run_id, 0.0, job_name=run.job_name, dagster_event=event)


def backfilled(world: World, instance: dg.DagsterInstance, *timelines: str) -> str:
    """A backfill of the timelines, as the UI asks for one."""
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=f"of-{'-'.join(timelines)}",
        asset_graph=definitions(world.environ).get_repository_def().asset_graph,
        partition_names=timelines,
        asset_selection=[dg.AssetKey("match_brands")],
        backfill_timestamp=1.0,
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title="try it",
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dagster's own, of a function of its own
def test_a_backfill_is_shown_and_stopped(
    world: World,
    queue: dg.DagsterInstance,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("match", "other"):
        register(queue, world.storage, world.spec(name), replace=True)
    both, alone = backfilled(world, queue, "match", "other"), backfilled(world, queue, "other")

    def said(*argv: str) -> str:
        status, text = mpr(world, home, monkeypatch, capsys, *argv)
        assert status == 0
        return text

    assert f"Backfill {both} (try it), 0 of 2 timelines done, 0 failed or cancelled;" in said("status")
    text = said("stop", "other")
    assert f"backfill {alone}: canceling\n" in text
    assert f"The backfill {both} of 2 timelines continues and may still request runs of other; hold them with: " in text
    assert [one.backfill_id for one in backfills_at_work(queue)] == [both]
    said("stop", "--backfill", both)
    assert backfills_at_work(queue) == []


BESIDE = {"visual_properties", "motion"}
DOWNSTREAM = {
    "timeline": NAMES,
    "compile_report": ["compile_report", "evaluation"],
    "escalate_vlm": NAMES[NAMES.index("escalate_vlm") :],
    "preprocess": [name for name in NAMES[NAMES.index("preprocess") :] if name not in BESIDE],
}


@pytest.mark.parametrize("stage", DOWNSTREAM)
def test_downstream(stage: str) -> None:
    assert downstream(STAGES, stage) == DOWNSTREAM[stage]


def upcoming(world: World) -> str | None:
    step = next_step(world.instance, STAGES, TIMELINE, world_resources(world), logging.getLogger())
    return f"{step.stage} {step.state}" if step else None


def world_resources(world: World) -> object:
    return Resources(
        storage_resource(world.environ), inference_resource({}), world.profiles, None, {}, database(world.environ)
    )


def test_what_is_cleared_is_missing_and_made_again(world: World) -> None:
    before = world.listing()
    assert upcoming(world) == "timeline missing"
    assert world.run().success
    assert upcoming(world) is None
    assert (
        clear(world.instance, world.storage, TIMELINE, [BY_NAME[one] for one in ("preprocess", "compile_report")]) > 5
    )
    gone = set(before) - set(world.listing())
    assert {f"stages/{stage}/{TIMELINE}.parquet" for stage in ("preprocess", "compile_report")} <= gone
    assert {path.split("/")[0] for path in gone} == {"stages", "reports", "cache"}
    assert all("frames" not in path for path in gone)
    assert upcoming(world) == "preprocess missing"
    assert TIMELINE not in read_made(world.instance, [node(STAGES[6])])["preprocess"]
    assert world.run("preprocess").success
    assert upcoming(world) == "compile_report missing"
    assert world.run("compile_report").success
    assert world.listing() == before


OVERLAY = "cache/timelines/match/overlays/run/{}/00000000_boxes.png"
WRITTEN: dict[str, list[str]] = {
    "timeline": [],
    "extract_frames": ["cache/timelines/match/frames/0123456789abcdef/00000000.jpg"],
    "preprocess": ["cache/timelines/match/crops/0123456789abcdef/00000000.png"],
    "run_ocr": [],
    "compile_report": ["reports/match/report.html", "reports/match/diff_a__b.html"],
}


@pytest.mark.parametrize("stage", WRITTEN)
def test_all_that_a_stage_wrote_is_cleared(empty_world: World, stage: str) -> None:
    storage = empty_world.storage
    parts = f"cache/timelines/match/parts/{stage}/0123456789abcdef/00000000"
    mine = [f"stages/{stage}/match.parquet", parts, OVERLAY.format(stage), *WRITTEN[stage]]
    others = [
        f"stages/{stage}/match2.parquet",
        f"cache/timelines/match/parts/{stage}_too/0123456789abcdef/00000000",
        OVERLAY.format("detect_edges"),
        "scenarios/then/stages/run_ocr/match.parquet",
    ]
    before = set(storage.list(""))
    for key in (*mine, *others):
        storage.put(key, b"")
    assert clear(empty_world.instance, storage, TIMELINE, [BY_NAME[stage]]) == len(mine)
    assert set(storage.list("")) == before | set(others)


def test_a_failed_run_is_taken_up_where_it_failed(world: World) -> None:
    table = world.storage_folder / "stages/run_ocr/match.parquet"
    kept = table.read_bytes()
    table.write_bytes(b"broken")
    config = {"match_brands": {"min_confidence": 0.9}}
    failed = world.run("match_brands", "escalate_vlm", "compile_report", overrides=config)
    assert not failed.success
    left = what_to_retry(world.instance, NAMES, TIMELINE)
    assert left.run_id == failed.result.run_id
    assert left.stages == ("match_brands", "escalate_vlm", "compile_report")
    assert left.config == config
    assert left.tags == dict.fromkeys(("dagster/parent_run_id", "dagster/root_run_id"), failed.result.run_id)
    table.write_bytes(kept)
    assert world.run(*left.stages, overrides=left.config).success


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [
        ({"fps": 1.0}, [], {"fps": 1.0}),
        ({"fps": 1.0}, ["fps=4"], {"fps": 4.0}),
        ({"fps": 1.0}, ["max_height_px=180"], {"fps": 1.0, "max_height_px": 180}),
        ({"set_to_none": ["max_height_px"]}, ["max_height_px=180"], {"max_height_px": 180}),
        ({"max_height_px": 180}, ["max_height_px=null"], {"max_height_px": None}),
    ],
    ids=["as it was", "another value", "one more", "a value after none", "none after a value"],
)
def test_a_retry_lays_settings_over_those_of_the_run(
    world: World,
    queue: dg.DagsterInstance,
    home: Path,
    before: dict[str, object],
    asked: list[str],
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = replace(world, instance=queue)
    there.register()
    table = world.storage_folder / "stages/timeline/match.parquet"
    kept = table.read_bytes()
    table.write_bytes(b"broken")
    assert not there.run("extract_frames", overrides={"extract_frames": before}).success
    table.write_bytes(kept)
    status, said = mpr(world, home, monkeypatch, capsys, "retry", "match", *(f"--set={one}" for one in asked))
    assert (status, there.table("extract_frames").header.overrides) == (0, expected), said


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "only enter", "nobody is there"])
def test_nothing_is_cleared_without_a_yes(
    finished: tuple[World, Ran],
    home: Path,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = finished[0].listing()
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    status, said = mpr(finished[0], home, monkeypatch, capsys, "clear", "match", "run_ocr")
    assert status == 1
    assert said.endswith("mpr: cancelled, nothing was changed; --yes skips the question.\n")
    assert finished[0].listing() == before


REFUSED = {
    "stop a timeline that is not there": ("stop", "nobody"),
    "stop nothing": ("stop",),
    "stop two things": ("stop", "match", "--backfill", "any"),
    "stop a backfill that is not there": ("stop", "--backfill", "any"),
    "hold nothing": ("pause",),
    "hold two things": ("pause", "match", "--profile", "board"),
    "hold a timeline that is not there": ("pause", "nobody"),
    "hold a profile that is not there": ("pause", "--profile", "nobody"),
    "release nothing": ("resume",),
    "step a timeline that is not there": ("step", "nobody"),
    "clear a stage that is not there": ("clear", "match", "nothing", "--yes"),
    "clear a timeline that is not there": ("clear", "nobody", "--yes"),
    "retry where no run was": ("retry", "match"),
    "retry a timeline that is not there": ("retry", "nobody"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_sentence(
    finished: tuple[World, Ran],
    home: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = mpr(finished[0], home, monkeypatch, capsys, *REFUSED[case])
    assert status == 2
    assert said.startswith("mpr: ")
    assert "Traceback" not in said


def mpr(
    world: World,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *argv: str,
) -> tuple[int, str]:
    """Exit status and all that the command says."""
    for name, value in {**world.environ, "DAGSTER_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["mpr", *argv])
    with pytest.raises(SystemExit) as end:
        app.main()
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out + captured.err
