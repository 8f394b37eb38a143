"""MPR's side of `make eval`: every clip through the whole graph as in `mpr run`, in one process; its CPU measured.

    echo '{"profile": "generic", "jobs": [...], "config": {}, "keep": null}' | python -m bench.graph_side

where a job is `{"name": "clip", "video": "clip.mp4", "brands": "brands.yaml", "exposures": "clip.csv"}`. Storage and
Dagster's folder are those of the environment. The first line of output says what start-up cost (imports, Dagster's
instance, and a first run of a second of drawn lettering, which loads the models); then one JSON line a clip.
Exit status 1, with a sentence, where a clip cannot be run.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import dagster as dg
import numpy as np
import polars as pl
import yaml
from av.video.stream import VideoStream

from gpu_service.errors import MprError
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_run import run_here
from mpr_assets.runs.local_storage import storage
from mpr_cli import new_timeline
from mpr_resources.dagster_internals import keep_engines, remember_partitions
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import from_parquet

KEPT_TABLES = ("extract_frames", "filter_scenes", "run_ocr", "detect_objects", "match_brands")


def user_s() -> float:
    """User CPU seconds of this process and of those that it started and that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + others.ru_utime


def warm_up(instance: dg.DagsterInstance, profile: str) -> None:
    """A run of a second of lettering."""
    picture = np.full((180, 320, 3), 255, np.uint8)
    cv2.putText(picture, "ACME", (40, 110), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
    with tempfile.TemporaryDirectory() as folder:
        video, brands = Path(folder) / "warm_up.mp4", Path(folder) / "brands.yaml"
        with av.open(str(video), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(2), options={"threads": "1"})
            assert isinstance(stream, VideoStream)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
            for _ in range(2):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            container.mux(stream.encode(None))
        brands.write_text(yaml.safe_dump({"brands": [{"name": "Acme"}]}))
        run(instance, {"name": "warm_up", "video": str(video), "brands": str(brands)}, profile, {})


def run(instance: dg.DagsterInstance, job: dict[str, str], profile: str, config: dict[str, Any]) -> None:
    """The whole graph on a clip."""
    spec = new_timeline.timeline_spec([Path(job["video"])], profile, [], Path(job["brands"]), job["name"])
    new_timeline.create_timeline(instance, spec, replace=False)
    for doubt in run_here(instance, job["name"], command="eval", config=config).doubts:
        print(f"eval: {job['name']}: {doubt}", file=sys.stderr)


def detections(timeline: str) -> list[tuple[str, int, float]]:
    """What was found by text in each analysed frame: brand, time in ms of the timeline, confidence."""
    frames, found = (
        from_parquet(storage().get(Keys.table(stage, timeline)), stage).rows
        for stage in ("extract_frames", "match_brands")
    )
    rows = found.filter(pl.col("brand").is_not_null() & (pl.col("source") == "ocr"))
    timed = rows.join(frames.select("seq", "timeline_ms"), on="seq", how="left")
    return [
        (brand, time_ms, confidence)
        for brand, time_ms, confidence in timed.select("brand", "timeline_ms", "confidence").iter_rows()
    ]


def keep_tables(timeline: str, folder: Path) -> None:
    """Copies of the tables that say how a clip came to its result."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage in KEPT_TABLES:
        (folder / f"{stage}.parquet").write_bytes(storage().get(Keys.table(stage, timeline)))


def main() -> int:
    """Read what is asked for, run it, print."""
    asked = json.load(sys.stdin)
    profile, config = asked["profile"], asked["config"]
    try:
        keep_engines()
        with dagster_instance() as instance:
            remember_partitions(instance)
            warm_up(instance, profile)
            print(json.dumps({"startup_user_s": user_s()}), flush=True)
            for job in asked["jobs"]:
                before_s = user_s()
                run(instance, job, profile, config)
                took_s = user_s() - before_s
                Path(job["exposures"]).write_bytes(storage().get(Keys.report(job["name"], "exposures.csv")))
                if asked["keep"]:
                    keep_tables(job["name"], Path(asked["keep"]) / job["name"])
                found = detections(job["name"])
                print(json.dumps({"name": job["name"], "user_s": took_s, "detections": found}), flush=True)
    except MprError as error:
        print(f"eval: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
