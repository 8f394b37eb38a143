"""Materializes the demo as a user does: `dagster dev` with the repository's files, a launch by GraphQL, a wait, a look.

Everything it stores lies in a temporary folder.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
START_S, RUN_S = 180, 600

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
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ASSETS = """
query Assets($keys: [AssetKeyInput!], $partition: [String!]) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    assetMaterializations(partitions: $partition, limit: 1) { metadataEntries { label } }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
  }
}
"""
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


def ask(url: str, query: str, **variables: object) -> dict[str, object]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        data = json.load(answer)
    if data.get("errors"):
        raise SystemExit(f"drive: GraphQL refuses: {data['errors']}")
    return data["data"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, limit_s: float, ready: object) -> object:
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        try:
            if (value := ready()) is not None:  # type: ignore[operator]
                return value
        except OSError:
            pass
        time.sleep(1)
    raise SystemExit(f"drive: {what} took longer than {limit_s} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"DAGSTER_HOME": f"{scratch}/dagster", "MPR_STORAGE_URL": f"{scratch}/storage"}
        subprocess.run([BIN / "python", "-m", "demo.broadcast", scratch], check=True, env=env, cwd=ROOT)
        create = [BIN / "mpr", "timeline", "create", f"{scratch}/broadcast.mp4", "--name", "demo"]
        create += ["--profile", "soccer_broadcast", "--brands", ROOT / "demo" / "brands.yaml"]
        subprocess.run(create, check=True, env=env, cwd=ROOT)
        port = free_port()
        dev = subprocess.Popen(
            [BIN / "dagster", "dev", "--workspace", "workspace.yaml", "--port", str(port)],
            cwd=ROOT, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            drive(f"http://127.0.0.1:{port}", Path(scratch))
        finally:
            os.killpg(dev.pid, signal.SIGINT)
            try:
                dev.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(dev.pid, signal.SIGKILL)


def drive(url: str, scratch: Path) -> None:
    def location() -> dict[str, object] | None:
        nodes = ask(url, REPOSITORIES)["repositoriesOrError"]["nodes"]  # type: ignore[index]
        return nodes[0] if nodes else None

    node = wait_until("the start of dagster dev", START_S, location)
    params = {
        "selector": {
            "repositoryName": node["name"],  # type: ignore[index]
            "repositoryLocationName": node["location"]["name"],  # type: ignore[index]
            "pipelineName": "mpr",
        },
        "mode": "default",
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "demo"}]},
    }
    launched = ask(url, LAUNCH, params=params)["launchPipelineExecution"]
    if launched["__typename"] != "LaunchRunSuccess":  # type: ignore[index]
        raise SystemExit(f"drive: the launch is refused: {launched}")
    run_id = launched["run"]["runId"]  # type: ignore[index]

    def ended() -> str | None:
        status = ask(url, STATUS, id=run_id)["runOrError"]["status"]  # type: ignore[index]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    status = wait_until("the run", RUN_S, ended)
    if status != "SUCCESS":
        raise SystemExit(f"drive: the run ended as {status}")
    nodes = ask(url, ASSETS, keys=None, partition=["demo"])["assetNodes"]
    made = [node["assetKey"]["path"][-1] for node in nodes if node["assetMaterializations"]]  # type: ignore[union-attr, index]
    if len(made) != 12:
        raise SystemExit(f"drive: 12 assets should be materialized, these are: {made}")
    checks = [check for node in nodes for check in node["assetChecksOrError"].get("checks", [])]  # type: ignore[union-attr, index]
    failed = [c["name"] for c in checks if (c["executionForLatestMaterialization"] or {}).get("status") != "SUCCEEDED"]
    if failed:
        raise SystemExit(f"drive: these checks did not pass: {failed}")
    report = scratch / "storage" / "reports" / "demo"
    for name in ("report.html", "report.json", "exposures.csv"):
        if not (report / name).stat().st_size:
            raise SystemExit(f"drive: {report / name} is empty")
    scorer = [BIN / "python", "-m", "bench.score_exposures", "--json", scratch / "truth.csv", report / "exposures.csv"]
    scored = json.loads(subprocess.run(scorer, check=True, cwd=ROOT, capture_output=True, text=True).stdout)
    print(f"drive: 12 assets, {len(checks)} checks, F1 {scored['f1']}, falsely claimed {scored['false_s']} s")
    if scored["f1"] < 0.95:
        raise SystemExit("drive: the demo's F1 is below 0.95")


if __name__ == "__main__":
    main()
