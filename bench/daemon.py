"""A `dagster dev` with the repository's files, as a user starts it, and what is asked of it by GraphQL."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mpr_assets.definitions import JOB, ROOT

T = TypeVar("T")

BIN = Path(sys.executable).parent
START_S, RUN_S = 180.0, 1800.0
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status startTime endTime } } }"
LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


@dataclass(frozen=True)
class Daemon:
    """Where it answers, and the environment that its commands need."""

    url: str
    environ: Mapping[str, str]

    def ask(self, query: str, **variables: object) -> Any:
        """What GraphQL answers; a refusal ends the program."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        if said.get("errors"):
            raise SystemExit(f"GraphQL refuses: {said['errors']}")
        return said["data"]

    def location(self) -> dict[str, Any] | None:
        """The repository that is loaded; None while none is."""
        nodes = self.ask(LOCATIONS)["repositoriesOrError"]["nodes"]
        return nodes[0] if nodes else None

    def launch(self, timeline: str, stages: Sequence[str] = (), config: Mapping[str, Any] | None = None) -> str:
        """Ask for a run of the stages, all when none is named; gives its id."""
        node = self.location() or {}
        selector: dict[str, Any] = {
            "repositoryName": node["name"],
            "repositoryLocationName": node["location"]["name"],
            "pipelineName": JOB,
        }
        if stages:
            selector["assetSelection"] = [{"path": [stage]} for stage in stages]
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": {"ops": {stage: {"config": settings} for stage, settings in (config or {}).items()}},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": timeline}]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise SystemExit(f"The launch is refused: {launched}")
        return str(launched["run"]["runId"])

    def succeed(self, run_id: str) -> float:
        """Wait for the run; its seconds from start to end. One that does not end well ends the program."""

        def ended() -> dict[str, Any] | None:
            run = self.ask(STATUS, id=run_id)["runOrError"]
            return run if run["status"] in ENDED else None

        run = wait_until(f"the run {run_id[:8]}", RUN_S, ended)
        if run["status"] != "SUCCESS":
            raise SystemExit(f"The run {run_id[:8]} ended as {run['status']}.")
        return float(run["endTime"] - run["startTime"])

    def mpr(self, *arguments: str) -> str:
        """What a command prints."""
        command = [str(BIN / "mpr"), *arguments]
        done = subprocess.run(command, env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"mpr {' '.join(arguments)}: {done.stderr}")
        return done.stdout


def wait_until(what: str, limit_s: float, ready: Callable[[], T | None], every_s: float = 0.5) -> T:
    """What `ready` gives as soon as it gives something; who is not there yet is asked again."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        try:
            if (value := ready()) is not None:
                return value
        except OSError:
            pass
        time.sleep(every_s)
    raise SystemExit(f"{what} took longer than {limit_s} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dagster_dev(
    environ: Mapping[str, str], load: Sequence[str] = ("--workspace", "workspace.yaml")
) -> Iterator[Daemon]:
    """A daemon with its webserver that has loaded the code; ended at the end.

    Args:
        environ: laid over this process' own; the folder of its DAGSTER_HOME is there.
        load: the options that say what code.
    """
    whole, port = os.environ | dict(environ), free_port()
    process = subprocess.Popen(
        [BIN / "dagster", "dev", *load, "--port", str(port)],
        cwd=ROOT, env=whole, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        daemon = Daemon(f"http://127.0.0.1:{port}", whole)

        def loaded() -> dict[str, Any] | None:
            if process.poll() is not None:
                raise SystemExit(f"dagster dev ended with status {process.returncode}; does DAGSTER_HOME exist?")
            return daemon.location()

        wait_until("the start of dagster dev", START_S, loaded)
        yield daemon
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
