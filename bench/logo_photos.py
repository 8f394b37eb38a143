"""Photographs of logos, drawn: symbols printed, painted, embossed and bent in real surroundings, with exact truth.

    python -m bench.logo_photos --icons FOLDER --grounds FOLDER [--seed N]

Each brand has a look of its own (colours, plate, lettering) that varies from photograph to photograph. The references
are crops of other photographs of the same brand, five a brand, as in Flickr-Logos-27; the pictures looked through have
that data set's size. What is measured is recall and precision; the algorithm is in `gpu_service.routines.logos.match`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray

from bench.logos import Sample, Tally, frames_of, judge
from gpu_service.pictures import Image, decode
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.wire import Box, NoItem

PICTURE_PX = (500, 375)
MARK_PX = 320
KINDS = ("bare", "plate", "emblem", "lockup")


@dataclass(frozen=True)
class Look:
    """How a brand's logo usually looks: colours BGR, 0 to 255."""

    brand: str
    svg: bytes
    kind: str
    ink: tuple[float, float, float]
    ground: tuple[float, float, float]
    hershey: int


def looks(icons: Path, seed: int) -> list[Look]:
    rng = np.random.default_rng(seed)
    found = []
    for path in sorted(icons.glob("*.svg")):
        hue, other = rng.uniform(0, 180, 2)
        ink = _bgr(hue, rng.uniform(150, 255), rng.uniform(110, 230))
        ground = (245.0, 245.0, 245.0) if rng.random() < 0.5 else _bgr(other, rng.uniform(100, 255), 90)
        kind = KINDS[int(rng.integers(len(KINDS)))]
        font = int(rng.choice([cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX]))
        found.append(Look(path.stem, path.read_bytes(), kind, ink, ground, font))
    return found


def _bgr(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    b, g, r = (float(v) for v in np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR))[0, 0])
    return b, g, r


def _symbol(look: Look) -> NDArray[np.float32]:
    """Alpha (h, w) of the symbol, with its name beside it for a lockup."""
    png = bytes(resvg_py.svg_to_bytes(svg_string=look.svg.decode(), width=MARK_PX, skip_system_fonts=True))
    drawn: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    x, y, w, h = cv2.boundingRect((drawn[..., 3] > 127).astype(np.uint8))
    alpha = drawn[y : y + h, x : x + w, 3].astype(np.float32) / 255
    if look.kind != "lockup":
        return np.asarray(alpha, np.float32)
    (tw, th), base = cv2.getTextSize(look.brand, look.hershey, 3.0, 12)
    drawn_name = np.zeros((th + base + 20, tw + 20), np.uint8)
    cv2.putText(drawn_name, look.brand, (10, th + 10), look.hershey, 3.0, 255, 12, cv2.LINE_AA)
    name = np.asarray(drawn_name / np.float32(255), np.float32)
    side = 130
    small = cv2.resize(alpha, (round(w * side / h), side), interpolation=cv2.INTER_AREA)
    name = _resized(name, (round(name.shape[1] * 0.7 * side / name.shape[0]), round(0.7 * side)))
    both = np.zeros((side, small.shape[1] + 20 + name.shape[1]), np.float32)
    both[:, : small.shape[1]] = small
    top = (side - name.shape[0]) // 2
    both[top : top + name.shape[0], small.shape[1] + 20 :] = name
    return both


def _resized(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(plane, size), np.float32)


