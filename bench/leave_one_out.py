"""How well logos are found in photographs, by leave-one-out: a folder of pictures with their boxes.

    python -m bench.leave_one_out FOLDER [--engine logo_match]

FOLDER holds pictures and `boxes.csv` with the columns file, brand, x, y, w, h in pixels. Each brand's pictures are
dealt out in turn; a picture is looked through with the references cut from all pictures of the other turns, of
its own brand and of all other brands. A brand counts as found wherever in its picture. What is measured is the best
recall at a precision of at least `PRECISION`, over all and by brand, recall and precision at the threshold of the
settings, and the CPU time of a picture.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings, Engine
from gpu_service.wire import NoItem

PRECISION = 0.95
LEAST_SIDE_PX = 11
"""Short side of a box below which nothing is cut from it."""


@dataclass(frozen=True)
class Photograph:
    """A picture of one brand. `turn`: its number among those of the brand; `crops`: its logos, cut out."""

    file: str
    brand: str
    turn: int
    image: Image
    crops: tuple[Image, ...]


@dataclass(frozen=True)
class Claim:
    """That a brand is in a picture: how surely, and whether it is. `reference`: by which."""

    score: float
    brand: str
    right: bool
    file: str
    reference: str | None


def photographs(folder: Path) -> list[Photograph]:
    """What `boxes.csv` lists, by brand and file."""
    boxes: defaultdict[tuple[str, str], dict[tuple[int, ...], None]] = defaultdict(dict)
    with (folder / "boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            boxes[row["brand"], row["file"]][tuple(int(row[name]) for name in "xywh")] = None
    turns: defaultdict[str, int] = defaultdict(int)
    found = []
    for (brand, name), places in sorted(boxes.items()):
        image = cv2.imread(str(folder / name))
        if image is None:
            raise SystemExit(f"{folder / name} cannot be read")
        crops = [image[max(0, y) : y + h, max(0, x) : x + w] for x, y, w, h in places]
        kept = tuple(np.asarray(crop, np.uint8) for crop in crops if min(crop.shape[:2]) >= LEAST_SIDE_PX)
        found.append(Photograph(name, brand, turns[brand], np.asarray(image, np.uint8), kept))
        turns[brand] += 1
    return found


def references_without(pictures: Sequence[Photograph], turn: int) -> list[Reference]:
    """The crops of all pictures but those of a turn."""
    return [
        Reference(one.brand, f"{one.file}#{number}", encode_png(crop))
        for one in pictures
        if one.turn != turn
        for number, crop in enumerate(one.crops)
    ]


def claims(pictures: Sequence[Photograph], settings: DetectSettings) -> tuple[list[Claim], float]:
    """The best finding of each brand in each picture, and the CPU seconds of a picture, references' included."""
    found: list[Claim] = []
    began = time.process_time()
    for turn in sorted({one.turn for one in pictures}):
        references = references_without(pictures, turn)
        for one in pictures:
            if one.turn != turn:
                continue
            [answer] = DETECT.run(Batch([one.image], [NoItem()], settings, references))
            best: dict[str, Claim] = {}
            for f in answer.objects:
                if f.label not in best or f.confidence > best[f.label].score:
                    best[f.label] = Claim(f.confidence, f.label, f.label == one.brand, one.file, f.reference)
            found += best.values()
    return found, (time.process_time() - began) / max(1, len(pictures))


def at_threshold(found: Sequence[Claim], truths: int, threshold: float) -> dict[str, float]:
    taken = [claim.right for claim in found if claim.score >= threshold]
    return {"recall": round(sum(taken) / truths, 3), "precision": round(sum(taken) / max(1, len(taken)), 3)}


def lowest_threshold(found: Sequence[Claim], precision: float) -> float:
    """The score from which the claims have the precision, at the most recall; infinite where no score gives it."""
    best = np.inf
    right = taken = 0
    ordered = sorted(found, key=lambda claim: -claim.score)
    for number, claim in enumerate(ordered):
        right, taken = right + claim.right, taken + 1
        last = number + 1 == len(ordered) or ordered[number + 1].score < claim.score
        if last and right / taken >= precision:
            best = claim.score
    return float(best)


def summary(found: Sequence[Claim], pictures: Sequence[Photograph], threshold: float) -> dict[str, object]:
    """Recall and precision; by brand at the threshold that gives `PRECISION` over all."""
    sure = lowest_threshold(found, PRECISION)
    of_brand: defaultdict[str, int] = defaultdict(int)
    for one in pictures:
        of_brand[one.brand] += 1
    hits: defaultdict[str, int] = defaultdict(int)
    false: defaultdict[str, int] = defaultdict(int)
    for claim in found:
        if claim.score >= sure:
            (hits if claim.right else false)[claim.brand] += 1
    return {
        "pictures": len(pictures),
        f"recall_at_precision_{PRECISION}": at_threshold(found, len(pictures), sure)["recall"],
        "its_threshold": round(sure, 4),
        "at_default_threshold": at_threshold(found, len(pictures), threshold),
        "recall_by_brand": {brand: round(hits[brand] / count, 2) for brand, count in sorted(of_brand.items())},
        "false_by_brand": dict(sorted(false.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="pictures, and boxes.csv")
    parser.add_argument("--engine", choices=get_args(Engine), action="append", help="repeatable; logo_match by default")
    given = parser.parse_args()
    engines = tuple(given.engine or ("logo_match",))
    pictures = photographs(given.folder)
    settings = DetectSettings(engines=engines, logo_threshold=0.02)
    found, cpu_s = claims(pictures, settings)
    told = {"engines": list(engines), **summary(found, pictures, DetectSettings().logo_threshold)}
    print(json.dumps(told | {"cpu_s_a_picture": round(cpu_s, 3)}))


if __name__ == "__main__":
    main()
