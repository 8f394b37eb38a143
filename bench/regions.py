"""`detect_edges` and `segment_field` against plain Canny on the same 1080p frame.

    python -m bench.regions [--rounds 15]

Draws its frame itself: a crowd, a row of lettered boards, a pitch with lines and players. Prints one JSON line:
milliseconds of each (median of rounds run in turns, in this process) and their ratio to `cv2.Canny` on the frame.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from gpu_service.pictures import Image
from gpu_service.routines.detect_edges import EdgeSettings, find_boards
from gpu_service.routines.segment_field import SegmentFieldSettings, find_field

WIDTH, HEIGHT = 1920, 1080
BOARDS_TOP, BOARDS_BOTTOM = 330, 400


def broadcast_frame() -> Image:
    """A wide shot of a match, 1920 x 1080, the same at every call."""
    random = np.random.default_rng(5)
    crowd = random.integers(0, 256, (BOARDS_TOP // 10, WIDTH // 10, 3), dtype=np.uint8)
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:BOARDS_TOP] = cv2.resize(crowd, (WIDTH, BOARDS_TOP), interpolation=cv2.INTER_CUBIC)
    image[BOARDS_TOP:] = (40, 150, 50)
    for number, left in enumerate(range(0, WIDTH, 320)):
        color = [(200, 60, 20), (30, 30, 30), (230, 230, 230), (30, 30, 190)][number % 4]
        ink = (20, 20, 20) if number % 4 == 2 else (255, 255, 255)
        cv2.rectangle(image, (left, BOARDS_TOP), (left + 319, BOARDS_BOTTOM), color, -1)
        cv2.putText(image, f"BRAND {number}", (left + 40, BOARDS_BOTTOM - 20), cv2.FONT_HERSHEY_SIMPLEX, 1.5, ink, 4)
    cv2.line(image, (0, BOARDS_BOTTOM + 40), (WIDTH, BOARDS_BOTTOM + 40), (250, 250, 250), 4)
    cv2.ellipse(image, (WIDTH // 2, 760), (420, 130), 0, 0, 360, (250, 250, 250), 5)
    for x, y in random.integers((0, 380), (WIDTH, 980), (22, 2)).tolist():
        cv2.rectangle(image, (x, y), (x + 22, y + 70), (40, 40, 200), -1)
    grain = random.normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8) + grain, 0, 255).astype(np.uint8)


def measure(rounds: int) -> dict[str, float]:
    """Median milliseconds of each, and the ratios to Canny."""
    image = broadcast_frame()
    edges, field = EdgeSettings(), SegmentFieldSettings()
    polygon = find_field(image, field).polygon
    jobs: dict[str, Callable[[], object]] = {
        "canny": lambda: cv2.Canny(image, edges.edge_canny_low, edges.edge_canny_high),
        "detect_edges": lambda: find_boards(image, edges, polygon),
        "segment_field": lambda: find_field(image, field),
    }
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            spent[name].append((time.perf_counter() - started) * 1000)
    # The first round warms up.
    ms = {name: statistics.median(times[1:]) for name, times in spent.items()}
    ratios = {f"{name}_to_canny": round(ms[name] / ms["canny"], 2) for name in ("detect_edges", "segment_field")}
    return {f"{name}_ms": round(value, 1) for name, value in ms.items()} | ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = max(1, parser.parse_args().rounds)
    sys.stdout.write(json.dumps({"bench": "regions", **measure(rounds)}) + "\n")


if __name__ == "__main__":
    main()
