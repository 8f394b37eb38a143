"""Materializes the demo as a user does: `dagster dev` with the repository's files, a launch by GraphQL, a wait, a look.

Everything it stores lies in a temporary folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from bench.daemon import BIN, Daemon, dagster_dev
from mpr_assets.definitions import ROOT

ASSETS = """
query Assets($keys: [AssetKeyInput!], $partition: [String!]) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    assetMaterializations(partitions: $partition, limit: 1) { metadataEntries { label } }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
  }
}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"DAGSTER_HOME": f"{scratch}/dagster", "MPR_STORAGE_URL": f"{scratch}/storage"}
        subprocess.run([BIN / "python", "-m", "demo.broadcast", scratch], check=True, env=env, cwd=ROOT)
        create = [BIN / "mpr", "timeline", "create", f"{scratch}/broadcast.mp4", "--name", "demo"]
        create += ["--profile", "soccer_broadcast", "--brands", ROOT / "demo" / "brands.yaml"]
        subprocess.run(create, check=True, env=env, cwd=ROOT)
        with dagster_dev(env) as daemon:
            drive(daemon, Path(scratch))


def drive(daemon: Daemon, scratch: Path) -> None:
    daemon.succeed(daemon.launch("demo"))
    nodes = daemon.ask(ASSETS, keys=None, partition=["demo"])["assetNodes"]
    made = [node["assetKey"]["path"][-1] for node in nodes if node["assetMaterializations"]]
    if len(made) != 18:
        raise SystemExit(f"drive: 18 assets should be materialized, these are: {made}")
    checks = [check for node in nodes for check in node["assetChecksOrError"].get("checks", [])]
    states = [(c["name"], (c["executionForLatestMaterialization"] or {}).get("status")) for c in checks]
    # No scenario is kept, so that its check has nothing to say.
    failed = [one for one in states if one[1] != "SUCCEEDED" and one != ("matches_scenario", "SKIPPED")]
    evaluated = [one for one in states if one[1] == "SUCCEEDED"]
    if failed or not evaluated:
        raise SystemExit(f"drive: these checks failed: {failed}")
    report = scratch / "storage" / "reports" / "demo"
    for name in ("report.html", "report.json", "exposures.csv"):
        if not (report / name).stat().st_size:
            raise SystemExit(f"drive: {report / name} is empty")
    scorer = [BIN / "python", "-m", "bench.score_exposures", "--json", scratch / "truth.csv", report / "exposures.csv"]
    scored = json.loads(subprocess.run(scorer, check=True, cwd=ROOT, capture_output=True, text=True).stdout)
    print(f"drive: 18 assets, {len(evaluated)} checks, F1 {scored['f1']}, falsely claimed {scored['false_s']} s")
    if scored["f1"] < 0.95:
        raise SystemExit("drive: the demo's F1 is below 0.95")


if __name__ == "__main__":
    main()
