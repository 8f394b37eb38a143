"""`mpr run` on S3 and PostgreSQL, its video in S3 too, against the same run on a folder and SQLite.

    python -m tests.services.servers python -m bench.team [--rounds 2]

The demo's broadcast of 20 seconds, each run in a process of its own into an empty storage, in turns. One JSON line:
median seconds of both, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import boto3

from demo.__main__ import BRANDS, PROFILE
from demo.broadcast import draw_broadcast
from mpr_assets.definitions import ROOT

MPR = Path(sys.executable).parent / "mpr"
NEEDED = ("MPR_TEST_S3_ENDPOINT_URL", "MPR_TEST_S3_KEY", "MPR_TEST_S3_SECRET", "MPR_TEST_POSTGRES_URL")


def seconds(video: str, environ: Mapping[str, str]) -> float:
    """How long `mpr run` takes."""
    command = [str(MPR), "run", video, "--name", f"t{uuid.uuid4().hex[:8]}"]
    command += ["--profile", PROFILE, "--brands", str(BRANDS)]
    start = time.perf_counter()
    subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def measure(folder: Path, environ: Mapping[str, str], rounds: int) -> dict[str, object]:
    video = folder / "broadcast.mp4"
    draw_broadcast(video)
    keys = {
        "S3_ENDPOINT_URL": environ["MPR_TEST_S3_ENDPOINT_URL"],
        "AWS_ACCESS_KEY_ID": environ["MPR_TEST_S3_KEY"],
        "AWS_SECRET_ACCESS_KEY": environ["MPR_TEST_S3_SECRET"],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    bucket = f"bench-{uuid.uuid4().hex[:8]}"
    client = boto3.client(
        "s3",
        endpoint_url=keys["S3_ENDPOINT_URL"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    client.upload_file(str(video), bucket, "media/broadcast.mp4")
    for name, instance in (("alone", ROOT / "dagster.yaml"), ("team", ROOT / "deploy" / "dagster.yaml")):
        (folder / name).mkdir()
        shutil.copy(instance, folder / name / "dagster.yaml")
    taken: dict[str, list[float]] = {"alone": [], "team": []}
    for number in range(rounds + 1):
        alone = {"DAGSTER_HOME": str(folder / "alone"), "MPR_STORAGE_URL": str(folder / f"storage-{number}")}
        team = keys | {
            "DAGSTER_HOME": str(folder / "team"),
            "DAGSTER_POSTGRES_URL": environ["MPR_TEST_POSTGRES_URL"],
            "MPR_DATABASE_URL": environ["MPR_TEST_POSTGRES_URL"],
            "MPR_STORAGE_URL": f"s3://{bucket}/storage-{number}",
            "MPR_LOGS_BUCKET": bucket,
        }
        for name, source, variables in (
            ("alone", str(video), alone),
            ("team", f"s3://{bucket}/media/broadcast.mp4", team),
        ):
            if number == 0:  # both make their databases
                command = [str(MPR), "timeline", "list"]
                subprocess.run(command, env={**environ, **variables}, cwd=ROOT, check=True, capture_output=True)
            else:
                taken[name].append(seconds(source, {**environ, **variables}))
    median = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "alone_s": round(median["alone"], 1),
        "team_s": round(median["team"], 1),
        "ratio": round(median["team"] / median["alone"], 3),
    }


def main() -> int:
    """1 without servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        print("bench.team needs servers; run: python -m tests.services.servers python -m bench.team", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"bench": "team", "rounds": rounds, **measure(Path(folder), os.environ, rounds)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
