"""Marks found by one example of each: how often the nearest of 60 is the right one, and how fast many are searched.

    python -m bench.likeness              # 500 crops of 60 drawn marks: top-1 and top-5
    python -m bench.likeness --search N   # time and memory of a search among N vectors
    python -m bench.likeness --demo       # after `make demo`: all places of a brand on the broadcast, from one of them

A third of the marks are words, a third pictures, a third both. Each crop is a mark on a ground of its own, tilted,
16 to 64 px high, blurred, with noise, in another light, as JPEG, its box off by up to a tenth. One crop of each mark is
the example; the others are looked for among the 60 examples. Prints one JSON line for each kind and for all.

On the broadcast a brand's example is its largest mark on a sampled frame. A place shows a brand where their boxes
overlap by `LEAST_IOU` and no other brand's does; any other place that is found counts as wrong, part of a mark too.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import time
from collections import defaultdict

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from demo.__main__ import TIMELINE
from gpu_service.boxes import XYWH, iou
from gpu_service.client.local import LocalInference
from gpu_service.pictures import Image
from gpu_service.routines.vectors import VectorSettings, vector
from mpr_assets.crops.nearest import NUMPY_MOST, Nearest
from mpr_assets.crops.similar import cut_out
from mpr_assets.crops.vector_store import ManyPlaces, timeline_places
from mpr_assets.runs.local_storage import storage
from mpr_resources.environment import state_folder

MARKS, CROPS = 60, 500
KINDS = ("word", "picture", "both")
SYLLABLES = ("vel", "qua", "mir", "ane", "thrum", "bar", "wex", "moor", "bra", "sto", "ond", "el", "zar", "sky", "lorn")
FACES = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
LEAST_IOU = 0.3
LEAST_LIKENESSES = (0.6, 0.7, 0.8)
CLUSTERS = 5_000
"""Vectors to be searched lie around so many centres."""


def mark(kind: str, random: np.random.Generator) -> Image:
    """A mark, 120 px high."""
    ground, ink = _colours(random)
    parts: list[Image] = []
    if kind != "word":
        parts.append(_sign(ground, ink, random))
    if kind != "picture":
        text = "".join(random.choice(SYLLABLES, random.integers(2, 4))).capitalize()
        face, thick = FACES[random.integers(len(FACES))], int(random.integers(2, 6))
        (width, _), _ = cv2.getTextSize(text, face, 2.2, thick)
        canvas = np.full((120, width + 24, 3), ground, np.uint8)
        parts.append(np.asarray(cv2.putText(canvas, text, (12, 82), face, 2.2, ink, thick, cv2.LINE_AA), np.uint8))
    return np.asarray(np.hstack(parts), np.uint8)


def _colours(random: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    dark, light = random.integers(0, 110, 3), random.integers(150, 256, 3)
    pair = [tuple(int(part) for part in one) for one in (dark, light)]
    return (pair[0], pair[1]) if random.random() < 0.5 else (pair[1], pair[0])


def _sign(ground: tuple[int, ...], ink: tuple[int, ...], random: np.random.Generator) -> Image:
    canvas = np.full((120, 120, 3), ground, np.uint8)
    for _ in range(int(random.integers(2, 5))):
        colour = ink if random.random() < 0.75 else ground
        if random.random() < 0.4:
            middle = tuple(int(at) for at in random.integers(35, 86, 2))
            cv2.circle(canvas, middle, int(random.integers(12, 40)), colour, int(random.choice([-1, 8])), cv2.LINE_AA)
        else:
            corners = random.integers(10, 111, (int(random.integers(3, 6)), 1, 2), dtype=np.int32)
            cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def seen(drawn: Image, random: np.random.Generator) -> Image:
    """The mark as a crop of a frame has it."""
    height, width = drawn.shape[:2]
    margin = height // 2
    ground = cv2.resize(random.integers(0, 256, (4, 4, 3), dtype=np.uint8), (width + 2 * margin, height + 2 * margin))
    ground[margin : margin + height, margin : margin + width] = drawn
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + margin
    moved = corners + random.normal(0, 0.05 * height, (4, 2)).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, moved)
    tilted = cv2.warpPerspective(ground, warp, ground.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    left, top = moved.min(axis=0) + random.uniform(-0.1, 0.1, 2) * height
    right, bottom = moved.max(axis=0) + random.uniform(-0.1, 0.1, 2) * height
    cut = tilted[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]
    scale = random.uniform(16, 64) / cut.shape[0]
    small = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), random.uniform(0.3, 1.2)).astype(np.float32)
    lit = soft * random.uniform(0.7, 1.15) + random.uniform(-15, 15) + random.normal(0, 4, soft.shape)
    _, jpeg = cv2.imencode(".jpg", lit.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 75])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def accuracy(settings: VectorSettings) -> None:
    random = np.random.default_rng(17)
    kinds = [KINDS[number % len(KINDS)] for number in range(MARKS)]
    marks = [mark(kind, random) for kind in kinds]
    examples = np.stack([vector(seen(one, random), settings) for one in marks])
    places: dict[str, list[int]] = defaultdict(list)
    began = time.process_time()
    for number in range(CROPS):
        own = number % MARKS
        scores = examples @ vector(seen(marks[own], random), settings)
        place = int((scores > scores[own]).sum())
        places[kinds[own]].append(place)
        places["all"].append(place)
    each_ms = (time.process_time() - began) * 1000 / CROPS
    for kind in (*KINDS, "all"):
        found = np.array(places[kind])
        told = {"top_1": round(float((found < 1).mean()), 3), "top_5": round(float((found < 5).mean()), 3)}
        _print(kind=kind, crops=len(found), **told, dimensions=examples.shape[1], cpu_ms_a_crop=round(each_ms, 1))


def clustered(count: int, dimensions: int) -> NDArray[np.float32]:
    """Vectors of length 1 around `CLUSTERS` centres, as crops of marks are."""
    random = np.random.default_rng(3)
    centres = random.normal(size=(CLUSTERS, dimensions)).astype(np.float32)
    made = np.empty((count, dimensions), np.float32)
    for start in range(0, count, 50_000):
        part = made[start : start + 50_000]
        part[:] = centres[random.integers(0, CLUSTERS, len(part))]
        part += 0.5 * random.normal(size=part.shape).astype(np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made


def searched(count: int, dimensions: int) -> None:
    vectors = clustered(count, dimensions)
    queries = vectors[:: max(1, count // 100)][:100] + np.float32(0.02)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, spent = time.perf_counter(), time.process_time()
    nearest = Nearest.over(vectors)
    built = {"build_s": round(time.perf_counter() - began, 1), "build_cpu_s": round(time.process_time() - spent, 1)}
    times_ms, cpu_ms, recalls = [], [], []
    for query in queries:
        began, spent = time.perf_counter(), time.process_time()
        found, _ = nearest.to(query, 20)
        times_ms.append((time.perf_counter() - began) * 1000)
        cpu_ms.append((time.process_time() - spent) * 1000)
        exact = np.argsort(-(vectors @ query), kind="stable")[:20]
        recalls.append(len(set(found.tolist()) & set(exact.tolist())) / 20)
    more_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1024
    _print(
        vectors=count, dimensions=dimensions, by="numpy" if count <= NUMPY_MOST else "usearch", **built,
        p50_ms=_at(times_ms, 0.5), p95_ms=_at(times_ms, 0.95), cpu_p95_ms=_at(cpu_ms, 0.95),
        recall_at_20=round(float(np.mean(recalls)), 4), index_mb=more_mb, vectors_mb=vectors.nbytes // 2**20,
    )  # fmt: skip


def on_broadcast() -> None:
    video = state_folder() / "demo"
    known = timeline_places(storage(), TIMELINE, LocalInference(), VectorSettings())
    truth: dict[int, list[tuple[str, XYWH]]] = defaultdict(list)
    with (video / "truth_boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            box = (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
            truth[int(row["pts_ms"])].append((row["brand"], box))
    marks = {seq: truth.get(at_ms, []) for seq, at_ms in known.times_ms.items()}
    shown: list[str | None] = []
    for seq, x, y, w, h in known.table.select("seq", "x", "y", "w", "h").iter_rows():
        brands = {brand for brand, box in marks[seq] if iou(box, (x, y, w, h)) >= LEAST_IOU}
        shown.append(brands.pop() if len(brands) == 1 else None)
    counts = {least: [0, 0, 0] for least in LEAST_LIKENESSES}
    vectors = ManyPlaces([known]).vectors
    for brand in sorted({one for one in shown if one}):
        _, seq, box = max(
            (box[2] * box[3], seq, box) for seq, some in marks.items() for one, box in some if one == brand
        )
        scores = vectors @ vector(cut_out(known.frames.read(seq).pixels, box), VectorSettings())
        own = np.array([one == brand for one in shown])
        for least, count in counts.items():
            found = scores >= least
            right = int((found & own).sum())
            count[0] += right
            count[1] += int(own.sum())
            count[2] += int(found.sum())
    for least, (right, wanted, found_in_all) in counts.items():
        told = {"recall": round(right / wanted, 3), "precision": round(right / max(1, found_in_all), 3)}
        _print(likeness=least, brands=len({one for one in shown if one}), places=wanted, looked_at=len(shown), **told)


def _at(times: list[float], share: float) -> float:
    return round(float(pl.Series(times).quantile(share) or 0.0), 2)


def _print(**line: object) -> None:
    sys.stdout.write(json.dumps({"bench": "likeness", **line}) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", type=int, metavar="N", help="search among so many vectors instead")
    parser.add_argument("--demo", action="store_true", help="look through the timeline of `make demo` instead")
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--look", type=float, default=0.5, help="share of the look in the likeness")
    asked = parser.parse_args()
    if asked.search:
        searched(asked.search, asked.dimensions)
    elif asked.demo:
        on_broadcast()
    else:
        accuracy(VectorSettings(look=asked.look))


if __name__ == "__main__":
    main()
