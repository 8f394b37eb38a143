"""`match_brands` of a ten-minute timeline made again after a threshold changed, through `dagster dev`.

    python -m bench.replay [--minutes 10]

The timeline is the demo's clip again and again; every stage is made once. Then, three times in turn, `match_brands` is
materialized by GraphQL with nothing changed, which gives back what is stored, and with another threshold in the
profile. The video is away by then, so nothing can decode it. Prints one JSON line: seconds from the launch to the end
of both (medians), and the stage's own work. Exit status 1 where the difference is more than the work and 5 s, or where
a run made anything but `match_brands`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.daemon import BIN, Daemon, dagster_dev
from mpr_assets.definitions import ROOT

CLIP_S = 20
MOST_S = 5.0
ROUNDS = 3
STAGE = "match_brands"
MADE = """
query Made($partitions: [String!]) {
  assetNodes {
    assetKey { path }
    assetMaterializations(partitions: $partitions, limit: 1) {
      runId
      metadataEntries { label ... on FloatMetadataEntry { floatValue } ... on BoolMetadataEntry { boolValue } }
    }
  }
}
"""


def made(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """The last materialization of each stage: the run, and figures by label."""
    found = {}
    for node in daemon.ask(MADE, partitions=["long"])["assetNodes"]:
        for one in node["assetMaterializations"]:
            said = {entry["label"]: entry for entry in one["metadataEntries"]}
            found[node["assetKey"]["path"][-1]] = {
                "run": one["runId"],
                "seconds": said["seconds"]["floatValue"],
                "reused": said["reused"]["boolValue"],
            }
    return found


def materialize(daemon: Daemon, stages: tuple[str, ...]) -> tuple[float, dict[str, Any]]:
    """Seconds from the launch until the run has ended, and what its run made of `match_brands`."""
    started_s = time.perf_counter()
    run = daemon.launch("long", stages)
    daemon.succeed(run)
    took_s = time.perf_counter() - started_s
    now = made(daemon)
    others = {stage for stage, one in now.items() if one["run"] == run} - set(stages)
    if others and stages:
        raise SystemExit(f"replay: the run made {sorted(others)} too")
    return took_s, now[STAGE]


def measure(minutes: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environ = {
            "DAGSTER_HOME": f"{scratch}/home",
            "MPR_STORAGE_URL": f"{scratch}/storage",
            "MPR_PROFILES_DIR": f"{scratch}/profiles",
        }
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        subprocess.run([BIN / "python", "-m", "demo.broadcast", scratch], check=True, cwd=ROOT)
        clip, profile = folder / "broadcast.mp4", folder / "profiles" / "soccer_broadcast.yaml"
        chunks = [word for _ in range(round(minutes * 60 / CLIP_S)) for word in ("--chunk", f"0-{CLIP_S}")]
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
        with dagster_dev(environ) as daemon:
            create = ["timeline", "create", str(clip), "--name", "long", "--profile", "soccer_broadcast"]
            daemon.mpr(*create, "--brands", str(ROOT / "demo" / "brands.yaml"), *chunks)
            whole_s, _ = materialize(daemon, ())
            stages_s = {stage: one["seconds"] for stage, one in made(daemon).items()}
            print(f"made in {whole_s:.0f} s: {stages_s}", file=sys.stderr, flush=True)
            clip.rename(folder / "away.mp4")
            as_it_is = profile.read_text()
            spent: dict[str, list[float]] = {"no_op": [], "replay": [], "work": []}
            for number in range(ROUNDS):
                took_s, one = materialize(daemon, (STAGE,))
                if not one["reused"]:
                    raise SystemExit("replay: the run without a change made the stage anew")
                spent["no_op"].append(took_s)
                profile.write_text(f"{as_it_is}\n{STAGE}: {{min_confidence: {0.6 + number / 100}}}\n")
                took_s, one = materialize(daemon, (STAGE,))
                if one["reused"]:
                    raise SystemExit("replay: the run after the change gave back what was stored")
                spent["replay"].append(took_s)
                spent["work"].append(one["seconds"])
    medians = {f"{name}_s": round(statistics.median(times), 2) for name, times in spent.items()}
    over_s = medians["replay_s"] - medians["no_op_s"] - medians["work_s"]
    return {
        "minutes": minutes,
        **medians,
        "over_s": round(over_s, 2),
        "most_s": MOST_S,
        "extract_frames_s": stages_s["extract_frames"],
        "run_ocr_s": stages_s["run_ocr"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="A stage made again on a long timeline, through a daemon.")
    parser.add_argument("--minutes", type=float, default=10)
    found = measure(parser.parse_args().minutes)
    print(json.dumps({"bench": "replay", **found}))
    return 0 if found["over_s"] <= MOST_S else 1


if __name__ == "__main__":
    sys.exit(main())
