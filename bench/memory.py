"""Peak memory of a whole run on a long clip against that on a short one: nothing is held whole.

The clips are 1080p, a picture that pans with a running clock in it, made here once and kept in the temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (1920, 1080)
FPS = 25


def draw_clip(path: Path, seconds: int) -> None:
    """A textured picture that pans, with the time and a board on it; H.264."""
    width, height = SIZE
    generator = np.random.default_rng(1)
    small = generator.integers(0, 255, (height // 20, width // 10, 3), dtype=np.uint8)
    world = np.asarray(cv2.resize(small, (width * 2, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"preset": "ultrafast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * FPS):
            left = number * 3 % width
            picture = world[:, left : left + width].copy()
            text = f"VELQUORA {number // FPS:05d}"
            cv2.putText(picture, text, (200, 900), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 8, cv2.LINE_AA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    part.replace(path)


def peak_mb(video: Path) -> float:
    """Peak resident memory in MB of `mpr run` on the video, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"MPR_STORAGE_URL": f"{scratch}/storage", "DAGSTER_HOME": f"{scratch}/dagster"}
        command = [sys.executable, "-m", "bench.memory", "--peak-of", str(video)]
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def run_and_tell(video: Path) -> None:
    """Run the graph here and print this process' peak in MB."""
    from mpr_assets.runs.local_instance import dagster_instance
    from mpr_cli import new_timeline
    from mpr_cli.materialize import materialize

    spec = new_timeline.timeline_spec([video], "soccer_broadcast", [], None, "memory")
    with dagster_instance() as instance:
        new_timeline.create_timeline(instance, spec, replace=False)
        materialize(instance, "memory", command="bench")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """One JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short-s", type=int, default=60)
    parser.add_argument("--long-s", type=int, default=600)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        run_and_tell(args.peak_of)
        return
    folder = Path(tempfile.gettempdir()) / "mpr-bench"
    folder.mkdir(exist_ok=True)
    peaks = {}
    for seconds in (args.short_s, args.long_s):
        video = folder / f"memory-{seconds}.mp4"
        if not video.exists():
            draw_clip(video, seconds)
        peaks[seconds] = peak_mb(video)
    short, long = peaks[args.short_s], peaks[args.long_s]
    figures = {"short_s": args.short_s, "long_s": args.long_s, "short_mb": round(short), "long_mb": round(long)}
    print(json.dumps({"bench": "memory", **figures, "ratio": round(long / short, 3)}))


if __name__ == "__main__":
    main()
