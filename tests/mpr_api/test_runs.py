from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import httpx2
import pytest

from mpr_assets.definitions import ROOT
from mpr_assets.runs.run_state import STATES
from mpr_resources.dagster_internals import materialized_in
from mpr_resources.run_queue import AT_WORK, WAITING
from mpr_resources.storage.keys import Keys
from tests.mpr_api.listening import listen
from tests.world import NAMES, World

Status = dg.DagsterRunStatus


@pytest.fixture(autouse=True)
def nothing_waits(api_world: World) -> Iterator[None]:
    """What a test has put into the queue is gone after it."""
    yield
    for record in api_world.instance.get_run_records(dg.RunsFilter(statuses=[*WAITING, *AT_WORK])):
        api_world.instance.report_run_canceled(record.dagster_run)


def asked(api: httpx2.Client, path: str, body: dict[str, Any] | None = None, status: int = 202) -> Any:
    answer = api.post(f"/detect{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


SELECTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": ({}, NAMES),
    "one": ({"stages": ["run_ocr"]}, ["run_ocr"]),
    "some, in any order": ({"stages": ["run_ocr", "preprocess"]}, ["preprocess", "run_ocr"]),
    "from one on": (
        {"start_stage": "escalate_cloud"},
        ["escalate_cloud", "corrections", "compile_report", "evaluation"],
    ),
    "up to one": ({"start_stage": "preprocess", "through": "run_ocr"}, ["preprocess", "run_ocr"]),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_run_waits_in_dagsters_queue(api: httpx2.Client, api_world: World, name: str) -> None:
    body, stages = SELECTIONS[name]
    queued = asked(api, "/run", {"timeline_id": "match", **body})
    assert (queued["status"], queued["timeline_id"], queued["stages"]) == ("queued", "match", stages)
    assert queued["note"].startswith("No Dagster daemon is at work")
    run = api_world.instance.get_run_by_id(queued["job_id"])
    assert run is not None
    assert (run.status, run.tags["dagster/partition"]) == (Status.QUEUED, "match")
    shown = api.get(f"/detect/status/{queued['job_id']}").json()
    assert (shown["status"], shown["stages"]) == ("queued", stages)
    assert {one["status"] for one in shown["stage_states"]} == {"waiting"}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no timeline": ({}, 422, "The request cannot be used at `body.timeline_id`: Field required."),
    "an unknown timeline": ({"timeline_id": "ghost"}, 404, "The timeline 'ghost' is not registered"),
    "an unknown stage": ({"stages": ["x"]}, 404, "There is no stage 'x'"),
    "both ways": ({"stages": ["run_ocr"], "start_stage": "run_ocr"}, 400, "Both `stages` and `start_stage`"),
    "an end alone": ({"through": "run_ocr"}, 400, "`through` is given without"),
    "an end before": ({"start_stage": "run_ocr", "through": "timeline"}, 400, "timeline does not depend on run_ocr"),
    "an unknown setting": (
        {"config_overrides": {"detect_edges": {"edges": 1}}},
        400,
        "the overrides of detect_edges",
    ),
    "out of its range": ({"config_overrides": {"detect_edges": {"edge_canny_low": -1}}}, 400, "the overrides of"),
    "of a stage that is not made": (
        {"stages": ["timeline"], "config_overrides": {"detect_edges": {"edge_canny_low": 40}}},
        400,
        "Settings are given for detect_edges, which the run does not make",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_that_cannot_be_is_not_queued(api: httpx2.Client, api_world: World, name: str) -> None:
    body, status, said = REFUSED[name]
    answer = api.post("/detect/run", json=body if name == "no timeline" else {"timeline_id": "match", **body})
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert api_world.instance.get_run_records(dg.RunsFilter(statuses=WAITING)) == []


def test_settings_of_a_run_are_told_with_it(api: httpx2.Client) -> None:
    overrides = {"detect_edges": {"edge_canny_low": 40}}
    body = {"timeline_id": "match", "stages": ["detect_edges"], "config_overrides": overrides}
    queued = asked(api, "/run", body | {"frames": {"detect_edges": [0, 2]}})
    assert api.get(f"/detect/jobs/{queued['job_id']}").json()["overrides"] == {
        "detect_edges": {"edge_canny_low": 40, "frames": "0,2"}
    }


def test_replays_are_a_tree(api: httpx2.Client) -> None:
    first = asked(api, "/run", {"timeline_id": "match"})["job_id"]
    body = {"job_id": first, "start_stage": "escalate_cloud", "config_overrides": {"enabled": False}}
    replay = asked(api, "/replay", body)
    assert (replay["job_id"], replay["start_stage"], replay["detections"]) == (first, "escalate_cloud", None)
    jobs = {job["id"]: job for job in api.get("/detect/jobs", params={"timeline": "match"}).json()["jobs"]}
    assert jobs[replay["replay_job_id"]]["parent_id"] == first
    assert jobs[first]["parent_id"] is None


def test_jobs_in_pages(api: httpx2.Client) -> None:
    made = [asked(api, "/run", {"timeline_id": "match", "stages": ["timeline"]})["job_id"] for _ in range(3)]
    first = api.get("/detect/jobs", params={"limit": 2, "status": "queued"}).json()
    second = api.get("/detect/jobs", params={"status": "queued", "cursor": first["next_cursor"]}).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert second["next_cursor"] is None
    assert {job["status"] for job in api.get("/detect/jobs").json()["jobs"]} <= set(STATES)


def test_a_waiting_run_is_stopped(api: httpx2.Client) -> None:
    one, another = (asked(api, "/run", {"timeline_id": "match"})["job_id"] for _ in range(2))
    stopped = asked(api, f"/stop/{one}", status=200)
    assert (stopped["status"], stopped["job_id"]) == ("canceled", one)
    assert api.get(f"/detect/jobs/{one}").json()["status"] == "canceled"
    assert api.get(f"/detect/jobs/{another}").json()["status"] == "queued"
    asked(api, "/stop/match", status=200)
    assert api.get(f"/detect/jobs/{another}").json()["status"] == "canceled"
    assert asked(api, "/stop/match", status=200)["status"] == "ended before"


def test_a_timeline_is_held_and_released(api: httpx2.Client) -> None:
    before = asked(api, "/run", {"timeline_id": "match"})["job_id"]
    held = asked(api, f"/pause/{before}", status=200)
    try:
        assert (held["status"], held["waiting_runs"]) == ("held", 1)
        later = asked(api, "/run", {"timeline_id": "match"})
        assert (later["status"], later["note"][:33]) == ("held", "The timeline 'match' is on hold: ")
        assert api.get(f"/detect/status/{before}").json()["status"] == "held"
    finally:
        released = asked(api, "/resume/match", status=200)
    assert (released["status"], released["waiting_runs"]) == ("released", 2)
    assert api.get(f"/detect/status/{before}").json()["status"] == "queued"


def test_a_run_is_paused_after_a_stage_and_resumed(api: httpx2.Client, api_world: World) -> None:
    """The wish is told once the run's first stage is made, and the run ends before one that follows."""

    def wish() -> None:
        begun: list[dg.RunRecord] = []
        while not begun or not materialized_in(api_world.instance, begun[0].dagster_run.run_id):
            begun = list(api_world.instance.get_run_records(dg.RunsFilter(statuses=AT_WORK)))
            time.sleep(0.01)
        asked(api, f"/pause-after-stage/{begun[0].dagster_run.run_id}", status=200)

    wishing = threading.Thread(target=wish)
    wishing.start()
    assert not api_world.run().success
    wishing.join()
    run_id = api_world.instance.get_run_records(limit=1)[0].dagster_run.run_id
    shown = api.get(f"/detect/jobs/{run_id}").json()
    assert shown["status"] == "paused"
    made = [one["stage"] for one in shown["stage_states"] if one["status"] == "done"]
    assert 0 < len(made) < len(NAMES)
    assert listen(api, f"/detect/stream/{run_id}")[-1].short() == ("end", "paused")
    resumed = asked(api, f"/resume/{run_id}", status=200)
    assert resumed["status"] == "queued"
    job = api.get(f"/detect/jobs/{resumed['job_id']}").json()
    assert (job["parent_id"], job["stages"]) == (run_id, [name for name in NAMES if name not in made])


def test_what_failed_is_retried_with_other_settings(api: httpx2.Client, api_world: World) -> None:
    assert not api_world.run(
        "match_brands", "compile_report", overrides={"match_brands": {"min_confidence": 99}}
    ).success
    queued = asked(api, "/retry", {"job_id": "match", "config_overrides": {"min_confidence": 0.9}})
    assert queued["stages"] == ["match_brands", "compile_report"]
    assert api.get(f"/detect/jobs/{queued['job_id']}").json()["overrides"] == {"match_brands": {"min_confidence": 0.9}}
    assert api_world.run().success


def test_a_step_is_the_first_stage_that_is_missing(api: httpx2.Client, api_world: World) -> None:
    assert asked(api, "/step/match") | {"job_id": None} == {
        "status": "up to date",
        "timeline_id": "match",
        "stage": None,
        "causes": [],
        "job_id": None,
        "note": None,
    }
    cleared = asked(api, "/clear/match", {"stage": "escalate_cloud"}, status=200)
    try:
        assert (cleared["status"], cleared["stages"]) == (
            "cleared",
            ["escalate_cloud", "corrections", "compile_report", "evaluation"],
        )
        assert not api_world.storage.exists(Keys.table("compile_report", "match"))
        assert api.get("/detect/timeline/match/exposures").status_code == 404
        step = asked(api, "/step/match")
        assert (step["status"], step["stage"]) == ("queued", "escalate_cloud")
    finally:
        assert api_world.run().success


@pytest.mark.parametrize("path", ["stop", "pause", "resume", "pause-after-stage", "step", "clear"])
def test_no_such_job(api: httpx2.Client, path: str) -> None:
    said = asked(api, f"/{path}/ghost", status=404)
    assert said["error"] == "There is no job and no timeline 'ghost'; GET /detect/jobs and /detect/timeline list them."


def test_nothing_in_progress_is_paused(api: httpx2.Client) -> None:
    assert "is in progress" in asked(api, "/pause-after-stage/match", status=400)["error"]


@pytest.mark.timeout(300)
def test_a_daemon_makes_what_waits(api: httpx2.Client, api_world: World, tmp_path: Any) -> None:
    """The whole way: queue, daemon, code location, a process of its own, events."""
    queued = asked(
        api,
        "/run",
        {
            "timeline_id": "match",
            "stages": ["detect_edges"],
            "config_overrides": {"detect_edges": {"edge_canny_low": 30}},
        },
    )
    environ = api_world.environ | {"DAGSTER_HOME": api_world.instance.root_directory, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "mpr_assets.definitions"]
    with (tmp_path / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        try:
            events = listen(api, f"/detect/stream/{queued['job_id']}")
        finally:
            daemon.terminate()
            daemon.wait(20)
    told = [event.short() for event in events if event.name in ("run", "stage", "end")]
    assert told == [
        ("run", "queued"),
        ("run", "starting"),
        ("run", "running"),
        ("stage", "detect_edges", "running"),
        ("stage", "detect_edges", "done"),
        ("end", "success"),
    ], (tmp_path / "daemon.log").read_text()[-3000:]
    assert api_world.table("detect_edges").header.overrides == {"edge_canny_low": 30}
    status = {one["stage"]: one for one in api.get("/detect/timeline/match").json()["stages"]}
    assert (status["detect_edges"]["state"], status["detect_edges"]["overrides"]) == (
        "overridden",
        {"edge_canny_low": 30},
    )
    assert api_world.run().success
