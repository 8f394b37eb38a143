"""A team's installation without containers: the processes of `deploy/compose.yaml`, with its commands and variables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mpr_assets.definitions import ROOT
from tests.services.servers import free_port

DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
START_S = 90
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
T = TypeVar("T")

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RUNS = "query Runs($ids: [String!]!) { runsOrError(filter: {runIds: $ids}) { ... on Runs { results {" + (
    " runId status startTime endTime tags { key value } } } } }"
)
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


class Team:
    """Code location, webserver and daemon in processes of their own; use it in a `with` statement.

    Args:
        folder: for their home and their logs.
        environ: what `compose.yaml` gives them, besides the addresses of each other.
        instance: the file that is their `dagster.yaml`.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], instance: Path = DEPLOY / "dagster.yaml") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        shutil.copy(instance, self.home / "dagster.yaml")
        shutil.copy(DEPLOY / "workspace.yaml", self.home / "workspace.yaml")
        self.ports = {"4000": str(free_port()), "3000": str(free_port()), "8080": str(free_port())}
        self.url = f"http://127.0.0.1:{self.ports['3000']}"
        self.environ = os.environ | {
            "DAGSTER_HOME": str(self.home),
            "MPR_CODE_HOST": "127.0.0.1",
            "MPR_CODE_PORT": self.ports["4000"],
            **environ,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Team:
        try:
            self.start("code")
            self.wait("the code location", START_S, self._code_answers)
            for name in ("webserver", "daemon"):
                self.start(name)
            self.wait("the webserver", START_S, self._location)
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()

    def start(self, service: str) -> None:
        """Start one, by the command that the container has."""
        command = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][service]["command"]
        here = {"0.0.0.0": "127.0.0.1", "home/workspace.yaml": str(self.home / "workspace.yaml"), **self.ports}
        words = [here.get(word, word) for word in command]
        log = self._stack.enter_context((self.folder / f"{service}.log").open("ab"))
        self.processes[service] = subprocess.Popen(
            [BIN / words[0], *words[1:]], env=self.environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )

    def kill(self, service: str) -> None:
        """End one at once, and all that it started."""
        process = self.processes.pop(service)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        assert not said.get("errors"), said["errors"]
        return said["data"]

    def launch(self, timeline: str) -> str:
        """Ask for a run of all stages, as the UI does; gives its id."""
        node = self._location()
        assert node is not None
        params = {
            "selector": {
                "repositoryName": node["name"],
                "repositoryLocationName": node["location"]["name"],
                "pipelineName": "mpr",
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": timeline}]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def tell(self, bucket: str, key: str) -> bool:
        """Post what a bucket tells of a new object to the webhook; gives whether it was taken."""
        created = {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
        headers = {"Authorization": f"Bearer {self.environ['MPR_WEBHOOK_TOKEN']}"}
        body = json.dumps({"Records": [created]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['8080']}/", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer) == {"noticed": 1, "ignored": 0}

    def ended(self, *runs: str, limit_s: float = 240) -> list[dict[str, Any]]:
        """Wait for the runs; what GraphQL says of each."""

        def all_ended() -> list[dict[str, Any]] | None:
            found = {run["runId"]: run for run in self.ask(RUNS, ids=list(runs))["runsOrError"]["results"]}
            return [found[run] for run in runs] if {found[run]["status"] for run in runs} <= ENDED else None

        return self.wait("the runs", limit_s, all_ended)

    def mpr(self, *arguments: str) -> str:
        """A command of `mpr`, as a member of the team gives it."""
        done = subprocess.run(
            [BIN / "mpr", *arguments], env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait(self, what: str, limit_s: float, ready: Callable[[], T | None]) -> T:
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            try:
                if (value := ready()) is not None:
                    return value
            except OSError:
                pass
            time.sleep(0.5)
        logs = {path.name: path.read_text()[-2000:] for path in self.folder.glob("*.log")}
        raise AssertionError(f"{what} took longer than {limit_s} s: {logs}")

    def _code_answers(self) -> bool | None:
        check = [BIN / "dagster", "api", "grpc-health-check", "--port", self.ports["4000"]]
        return subprocess.run(check, env=self.environ, capture_output=True, check=False).returncode == 0 or None

    def _location(self) -> dict[str, Any] | None:
        nodes = self.ask(REPOSITORIES)["repositoriesOrError"].get("nodes")
        return nodes[0] if nodes else None

    def _stop_all(self) -> None:
        for process in reversed(self.processes.values()):
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._stack.close()


def team_environ(bucket: Any, postgres_url: str, inputs: Path) -> dict[str, str]:
    """The variables of `compose.yaml`."""
    return bucket.environ | {
        "DAGSTER_POSTGRES_URL": postgres_url,
        "MPR_DATABASE_URL": postgres_url,
        "MPR_LOGS_BUCKET": bucket.name,
        "MPR_PROFILES_DIR": str(inputs / "profiles"),
    }
