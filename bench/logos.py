"""How well logos are found: silhouettes pasted on the frames of a video, photographs with their truth, the broadcast.

    python -m bench.logos --icons FOLDER --frames VIDEO [--engine logo_match]
    python -m bench.logos --logos27 FOLDER
    python -m bench.logos --broadcast

What is measured is recall and precision; the algorithm is in `gpu_service.routines.logos.match`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray

from demo.broadcast import draw_broadcast
from gpu_service.boxes import iou, touches
from gpu_service.pictures import Image
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, LOGO_ENGINES, DetectSettings
from gpu_service.wire import Box, NoItem, ObjectFinding
from mpr_assets.definitions import ROOT

DEFAULT = DetectSettings()
SIZES_PX = (48, 64, 96, 150, 220, 300)
DAMAGES = ("none", "rotation", "perspective", "blur", "jpeg40", "covered", "mixed")
COLOURS = ("white", "black", "red", "blue", "green", "yellow")
BGR = {
    "white": (255, 255, 255),
    "black": (12, 12, 12),
    "red": (30, 20, 215),
    "blue": (190, 80, 10),
    "green": (60, 150, 20),
    "yellow": (20, 205, 250),
}
MIN_CONTRAST = 60.0
"""Colour distance, in grey levels, between ink and ground below which a person would not see the logo either."""


@dataclass(frozen=True)
class Sample:
    image: Image
    brand: str | None
    box: Box | None
    size_px: int
    damage: str


def references_of(icons: Path) -> list[Reference]:
    return [Reference(path.stem, path.name, path.read_bytes()) for path in sorted(icons.glob("*.svg"))]


def frames_of(video: Path, count: int) -> list[Image]:
    """`count` frames, evenly spread; of a picture itself."""
    if video.suffix in (".png", ".jpg"):
        return [_picture(video)]
    capture = cv2.VideoCapture(str(video))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for k in range(count):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(total * (k + 0.5) / count))
        done, frame = capture.read()
        if done:
            frames.append(np.asarray(frame, np.uint8))
    capture.release()
    return frames


def _alpha(svg: bytes, size_px: int) -> NDArray[np.float32]:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg.decode(), width=4 * size_px, skip_system_fonts=True))
    drawn: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    alpha = drawn[..., 3]
    x, y, w, h = cv2.boundingRect((alpha > 127).astype(np.uint8))
    factor = size_px / max(w, h)
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(alpha[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    return (np.asarray(small, np.float32) / 255).astype(np.float32)


def _placement(w: int, h: int, damage: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Homography from the logo's pixels to its own place around the origin."""
    turn = rng.uniform(10, 30) * rng.choice((-1, 1)) if damage == "rotation" else 0.0
    turn = rng.uniform(-30, 30) if damage == "mixed" else turn
    tilt = {"perspective": 0.16, "mixed": 0.10}.get(damage, 0.0)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
    moved = corners + rng.uniform(-tilt, tilt, (4, 2)) * (w, h) - (w / 2, h / 2)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    moved = moved @ np.array([[c, s], [-s, c]])
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32)))


