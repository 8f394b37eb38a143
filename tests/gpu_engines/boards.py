"""A YOLO that has learnt the brands of the drawn broadcast in about a minute, and frames of it to try it on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import yaml

from demo.broadcast import draw_broadcast
from gpu_service.pictures import Image
from gpu_service.wire import Box

SIZE = (1280, 720)
FPS = Fraction(5)
SECONDS = 20
LEARNT_EVERY, TRIED_AT = 2, 1
"""Even frames are learnt, odd ones tried."""
TILE_PX = 256
TILES_A_BRAND = 18
EPOCHS = 18


@dataclass(frozen=True)
class Boards:
    """The weights, and frames that they have not seen with the marks that count in each: brand and box."""

    weights: Path
    exported: Path
    frames: dict[int, Image]
    truth: dict[int, list[tuple[str, Box]]]


def learn(folder: Path) -> Boards:
    """Draw, cut tiles around the marks of each brand, train from random weights, export."""
    draw_broadcast(folder / "broadcast.mp4", seconds=SECONDS, size=SIZE, fps=FPS)
    truth: defaultdict[int, list[tuple[str, Box]]] = defaultdict(list)
    for row in pl.read_csv(folder / "truth_boxes.csv").iter_rows(named=True):
        truth[row["frame"]].append((row["brand"], Box(x=row["x"], y=row["y"], w=row["w"], h=row["h"])))
    frames = _frames(folder / "broadcast.mp4")
    learnt = {number: image for number, image in frames.items() if number % LEARNT_EVERY != TRIED_AT}
    data = _tiles(folder / "tiles", learnt, truth)
    weights = _trained(folder, data)
    from ultralytics import YOLO

    exported = Path(YOLO(weights).export(format="onnx", imgsz=1280, dynamic=True, simplify=False, verbose=False))
    tried = {number: image for number, image in frames.items() if number not in learnt}
    return Boards(weights, exported, tried, dict(truth))


def _frames(video: Path) -> dict[int, Image]:
    capture = cv2.VideoCapture(str(video))
    frames: dict[int, Image] = {}
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames[len(frames)] = np.asarray(frame, np.uint8)


def _tiles(folder: Path, frames: dict[int, Image], truth: dict[int, list[tuple[str, Box]]]) -> Path:
    """Equally many tiles of each brand, in the frames' own size, with the marks that are in them almost whole."""
    rng = np.random.default_rng(1)
    brands = sorted({brand for marks in truth.values() for brand, _ in marks})
    for kind in ("images", "labels"):
        (folder / kind / "train").mkdir(parents=True)
    for brand in brands:
        places = [(number, box) for number in frames for name, box in truth.get(number, []) if name == brand]
        for tile_number, index in enumerate(np.linspace(0, len(places) - 1, TILES_A_BRAND).astype(int)):
            number, box = places[index]
            left = int(np.clip(box.x + box.w / 2 - TILE_PX / 2 + rng.integers(-30, 31), 0, SIZE[0] - TILE_PX))
            top = int(np.clip(box.y + box.h / 2 - TILE_PX / 2 + rng.integers(-90, 91), 0, SIZE[1] - TILE_PX))
            lines = [_line(brands.index(name), mark, left, top) for name, mark in truth[number]]
            stem = f"{brands.index(brand)}_{tile_number}"
            tile = frames[number][top : top + TILE_PX, left : left + TILE_PX]
            cv2.imwrite(str(folder / "images/train" / f"{stem}.png"), tile)
            (folder / "labels/train" / f"{stem}.txt").write_text("\n".join(line for line in lines if line))
    data = {"path": str(folder), "train": "images/train", "val": "images/train", "names": dict(enumerate(brands))}
    (folder / "data.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return folder / "data.yaml"


def _line(label: int, mark: Box, left: int, top: int) -> str:
    """A mark in YOLO's words, empty when a good part of it is outside the tile."""
    x0, y0 = max(mark.x, left), max(mark.y, top)
    x1, y1 = min(mark.x + mark.w, left + TILE_PX), min(mark.y + mark.h, top + TILE_PX)
    if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < 0.8 * mark.w * mark.h:
        return ""
    centre = ((x0 + x1) / 2 - left) / TILE_PX, ((y0 + y1) / 2 - top) / TILE_PX
    return f"{label} {centre[0]} {centre[1]} {(x1 - x0) / TILE_PX} {(y1 - y0) / TILE_PX}"


def _trained(folder: Path, data: Path) -> Path:
    from ultralytics import YOLO

    package = find_spec("ultralytics")
    assert package is not None
    assert package.origin is not None
    drawing = yaml.safe_load((Path(package.origin).parent / "cfg/models/11/yolo11.yaml").read_text())
    drawing["scales"] = {"n": [0.34, 0.125, 1024]}  # a fourth of the smallest YOLO 11's work
    (folder / "yolo11n.yaml").write_text(yaml.safe_dump(drawing))
    model: Any = YOLO(folder / "yolo11n.yaml")
    model.train(
        data=str(data),
        imgsz=TILE_PX,
        epochs=EPOCHS,
        batch=8,
        nbs=8,
        optimizer="AdamW",
        lr0=0.005,
        lrf=0.05,
        cos_lr=True,
        warmup_epochs=0.5,
        mosaic=0,
        fliplr=0,
        hsv_h=0,
        hsv_s=0.1,
        hsv_v=0.1,
        scale=0.1,
        translate=0.1,
        device="cpu",
        workers=0,
        seed=1,
        amp=False,
        val=False,
        plots=False,
        verbose=False,
        project=str(folder),
        name="run",
    )
    return Path(model.trainer.last)