def _mark(look: Look, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (h, w, 3) and cover (h, w) of one printing of the logo."""
    symbol = _symbol(look)
    pad = round(0.25 * min(symbol.shape)) + 12
    symbol = np.pad(symbol, pad)
    h, w = symbol.shape
    ink, ground = np.array(look.ink, np.float32), np.array(look.ground, np.float32)
    ways = rng.random()
    if ways < 0.2:
        ink, ground = ground, ink
    elif ways < 0.35:
        light, dark = np.full(3, 245, np.float32), np.full(3, 25, np.float32)
        ink, ground = (light, dark) if rng.random() < 0.5 else (dark, light)
    ink, ground = ink + rng.normal(0, 10, 3).astype(np.float32), ground + rng.normal(0, 10, 3).astype(np.float32)
    plate = np.zeros_like(symbol)
    if look.kind == "emblem":
        cv2.ellipse(plate, (w // 2, h // 2), (w // 2 - 3, h // 2 - 3), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    elif look.kind == "plate":
        cv2.rectangle(plate, (4, 4), (w - 5, h - 5), 1.0, -1)
    colours: NDArray[Any] = np.broadcast_to(ground, (h, w, 3)).copy()
    if look.kind == "emblem":
        ring = np.zeros_like(symbol)
        cv2.ellipse(ring, (w // 2, h // 2), (w // 2 - 10, h // 2 - 10), 0, 0, 360, 1.0, 7, cv2.LINE_AA)
        colours = colours * (1 - ring[..., None]) + ink * ring[..., None]
        symbol = symbol * (cv2.erode(plate, np.ones((15, 15))) > 0.5)
    colours = colours * (1 - symbol[..., None]) + ink * symbol[..., None]
    if rng.random() < 0.35:
        # Embossed: lit from one side, dark on the other.
        soft = cv2.GaussianBlur(symbol, (0, 0), rng.uniform(1.5, 4))
        turn = rng.uniform(0, 2 * np.pi)
        slope = np.cos(turn) * cv2.Sobel(soft, cv2.CV_32F, 1, 0) + np.sin(turn) * cv2.Sobel(soft, cv2.CV_32F, 0, 1)
        colours = colours + rng.uniform(40, 130) * np.asarray(slope)[..., None]
    cover = np.maximum(plate, symbol)
    rows, columns = np.mgrid[0:h, 0:w] / np.float32(max(h, w))
    a, b = rng.uniform(-0.7, 0.7, 2)
    lit = (1 + a * (columns - columns.mean()) + b * (rows - rows.mean())) * rng.uniform(0.6, 1.1)
    grain = cv2.resize(rng.normal(0, 1, (h // 12 + 2, w // 12 + 2)).astype(np.float32), (w, h))
    colours = colours * lit[..., None] + rng.uniform(0, 9) * np.asarray(grain)[..., None]
    if rng.random() < 0.3:
        at = rng.uniform(0.2, 0.8, 2) * (w, h)
        shine = np.exp(
            -(((columns * max(h, w) - at[0]) ** 2 + (rows * max(h, w) - at[1]) ** 2) / (0.18 * max(w, h)) ** 2)
        )
        colours = colours + rng.uniform(40, 140) * shine[..., None]
    if rng.random() < 0.35:
        # Bent around a cylinder, seen from the front or a little from the side.
        arc, away = rng.uniform(0.5, 1.1), rng.uniform(-0.3, 0.3)
        low, high = np.sin(away - arc), np.sin(away + arc)
        angle = np.arcsin(np.linspace(low, high, w)) - away
        from_x = ((angle / arc + 1) / 2 * (w - 1)).astype(np.float32)
        bow = (0.06 * h * rng.uniform(-1, 1) * (1 - (angle / arc) ** 2)).astype(np.float32)
        map_x = np.tile(from_x, (h, 1))
        map_y = np.arange(h, dtype=np.float32)[:, None] + bow[None]
        colours = np.asarray(
            cv2.remap(colours.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
        cover = np.asarray(cv2.remap(cover, map_x, map_y, cv2.INTER_LINEAR))
    return colours.astype(np.float32), cover.astype(np.float32)


def ground_of(pictures: Sequence[Image], rng: np.random.Generator) -> Image:
    """A piece of a picture at `PICTURE_PX`."""
    picture = pictures[int(rng.integers(len(pictures)))]
    height, width = picture.shape[:2]
    share = rng.uniform(0.55, 1.0)
    w = int(min(width, height * PICTURE_PX[0] / PICTURE_PX[1]) * share)
    h = int(w * PICTURE_PX[1] / PICTURE_PX[0])
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    piece = cv2.resize(picture[y : y + h, x : x + w], PICTURE_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(piece[:, ::-1] if rng.random() < 0.5 else piece, np.uint8)


def photograph(look: Look, pictures: Sequence[Image], long_px: float, rng: np.random.Generator) -> tuple[Image, Box]:
    """The logo somewhere in a picture, and the box around it."""
    colours, cover = _mark(look, rng)
    h, w = cover.shape
    scale = long_px / max(h, w)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    tilt = 0.13 * rng.uniform(-1, 1, (4, 2)) * rng.random()
    turn = np.radians(rng.normal(0, 8))
    c, s = np.cos(turn), np.sin(turn)
    moved = (corners + tilt * (w, h) - (w / 2, h / 2)) * scale @ np.array([[c, s], [-s, c]])
    room = np.array(PICTURE_PX) - np.ptp(moved, axis=0)
    moved = moved - moved.min(axis=0) + rng.uniform(0, 1, 2) * np.maximum(room, 0)
    place = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    soft = max(0.01, 0.42 / scale)
    warp = [cv2.warpPerspective(cv2.GaussianBlur(a, (0, 0), soft), place, PICTURE_PX) for a in (colours, cover)]
    ink, alpha = np.asarray(warp[0], np.float32), np.asarray(warp[1], np.float32)
    ground: NDArray[Any] = ground_of(pictures, rng).astype(np.float32)
    if look.kind in ("bare", "lockup"):
        # On a wall, a car, a shirt: what is behind is mostly plain, and stands out from the ink.
        x, y, bw, bh = cv2.boundingRect((alpha > 0.4).astype(np.uint8))
        if rng.random() < 0.75:
            inside = np.median(ink[alpha > 0.6], axis=0) if (alpha > 0.6).any() else np.zeros(3)
            wall = rng.uniform(20, 235, 3) * 0.3 + rng.uniform(20, 235) * 0.7
            if np.abs(wall - inside).mean() <= 60:
                wall = np.where(inside > 128, wall * 0.25, 255 - wall * 0.2)
            sheet: NDArray[Any] = np.zeros(alpha.shape, np.float32)
            m = 0.35 * long_px
            cv2.ellipse(sheet, (x + bw // 2, y + bh // 2), (int(bw * 0.7 + m), int(bh * 0.7 + m)), 0, 0, 360, 1.0, -1)
            sheet = np.asarray(cv2.GaussianBlur(sheet, (0, 0), 6))[..., None]
            ground = ground * (1 - sheet) + (0.2 * ground + 0.8 * wall) * sheet
    image = _taken(ground * (1 - alpha[..., None]) + ink * alpha[..., None], rng)
    x, y, bw, bh = cv2.boundingRect((alpha > 0.4).astype(np.uint8))
    return image, Box(x=x, y=y, w=bw, h=bh)


def _taken(scene: NDArray[Any], rng: np.random.Generator) -> Image:
    """Blur, exposure, noise and compression of a camera."""
    soft = np.asarray(cv2.GaussianBlur(scene.astype(np.float32), (0, 0), rng.uniform(0.3, 1.3)))
    exposed: NDArray[Any] = 255 * (soft.clip(0, 255) / 255) ** rng.uniform(0.75, 1.35)
    noisy = exposed + rng.normal(0, rng.uniform(1, 6), scene.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 92))]
    encoded = cv2.imencode(".jpg", noisy.clip(0, 255).astype(np.uint8), quality)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def references_of(
    known: Sequence[Look], pictures: Sequence[Image], a_brand: int, rng: np.random.Generator
) -> list[Reference]:
    """Crops, as a person would cut them: a little wide or narrow."""
    found = []
    for look in known:
        for k in range(a_brand):
            image, box = photograph(look, pictures, rng.uniform(70, 190), rng)
            x0, y0, x1, y1 = np.array([box.x, box.y, box.x + box.w, box.y + box.h]) + rng.normal(
                0.0, 0.03, 4
            ) * np.array([box.w, box.h, box.w, box.h])
            crop = image[max(0, int(y0)) : int(y1), max(0, int(x0)) : int(x1)]
            found.append(Reference(look.brand, f"{look.brand}{k}.png", cv2.imencode(".png", crop)[1].tobytes()))
    return found


def samples(
    known: Sequence[Look], pictures: Sequence[Image], a_brand: int, bare: int, rng: np.random.Generator
) -> Iterator[Sample]:
    """`a_brand` photographs of each brand, and `bare` without any."""
    for look in known:
        for _ in range(a_brand):
            long_px = float(np.exp(rng.uniform(np.log(45), np.log(230))))
            image, box = photograph(look, pictures, long_px, rng)
            yield Sample(image, look.brand, box, round(long_px), look.kind)
    for _ in range(bare):
        yield Sample(_taken(ground_of(pictures, rng), rng), None, None, 0, "none")


def measured(references: Sequence[Reference], looked_through: Sequence[Sample]) -> dict[str, object]:
    """Recall and precision at the default threshold, over all and by the kind of mark."""
    by_kind: dict[str, Tally] = {}
    for sample in looked_through:
        [answer] = DETECT.run(Batch([sample.image], [NoItem()], DetectSettings(), references))
        judge(sample, answer.objects, by_kind.setdefault(sample.damage, Tally()))
    truths, found = sum(t.truths for t in by_kind.values()), sum(t.found for t in by_kind.values())
    false = sum(t.false for t in by_kind.values())
    return {
        "recall": round(found / max(1, truths), 4),
        "precision": round(found / max(1, found + false), 4),
        "logos": truths,
        "false_alarms": false,
        "recall_by_kind": {kind: round(t.found / t.truths, 3) for kind, t in sorted(by_kind.items()) if t.truths},
        "false_by_kind": {kind: t.false for kind, t in sorted(by_kind.items())},
    }


PLAIN_PRECISION = 0.91
"""What a plain matcher on Flickr-Logos-27 reaches its recall of 0.43 at."""


def root_sift(image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Key points, shape (N, 2), and RootSIFT descriptors (Arandjelovic and Zisserman 2012), shape (N, 128)."""
    points, described = cv2.SIFT.create().detectAndCompute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None)
    if described is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    rooted = np.sqrt(described / np.maximum(described.sum(axis=1, keepdims=True), 1e-7))
    return np.array([point.pt for point in points], np.float32), rooted.astype(np.float32)