def paste(frame: Image, svg: bytes, brand: str, size_px: int, damage: str, rng: np.random.Generator) -> Sample:
    """The frame with the logo pasted at a random place, and where it is (the box of its ink, covered or not)."""
    alpha = _alpha(svg, size_px)
    h, w = alpha.shape
    around = _placement(w, h, damage, rng)
    corners = cv2.perspectiveTransform(np.array([[[0, 0], [w, 0], [w, h], [0, h]]], np.float32), around)[0]
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = np.array(frame.shape[1::-1]) - (high - low)
    shrink = min(1.0, float((np.array(frame.shape[1::-1]) * 0.95 / (high - low)).min()))
    if shrink < 1:
        around = np.diag([shrink, shrink, 1.0]) @ around
        low, high = low * shrink, high * shrink
        room = np.array(frame.shape[1::-1]) - (high - low)
    at = rng.uniform(0, 1, 2) * room - low
    place = np.array([[1, 0, at[0]], [0, 1, at[1]], [0, 0, 1]]) @ around
    ink = cv2.warpPerspective(alpha, place, frame.shape[1::-1], flags=cv2.INTER_AREA)
    x, y, bw, bh = cv2.boundingRect((ink > 0.5).astype(np.uint8))
    image: Any = frame.astype(np.float32)
    ground: Any = image[ink > 0.5].mean(axis=0)
    plate = bool(rng.random() < 0.4)
    if plate:
        pad = 0.18 * max(w, h)
        board = np.array([[-pad, -pad], [w + pad, -pad], [w + pad, h + pad], [-pad, h + pad]], np.float32)
        area = cv2.perspectiveTransform(board[None], place)[0]
        ground = np.array(BGR[str(rng.choice(COLOURS))], np.float32)
        cover = np.zeros(frame.shape[:2], np.float32)
        cv2.fillConvexPoly(cover, area.round().astype(np.int32), 1.0, cv2.LINE_AA)
        image = image * (1 - cover[..., None]) + ground * cover[..., None]
    choices = [c for c in COLOURS if np.linalg.norm(np.array(BGR[c]) - ground) / np.sqrt(3) >= MIN_CONTRAST]
    colour = np.array(BGR[str(rng.choice(choices))], np.float32)
    image = image * (1 - ink[..., None]) + colour * ink[..., None]
    if damage == "covered":
        _cover(image, frame, (x, y, bw, bh), rng)
    if damage in ("blur", "mixed"):
        sigma = (0.012 * size_px if damage == "mixed" else 0.02 * size_px) + 0.6
        image = cv2.GaussianBlur(image, (0, 0), min(sigma, 4.0))
    image = image.clip(0, 255).astype(np.uint8)
    if damage in ("jpeg40", "mixed"):
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    return Sample(np.asarray(image, np.uint8), brand, Box(x=x, y=y, w=bw, h=bh), size_px, damage)


