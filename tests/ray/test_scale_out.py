"""Runs on a Ray cluster of two nodes, as `deploy/ray.yaml` launches them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.conftest import Bucket
from tests.services.servers import free_port
from tests.services.team import (
    BIN,
    DEPLOY,
    Team,
    team_environ,
)
from tests.services.test_team import alone, create, kept


@contextmanager
def two_nodes(folder: Path) -> Iterator[str]:
    """A cluster of two nodes on this machine, each with room for one run; gives its dashboard's URL."""
    port, dashboard = free_port(), free_port()
    common = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats", "--block"]
    head = ["--head", f"--port={port}", f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1",
            "--node-ip-address=127.0.0.1", f"--temp-dir={folder}"]  # fmt: skip
    environ = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    with (folder / "ray.log").open("ab") as log:
        nodes: list[subprocess.Popen[bytes]] = []
        try:
            for address in (head, [f"--address=127.0.0.1:{port}"]):
                command = [BIN / "ray", "start", *address, *common]
                nodes.append(subprocess.Popen(command, env=environ, stdout=log, stderr=log))
                wait_for_nodes(f"http://127.0.0.1:{dashboard}", len(nodes))
            yield f"http://127.0.0.1:{dashboard}"
        finally:
            for node in reversed(nodes):
                node.terminate()
                node.wait(60)


def wait_for_nodes(url: str, count: int) -> None:
    end_s = time.monotonic() + 90
    while time.monotonic() < end_s:
        try:
            with urllib.request.urlopen(f"{url}/nodes?view=summary", timeout=5) as answer:
                if len(json.load(answer)["data"]["summary"]) >= count:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Ray has no {count} nodes after 90 s")


def nodes_of_runs(url: str) -> dict[str, str]:
    """The node that each run was placed on, by the run's id."""
    with urllib.request.urlopen(f"{url}/api/jobs/", timeout=10) as answer:
        jobs = json.load(answer)
    return {job["metadata"]["dagster/run-id"]: job["driver_node_id"] for job in jobs}


def test_two_timelines_run_on_two_nodes_as_in_one_process(
    bucket: Bucket, postgres_url: str, inputs: Path, tmp_path: Path
) -> None:
    instance = tmp_path / "dagster.yaml"
    instance.write_text((DEPLOY / "dagster.yaml").read_text() + (DEPLOY / "ray.yaml").read_text())
    ray_folder = Path(f"/tmp/ray-{os.getpid()}")  # the paths of Ray's sockets must be short
    ray_folder.mkdir()
    with two_nodes(ray_folder) as url:
        environ = team_environ(bucket, postgres_url, inputs)
        environ |= {"RAY_DASHBOARD_URL": url, "INFERENCE_URL": "", "INFERENCE_TOKEN": ""}
        with Team(tmp_path / "team", environ, instance) as team:
            for name in ("one", "two"):
                create(team, inputs, name)
            runs = [team.launch(name) for name in ("one", "two")]
            ended = team.ended(*runs, limit_s=400)
            assert [run["status"] for run in ended] == ["SUCCESS", "SUCCESS"]
            placed = nodes_of_runs(url)
            assert len({placed[run] for run in runs}) == 2
            assert max(run["startTime"] for run in ended) < min(run["endTime"] for run in ended), "at the same time"
    assert kept(bucket.listing()) == alone(inputs, tmp_path / "alone", "one", "two")
