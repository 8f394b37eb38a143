"""`field_segmentation` and `detect_edges` by the page's OpenCV.js against the server's routines, on the same pixels.

    python -m bench.parity [VIDEO ...] [--frames 30]

Frames evenly over each video, half with the default settings, half with others; without a video, of the broadcast of
`demo`, which it draws. Prints one JSON line a video: the share of frames whose rows are equal in every figure, the
boxes of both, the share of boxes that one side has within `NEAR_PX` of the other's, and milliseconds of a frame in the
page's routine. Exit status 1 where that share is below `LEAST_SHARE`. Needs what `make editor` installs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from demo.broadcast import draw_broadcast
from gpu_service.pictures import Image
from gpu_service.routines.detect_edges import EdgeSettings, find_boards
from gpu_service.routines.segment_field import SegmentFieldSettings, find_field

ROOT = Path(__file__).parents[1]
EDITOR, NODE = ROOT / "mpr_api" / "editor", ROOT / ".venv-node" / "bin"
LEAST_SHARE = 0.98
"""The arithmetic is the same; compilers round a pixel otherwise now and then, and an edge is found or not."""
NEAR_PX = 2
OTHER_FIELD = SegmentFieldSettings(hue_low=170, hue_high=60, morph_kernel=11)
OTHER_EDGES = EdgeSettings(edge_canny_low=40, edge_hough_min_length=60, edge_max_slope_deg=9)


def frames_of(video: Path, count: int) -> Iterator[Image]:
    """So many frames, evenly over the video."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        total = stream.frames or sum(1 for _ in container.decode(stream))
        chosen = set(np.linspace(0, total - 1, count).round().astype(int).tolist())
        container.seek(0)
        for number, frame in enumerate(container.decode(stream)):
            if number in chosen:
                yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def asked(folder: Path, video: Path, count: int) -> list[dict[str, Any]]:
    """Writes the pixels of each frame; gives what the page is asked, and what the server's routines say."""
    questions = []
    for number, image in enumerate(frames_of(video, count)):
        other = number % 2 == 1
        field, edges = (OTHER_FIELD, OTHER_EDGES) if other else (SegmentFieldSettings(), EdgeSettings())
        image.tofile(folder / f"{number}.bgr")
        found = find_field(image, field)
        boards = find_boards(image, edges, found.polygon)
        questions.append(
            {
                "file": f"{number}.bgr",
                "width": image.shape[1],
                "height": image.shape[0],
                "settings": {"field_segmentation": field.model_dump(), "detect_edges": edges.model_dump()},
                "field": found.polygon,
                "rows": {
                    "field_segmentation": [{"polygon": found.polygon, "share": found.share}],
                    "detect_edges": [
                        {**region.box.model_dump(), "confidence": region.confidence, "label": region.label}
                        for region in boards.regions
                    ],
                },
            }
        )
    return questions


def measure(video: Path, count: int) -> dict[str, Any]:
    """The figures of one video."""
    with tempfile.TemporaryDirectory(prefix="mpr-parity-") as name:
        folder = Path(name)
        questions = json.loads(json.dumps(asked(folder, video, count)))
        (folder / "questions.json").write_text(json.dumps(questions))
        path = f"{NODE}{os.pathsep}{os.environ['PATH']}"
        command = ["node", "browser_tests/parity.ts", str(folder)]
        said = subprocess.run(command, cwd=EDITOR, env=os.environ | {"PATH": path}, check=True, capture_output=True)
    answers, count = json.loads(said.stdout), len(questions)
    result: dict[str, Any] = {"bench": "parity", "video": video.name, "frames": count}
    for stage in ("field_segmentation", "detect_edges"):
        times_ms = sorted(told[stage]["ms"] for told in answers)
        result[f"{stage}_equal"] = round(
            sum(ours == theirs for ours, theirs in _pairs(questions, answers, stage)) / count, 3
        )
        result[f"{stage}_ms"] = {"p50": round(times_ms[count // 2], 1), "p95": round(times_ms[count * 19 // 20], 1)}
    outlines = [
        (ours[0]["polygon"], theirs[0]["polygon"]) for ours, theirs in _pairs(questions, answers, "field_segmentation")
    ]
    result["polygons_near"] = round(sum(_near(ours, theirs) for ours, theirs in outlines) / count, 3)
    boxes = _pairs(questions, answers, "detect_edges")
    total = sum(len(ours) + len(theirs) for ours, theirs in boxes)
    met = sum(_met(ours, theirs) + _met(theirs, ours) for ours, theirs in boxes)
    result |= {"boxes": total // 2, "boxes_near": round(met / total, 3) if total else 1.0}
    return result


def _pairs(questions: list[dict[str, Any]], answers: list[dict[str, Any]], stage: str) -> list[tuple[Any, Any]]:
    """The server's rows and the page's, of each frame."""
    return [(asked["rows"][stage], told[stage]["rows"]) for asked, told in zip(questions, answers, strict=True)]


def _near(ours: list[Any], theirs: list[Any]) -> bool:
    same = len(ours) == len(theirs)
    return same and bool(np.abs(np.array(ours) - np.array(theirs)).max(initial=0) <= NEAR_PX)


def _met(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> int:
    """How many of ours have one of theirs on the same place."""
    return sum(any(all(abs(a[side] - b[side]) <= NEAR_PX for side in "xywh") for b in theirs) for a in ours)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=30)
    arguments = parser.parse_args()
    worst = 1.0
    with tempfile.TemporaryDirectory(prefix="mpr-parity-") as name:
        videos = arguments.videos
        if not videos:
            videos = [Path(name) / "broadcast.mp4"]
            draw_broadcast(videos[0], seconds=6)
        for video in videos:
            result = measure(video, arguments.frames)
            sys.stdout.write(json.dumps(result) + "\n")
            worst = min(worst, result["boxes_near"], result["polygons_near"])
    return 0 if worst >= LEAST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