def _cover(image: NDArray[np.float32], frame: Image, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """Lay something over a quarter of the box: a piece of the frame or of one colour, along a side or at a corner."""
    x, y, w, h = box
    cw, ch = ((w // 2, h // 2), (w // 4, h), (w, h // 4))[int(rng.integers(3))]
    cx, cy = x + (w - cw) * int(rng.integers(2)), y + (h - ch) * int(rng.integers(2))
    if rng.random() < 0.5:
        image[cy : cy + ch, cx : cx + cw] = BGR[str(rng.choice(COLOURS))]
    else:
        fx, fy = rng.integers(frame.shape[1] - cw + 1), rng.integers(frame.shape[0] - ch + 1)
        image[cy : cy + ch, cx : cx + cw] = frame[fy : fy + ch, fx : fx + cw]


def samples(
    references: Sequence[Reference], frames: Sequence[Image], a_cell: int, bare: int, seed: int
) -> Iterator[Sample]:
    """`a_cell` pastes for each size and damage, brands in turn, and `bare` frames without any logo."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(references) * 50) % len(references)
    k = 0
    for size_px in SIZES_PX:
        for damage in DAMAGES:
            for _ in range(a_cell):
                reference = references[int(order[k % len(order)])]
                frame = frames[int(rng.integers(len(frames)))]
                yield paste(frame, reference.encoded, reference.brand, size_px, damage, rng)
                k += 1
    for i in range(bare):
        yield Sample(frames[i % len(frames)], None, None, 0, "bare")


@dataclass
class Tally:
    truths: int = 0
    found: int = 0
    false: int = 0


def judge(sample: Sample, findings: Sequence[ObjectFinding], tally: Tally) -> list[bool]:
    """Count into the tally; says of each finding whether it is right."""
    tally.truths += sample.brand is not None
    box = sample.box
    right = [box is not None and f.label == sample.brand and iou(f.box.xywh, box.xywh) >= 0.5 for f in findings]
    tally.found += any(right)
    tally.false += len(findings) - any(right)
    return right


def pasted(
    references: Sequence[Reference],
    frames: Sequence[Image],
    a_cell: int,
    seed: int,
    settings: DetectSettings = DEFAULT,
) -> dict[str, object]:
    cells: dict[tuple[int, str], Tally] = defaultdict(Tally)
    started = time.perf_counter()
    count = 0
    for sample in samples(references, frames, a_cell, 2 * len(frames), seed):
        [answer] = DETECT.run(Batch([sample.image], [NoItem()], settings, references))
        judge(sample, answer.objects, cells[sample.size_px, sample.damage])
        count += 1
    total_ms = (time.perf_counter() - started) * 1000
    truths, found = sum(t.truths for t in cells.values()), sum(t.found for t in cells.values())
    false = sum(t.false for t in cells.values())
    return {
        "recall": round(found / max(1, truths), 4),
        "precision": round(found / max(1, found + false), 4),
        "logos": truths,
        "false_alarms": false,
        "ms_a_frame": round(total_ms / max(1, count)),
        "recall_by_size_and_damage": {
            str(size): {
                d: round(cells[size, d].found / cells[size, d].truths, 3) for d in DAMAGES if cells[size, d].truths
            }
            for size in SIZES_PX
        },
        "false_by_damage": {d: sum(t.false for k, t in cells.items() if k[1] == d) for d in (*DAMAGES, "bare")},
    }


@dataclass(frozen=True)
class Annotation:
    """A line of the data set's lists: `picture brand`, then a number of the subset and a box where it has them."""

    picture: str
    brand: str
    box: Box | None


def annotations_of(path: Path) -> list[Annotation]:
    """The lines of a list, in its order; boxes are `x0 y0 x1 y1`, the last four columns of seven or more."""
    found = []
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) < 2:
            continue
        box = None
        if len(fields) >= 7:
            x0, y0, x1, y1 = (int(float(field)) for field in fields[3:7])
            box = Box(x=max(0, x0), y=max(0, y0), w=max(0, x1 - x0), h=max(0, y1 - y0))
        found.append(Annotation(fields[0], fields[1], box))
    return found


def _picture(path: Path) -> Image:
    picture: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"The picture {path} cannot be read; is the data set complete?")
    return np.asarray(picture, np.uint8)


def crops27(folder: Path, references_a_brand: int = 5) -> list[Reference]:
    """The first crops of each brand in the training set that are large enough to be looked for."""
    crops: dict[str, list[Reference]] = defaultdict(list)
    for one in annotations_of(folder / "flickr_logos_27_dataset_training_set_annotation.txt"):
        box = one.box
        if box is not None and len(crops[one.brand]) < references_a_brand and box.w >= 40 and box.h >= 20:
            crop = _picture(_images27(folder) / one.picture)[box.y : box.y + box.h, box.x : box.x + box.w]
            encoded = cv2.imencode(".png", crop)[1].tobytes()
            crops[one.brand].append(Reference(one.brand, f"{one.picture}@{box.x},{box.y}", encoded))
    return [reference for brand in crops.values() for reference in brand]


def _images27(folder: Path) -> Path:
    return next(path for path in (folder / "flickr_logos_27_dataset_images", folder) if path.is_dir())


def logos27(folder: Path, references_a_brand: int = 5, settings: DetectSettings = DEFAULT) -> dict[str, object]:
    """Flickr-Logos-27: crops of the training set are the references, the query set is looked through.

    A brand of a picture counts as found when it is found in it, at a place that overlaps one of its boxes where the
    list gives boxes. Every other brand found in the picture is one false alarm, and so is a brand that lies elsewhere.
    """
    references = crops27(folder, references_a_brand)
    known = {reference.brand for reference in references}
    truths: dict[str, dict[str, list[Box]]] = defaultdict(dict)
    for one in annotations_of(folder / "flickr_logos_27_dataset_query_set_annotation.txt"):
        boxes = truths[one.picture].setdefault(one.brand, [])
        boxes += [one.box] if one.box is not None else []
    tally = Tally()
    for name, brands in truths.items():
        image = _picture(_images27(folder) / name)
        [answer] = DETECT.run(Batch([image], [NoItem()], settings, references))
        found = {
            finding.label
            for finding in answer.objects
            if finding.label in brands
            and (not brands[finding.label] or any(touches(finding.box.xywh, box.xywh) for box in brands[finding.label]))
        }
        tally.truths += len(known & set(brands))
        tally.found += len(found)
        tally.false += len({finding.label for finding in answer.objects} - found)
    return {
        "recall": round(tally.found / max(1, tally.truths), 4),
        "precision": round(tally.found / max(1, tally.found + tally.false), 4),
        "brands_to_find": tally.truths,
        "pictures": len(truths),
        "false_alarms": tally.false,
        "references": len(references),
    }


def broadcast(every: int, settings: DetectSettings = DEFAULT) -> dict[str, object]:
    """The synthetic broadcast, each `every`-th frame and each with a logo that counts there.

    A logo is found where a box of its brand overlaps its own by more than half; what is found outside the truth's
    spans, the optional ones among them, is invented.
    """
    logos = ROOT / "demo" / "logos"
    references = [Reference(path.parent.name, path.name, path.read_bytes()) for path in sorted(logos.glob("*/*.svg"))]
    present = found = invented = 0
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "broadcast.mp4"
        truth = draw_broadcast(video)
        boxes = {box.frame: box for box in truth.boxes if box.kind == "logo"}
        for number, image in enumerate(_all_frames(video)):
            box = boxes.get(number)
            if number % every and box is None:
                continue
            [answer] = DETECT.run(Batch([image], [NoItem()], settings, references))
            place = None if box is None else Box(x=box.x, y=box.y, w=box.w, h=box.h)
            present += box is not None
            found += any(
                box is not None and place is not None and one.label == box.brand and iou(one.box.xywh, place.xywh) > 0.5
                for one in answer.objects
            )
            at_s = number / truth.fps
            shown = {one.brand for one in truth.exposures if one.kind == "logo" and one.start_s <= at_s < one.end_s}
            invented += sum(one.label not in shown for one in answer.objects)
    return {"frames_with_logo": present, "share_found": round(found / present, 3), "invented": invented}


def _all_frames(video: Path) -> Iterator[Image]:
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def table(result: dict[str, object]) -> str:
    cells = result["recall_by_size_and_damage"]
    assert isinstance(cells, dict)
    lines = ["size_px " + " ".join(f"{d:>11}" for d in DAMAGES)]
    lines += [f"{s:>7} " + " ".join(f"{cells[s].get(d, float('nan')):>11.2f}" for d in DAMAGES) for s in cells]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icons", type=Path, help="folder of one-colour SVG symbols, one a brand")
    parser.add_argument("--frames", type=Path, help="video or picture without any of these brands")
    parser.add_argument("--logos27", type=Path, help="folder of the Flickr-Logos-27 dataset")
    parser.add_argument("--broadcast", action="store_true", help="the synthetic broadcast")
    engines = sorted(LOGO_ENGINES, reverse=True)
    parser.add_argument("--engine", choices=engines, action="append", help="repeatable; logo_match by default")
    parser.add_argument("--a-cell", type=int, default=6, help="pastes for each size and damage")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    result: dict[str, object] = {}
    settings = DetectSettings(engines=tuple(given.engine)) if given.engine else DEFAULT
    if given.icons and given.frames:
        result = pasted(references_of(given.icons), frames_of(given.frames, 12), given.a_cell, given.seed, settings)
        print(table(result))
    if given.logos27:
        result["logos27"] = logos27(given.logos27, settings=settings)
    if given.broadcast:
        result["broadcast"] = broadcast(5, settings)
    if not result:
        parser.error("give --icons and --frames, --logos27 or --broadcast")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
