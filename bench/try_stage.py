"""`detect_edges` tried on one 1080p frame against the routine alone plus reading the frame.

    python -m bench.try_stage [--rounds 20]

Draws a frame, stores a timeline of it, and tries the stage on it with warm resources, the frame read from storage each
time. Prints one JSON line: milliseconds of both (median of rounds run in turns, in this process) and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
from av import VideoFrame
from av import open as open_container
from av.video.stream import VideoStream

from bench.regions import broadcast_frame
from gpu_service.routines import Batch
from gpu_service.routines.detect_edges import DETECT_EDGES
from gpu_service.wire import EdgesItem
from mpr_assets.definitions import (
    JOB,
    SECTIONS,
    STAGES,
    definitions,
)
from mpr_assets.engine.overrides import Overrides
from mpr_assets.runs.try_stage import try_stage
from mpr_assets.stages.detect_edges import DetectEdgesSettings
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.database.connection import Database
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.tables import from_parquet

TIMELINE = "frame"
UPSTREAM = ("timeline", "extract_frames", "filter_scenes", "field_segmentation")
MOST = 1.3


def write_video(path: Path) -> None:
    """A second of the frame, 1920 x 1080."""
    with open_container(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        assert isinstance(stream, VideoStream)
        frame = broadcast_frame()
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, "bgr24")))
        container.mux(stream.encode())


def prepare(folder: Path) -> SimpleNamespace:
    """A timeline of the frame, materialized up to `detect_edges`, and what a run has."""
    write_video(folder / "frame.mp4")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "one.yaml").write_text("extract_frames: {fps: 2}\n")
    resources = SimpleNamespace(
        storage=StorageResource(url=str(folder / "storage"), s3_endpoint_url=None),
        inference=InferenceResource(),
        profiles=Profiles(folder / "profiles", SECTIONS),
        progress=None,
        switches={},
        database=Database(f"sqlite:///{folder}/registry.sqlite"),
    )
    graph = definitions({}, storage=resources.storage, profiles=resources.profiles)
    with dg.DagsterInstance.ephemeral() as instance:
        chunk = ChunkSpec(source=str(folder / "frame.mp4"), start_ms=None, end_ms=None)
        register(instance, resources.storage.storage, TimelineSpec(name=TIMELINE, profile="one", chunks=(chunk,)))
        graph.resolve_job_def(JOB).execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            partition_key=TIMELINE,
            asset_selection=[dg.AssetKey(stage) for stage in UPSTREAM],
        )
    return resources


def measure(rounds: int) -> dict[str, float | int]:
    """Median milliseconds of each, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        resources = prepare(Path(folder))
        storage, settings = resources.storage.storage, DetectEdgesSettings()
        index = from_parquet(storage.get(Keys.table("extract_frames", TIMELINE)), "")
        fields = from_parquet(storage.get(Keys.table("field_segmentation", TIMELINE)), "").rows
        item = EdgesItem(field=tuple((x, y) for x, y in fields["polygon"].to_list()[0]))
        frames = Keys.frames(TIMELINE, index.header.fingerprint)
        stages = {one.name: one for one in STAGES}
        stage = stages["detect_edges"]

        first = Overrides.from_record({"frames": "0"})

        def alone() -> object:
            picture = PictureFolder(storage, frames, "jpg", PictureCache()).read(0)
            return DETECT_EDGES.run(Batch([picture.pixels], [item], settings))

        def tried() -> object:
            resources.storage.__dict__["cache"] = PictureCache()  # the frame is read each time, as beside
            return try_stage(stage, TIMELINE, stages, resources, overrides=first)

        jobs: dict[str, Callable[[], object]] = {"alone_ms": alone, "try_ms": tried}
        spent: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(rounds + 2):
            for name, job in jobs.items():
                started_s = time.perf_counter()
                job()
                spent[name].append(1000 * (time.perf_counter() - started_s))
    ratios = np.array(spent["try_ms"][2:]) / np.array(spent["alone_ms"][2:])
    medians = {name: round(statistics.median(times[2:]), 1) for name, times in spent.items()}
    return {**medians, "ratio": round(float(np.median(ratios)), 3), "most": MOST, "rounds": rounds}


def main() -> int:
    parser = argparse.ArgumentParser(description="A try of detect_edges against its routine and reading the frame.")
    parser.add_argument("--rounds", type=int, default=20)
    found = measure(parser.parse_args().rounds)
    print(json.dumps({"bench": "try_stage", **found}))
    return 0 if found["ratio"] <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
