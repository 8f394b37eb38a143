"""The installation of `deploy/`, run as its containers would run it, against one process with a folder and SQLite."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mpr_assets.automation.new_media_sensor import LOOK_EVERY_S
from mpr_assets.definitions import ROOT
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from tests.services.conftest import Bucket
from tests.services.team import BIN, Team, team_environ
from tests.world import BRAND, NAMES, without_seconds

OF_RETRY = """
query Of($root: String!) {
  runsOrError(filter: {tags: [{key: "dagster/root_run_id", value: $root}]}) {
    ... on Runs { results { runId status } }
  }
}
"""


ALL_RUNS = "{ runsOrError { ... on Runs { results { runId tags { key value } } } } }"


@pytest.fixture
def team(bucket: Bucket, postgres_url: str, inputs: Path, tmp_path: Path) -> Iterator[Team]:
    with Team(tmp_path / "team", team_environ(bucket, postgres_url, inputs)) as running:
        yield running


def alone(inputs: Path, folder: Path, *timelines: str) -> dict[str, bytes]:
    """What one process with a folder and SQLite stores for the same timelines."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "MPR_"))}
    environ |= {
        "DAGSTER_HOME": str(folder / "dagster"),
        "MPR_STORAGE_URL": str(folder / "storage"),
        "MPR_PROFILES_DIR": str(inputs / "profiles"),
    }
    for name in timelines:
        command = [BIN / "mpr", "run", inputs / "clip.mp4", "--name", name, "--profile", "board"]
        command += ["--brands", inputs / "brands.yaml"]
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return kept({str(path.relative_to(folder / "storage")): path.read_bytes() for path in files(folder / "storage")})


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def kept(stored: dict[str, bytes]) -> dict[str, bytes]:
    """All that does not name a run or lie in the logs."""
    return without_seconds(
        {key: data for key, data in stored.items() if "/overlays/" not in key and "compute-logs" not in key}
    )


def create(team: Team, inputs: Path, name: str, source: str | None = None) -> None:
    team.mpr("timeline", "create", source or str(inputs / "clip.mp4"), "--name", name, "--profile", "board",
             "--brands", str(inputs / "brands.yaml"))  # fmt: skip


def exposures(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What is claimed, without where the video and the frames lie."""
    found = [exposure for brand in report["brands"] for exposure in brand["exposures"]]
    return [{name: value for name, value in one.items() if name not in ("media", "evidence")} for one in found]


def test_a_team_gets_what_one_process_gets(team: Team, bucket: Bucket, inputs: Path, tmp_path: Path) -> None:
    bucket.client.create_bucket(Bucket="mpr-media-in")
    bucket.client.upload_file(str(inputs / "clip.mp4"), "mpr-media-in", "soccer/clip.mp4")
    create(team, inputs, "one")
    create(team, inputs, "two")
    create(team, inputs, "from-s3", "s3://mpr-media-in/soccer/clip.mp4")
    first, again, second, remote = (team.launch(name) for name in ("one", "one", "two", "from-s3"))
    runs = dict(zip(("first", "again", "second", "remote"), team.ended(first, again, second, remote), strict=True))

    assert {name: run["status"] for name, run in runs.items()} == dict.fromkeys(runs, "SUCCESS")
    assert runs["again"]["startTime"] >= runs["first"]["endTime"], "one run a timeline at a time"

    stored = kept(bucket.listing())
    of_s3 = {key for key in stored if "from-s3" in key}
    expected = alone(inputs, tmp_path / "alone", "one", "two")
    assert {key: data for key, data in stored.items() if key not in of_s3} == expected

    for stage in NAMES:
        assert Keys.table(stage, "from-s3") in of_s3
    reports = [json.loads(stored[Keys.report(name, "report.json")]) for name in ("one", "from-s3")]
    assert [brand["brand"] for brand in reports[0]["brands"]] == [BRAND]
    assert exposures(reports[0]) == exposures(reports[1]) != []

    logs = bucket.listing("compute-logs/")
    assert any(first in key and key.endswith(".err") for key in logs)


def test_a_run_whose_process_dies_is_made_again(
    team: Team, bucket: Bucket, s3_storage: Storage, inputs: Path, tmp_path: Path
) -> None:
    create(team, inputs, "one")
    run = team.launch("one")

    def frames_are_stored() -> bool | None:
        return s3_storage.exists(Keys.table("extract_frames", "one")) or None

    team.wait("the first stages", 90, frames_are_stored)
    (process,) = run_processes(team.processes["code"].pid)
    os.kill(process, signal.SIGKILL)
    assert team.ended(run)[0]["status"] == "FAILURE"

    def retried() -> str | None:
        others = [one for one in team.ask(OF_RETRY, root=run)["runsOrError"]["results"] if one["runId"] != run]
        return str(others[0]["runId"]) if others else None

    retry = team.wait("the retry", 90, retried)
    assert team.ended(retry)[0]["status"] == "SUCCESS"
    assert kept(bucket.listing()) == alone(inputs, tmp_path / "alone", "one")


@pytest.mark.parametrize("told", [False, True], ids=["found by a look", "told by the bucket"])
def test_new_media_are_run_once(told: bool, bucket: Bucket, postgres_url: str, inputs: Path, tmp_path: Path) -> None:
    media = f"media-{bucket.name}"
    bucket.client.create_bucket(Bucket=media)
    environ = {"MPR_MEDIA_URL": f"s3://{media}/in", "MPR_WEBHOOK_TOKEN": "secret"}
    with Team(tmp_path / "team", team_environ(bucket, postgres_url, inputs) | environ) as team:
        team.start("webhook")
        for key in ("in/board/clip.mp4", "elsewhere/clip.mp4", "in/board/notes.txt"):
            bucket.client.upload_file(str(inputs / "clip.mp4"), media, key)
        sidecar = f"brands: {inputs / 'brands.yaml'}\n".encode()
        bucket.client.put_object(Bucket=media, Key="in/board/clip.mp4.yaml", Body=sidecar)
        if told:
            team.wait("the webhook", 60, lambda: team.tell(media, "in/board/clip.mp4") or None)

        def taken() -> list[dict[str, Any]] | None:
            return team.ask(ALL_RUNS)["runsOrError"]["results"] or None

        [run] = team.wait("the sensor", 120, taken)
        assert team.ended(run["runId"])[0]["status"] == "SUCCESS"
        timeline = {tag["key"]: tag["value"] for tag in run["tags"]}["dagster/partition"]
        report = json.loads(bucket.read(f"mpr/{Keys.report(timeline, 'report.json')}"))
        assert [brand["brand"] for brand in report["brands"]] == [BRAND]
        if told:
            assert team.tell(media, "in/board/clip.mp4")
        time.sleep(2 * LOOK_EVERY_S)
        assert len(team.ask(ALL_RUNS)["runsOrError"]["results"]) == 1


def run_processes(code: int) -> list[int]:
    """The processes that the code location does runs in."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == code and "spawn_main" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found