def plain(references: Sequence[Reference], looked_through: Sequence[Sample]) -> dict[str, object]:
    """A plain matcher: RootSIFT, nearest neighbours by the ratio test, a homography by RANSAC, inliers as the score.

    A brand counts as found wherever in the picture. Gives the best recall at a precision of at least PLAIN_PRECISION.
    """
    drawn = [(one.brand, root_sift(decode(one.encoded))) for one in references]
    matcher = cv2.BFMatcher()
    scores: list[tuple[int, bool]] = []
    for sample in looked_through:
        points, described = root_sift(sample.image)
        best: dict[str, int] = {}
        for brand, (of_reference, wanted) in drawn:
            pairs = matcher.knnMatch(wanted, described, k=2) if min(len(wanted), len(described)) >= 4 else ()
            good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance]
            if len(good) < 4:
                continue
            here = of_reference[[match.queryIdx for match in good]]
            there = points[[match.trainIdx for match in good]]
            _, inliers = cv2.findHomography(here, there, cv2.RANSAC, 5.0)
            if inliers is not None:
                best[brand] = max(best.get(brand, 0), int(inliers.sum()))
        scores += [(count, brand == sample.brand) for brand, count in best.items()]
    truths = sum(sample.brand is not None for sample in looked_through)
    recall, precision = 0.0, 1.0
    for least in sorted({count for count, _ in scores}):
        taken = [right for count, right in scores if count >= least]
        if sum(taken) / len(taken) >= PLAIN_PRECISION and sum(taken) / truths > recall:
            recall, precision = sum(taken) / truths, sum(taken) / len(taken)
    return {"recall": round(recall, 4), "precision": round(precision, 4)}


def pictures_of(folder: Path) -> list[Image]:
    """Pictures and frames of videos below a folder; grounds to draw on."""
    found: list[Image] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".png", ".jpg"):
            found.append(np.asarray(cv2.imread(str(path)), np.uint8))
        elif path.suffix == ".mp4":
            found += frames_of(path, 6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icons", type=Path, required=True, help="folder of one-colour SVG symbols, one a brand")
    parser.add_argument("--grounds", type=Path, required=True, help="folder of photographs and videos to draw on")
    parser.add_argument("--a-brand", type=int, default=4, help="photographs of each brand")
    parser.add_argument("--seed", type=int, default=30)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    known, pictures = looks(given.icons, given.seed), pictures_of(given.grounds)
    references = references_of(known, pictures, 5, rng)
    looked_through = list(samples(known, pictures, given.a_brand, len(known), rng))
    print(json.dumps(measured(references, looked_through) | {"plain_matcher": plain(references, looked_through)}))


if __name__ == "__main__":
    main()
