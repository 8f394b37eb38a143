"""Peak memory of a whole run on a video of two hours: nothing is held whole.

    python -m bench.long_video [--minutes 120] [--fps 1] [--cv-every 10] [--ocr-every 60]

The video is 1080p, a picture that pans with a running clock and a board in it, so that no two sampled frames are equal;
it is made here once and kept in the temporary folder. The stages that find regions and crops look at every frame that
is kept or at every so manieth, `run_ocr` at every so manieth. One JSON line: the peak in MB of the process that did the
run, frames, seconds, and the rows of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (1920, 1080)
VIDEO_FPS = 10
PAN_PX = 74
"""A second's."""
TIMELINE = "long"
MOST_MB = 2000
BRANDS = """
brands:
  - name: Velquora
  - name: Tessarune
    logos: [symbol.png]
"""
LOOKERS = ("field_segmentation", "detect_edges", "detect_objects", "preprocess")


def symbol() -> NDArray[np.uint8]:
    """What the second brand is known by: coloured triangles on white."""
    generator = np.random.default_rng(4)
    picture = np.full((220, 220, 3), 250, np.uint8)
    for _ in range(12):
        corners = generator.integers(10, 210, (3, 2), dtype=np.int32)
        colour = tuple(map(int, generator.integers(0, 200, 3)))
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    return picture


def draw_video(path: Path, seconds: int) -> None:
    """H.264 with another picture each second: a pitch that pans, a board with a name, a symbol, a running clock."""
    width, height = SIZE
    generator = np.random.default_rng(1)
    small = generator.integers(0, 90, (height // 20, width // 10, 3), dtype=np.uint8)
    world = np.asarray(cv2.resize(small, (width * 2, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    world[650:] = (50, 150, 40)  # a pitch, which the profile looks for
    cv2.rectangle(world, (0, 560), (width * 2, 650), (240, 240, 240), -1)
    for left in range(0, width * 2, 960):
        cv2.putText(world, "VELQUORA", (left + 200, 630), cv2.FONT_HERSHEY_SIMPLEX, 2.4, (20, 20, 20), 7, cv2.LINE_AA)
        world[320:540, left + 300 : left + 520] = symbol()
    part = path.with_suffix(".part.mp4")
    options = {"preset": "ultrafast", "crf": "28", "g": str(VIDEO_FPS)}
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(VIDEO_FPS), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for second in range(seconds):
            left = second * PAN_PX % width
            picture = world[:, left : left + width].copy()
            clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            cv2.putText(picture, clock, (80, 120), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 8, cv2.LINE_AA)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            for number in range(VIDEO_FPS):
                frame.pts = second * VIDEO_FPS + number
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    part.replace(path)


def every(frames: int, nth: int) -> dict[str, Any]:
    """The override that limits a stage to every nth frame."""
    return {} if nth == 1 else {"frames": ",".join(map(str, range(0, frames, nth)))}


def run_and_tell(video: Path, frames: int, args: argparse.Namespace) -> None:
    """Run the graph here; one JSON line with this process' peak in MB and the rows of each stage."""
    from mpr_assets.definitions import STAGES
    from mpr_assets.runs.local_instance import dagster_instance
    from mpr_assets.runs.local_storage import storage
    from mpr_cli import new_timeline
    from mpr_cli.materialize import materialize
    from mpr_resources.storage.keys import Keys
    from mpr_resources.storage.tables import from_parquet

    brands = Path(os.environ["DAGSTER_HOME"]).parent / "brands.yaml"
    spec = new_timeline.timeline_spec([str(video)], "soccer_broadcast", [], brands, TIMELINE)
    looked = every(frames, args.cv_every)
    config = {"extract_frames": {"fps": args.fps}, "run_ocr": every(frames, args.ocr_every)}
    config |= dict.fromkeys(LOOKERS, looked)
    with dagster_instance() as instance:
        new_timeline.create_timeline(instance, spec, replace=False)
        materialize(instance, TIMELINE, command="bench", config=config)
    rows = {}
    for stage in STAGES:
        key = Keys.table(stage.name, TIMELINE)
        rows[stage.name] = from_parquet(storage().get(key), key).rows.height
    print(json.dumps({"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "rows": rows}))


def measure(video: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The run in a process of its own, into an empty storage."""
    frames = args.minutes * 60 * args.fps
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"MPR_STORAGE_URL": f"{scratch}/storage", "DAGSTER_HOME": f"{scratch}/dagster"}
        cv2.imwrite(f"{scratch}/symbol.png", symbol())
        Path(scratch, "brands.yaml").write_text(BRANDS)
        command = [sys.executable, "-m", "bench.long_video", "--here", str(video), *sys.argv[1:]]
        started_s = time.monotonic()
        done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
        seconds = round(time.monotonic() - started_s)
    return {"minutes": args.minutes, "frames": frames, "seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def main() -> int:
    """1 where the peak is over 2 GB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--fps", type=int, default=1)
    parser.add_argument("--cv-every", type=int, default=10)
    parser.add_argument("--ocr-every", type=int, default=60)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        run_and_tell(args.here, args.minutes * 60 * args.fps, args)
        return 0
    folder = Path(tempfile.gettempdir()) / "mpr-bench"
    folder.mkdir(exist_ok=True)
    video = folder / f"long-{args.minutes}.mp4"
    if not video.exists():
        draw_video(video, args.minutes * 60)
    found = measure(video, args)
    print(json.dumps({"bench": "long_video", "cv_every": args.cv_every, "ocr_every": args.ocr_every, **found}))
    return 1 if found["peak_mb"] > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
