"""The two scenes without a stadium: the crowd close-up, where no brand is to be seen, and the studio's end card."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.boards import Advert
from demo.drawing import Sprite, bgr, gradient, ink, lettering_of_cap, paste, rounded_mask, symbol
from demo.stadium import Shot
from demo.truth import Sighting
from gpu_service.pictures import Image

_SKINS = ("#f1c7a5", "#c68e63", "#8d5a3b", "#e5b894", "#5a3825")
_HAIRS = ("#2a1c14", "#15110f", "#a8793d", "#5b4632", "#8b8b8b")
_CLOTHES = ("#c8202f", "#a51a28", "#f0f0f0", "#c8202f", "#30343d", "#51617e")


class CrowdScene:
    """Supporters with scarves, row behind row, each row bobbing in its own time, under a slow pan."""

    ROWS = 5

    def __init__(self, size_px: tuple[int, int], rng: np.random.Generator, nominal_s: float) -> None:
        self._size_px, self._nominal_s = size_px, nominal_s
        width_px, height_px = size_px
        backdrop = gradient(width_px, height_px, bgr("#1b1f29"), bgr("#3a3036"))
        self._backdrop = backdrop
        self._rows = [self._row(row, rng) for row in range(self.ROWS)]

    def shot(self, share: float) -> Shot:
        width_px, height_px = self._size_px
        frame = self._backdrop.copy()
        for row, strip in enumerate(self._rows):
            bob = np.sin(2 * np.pi * (share * self._nominal_s * 1.1 + 0.27 * row))
            x = round(-0.05 * width_px - share * 0.09 * width_px * (0.6 + 0.1 * row))
            y = round(height_px * (-0.10 + 0.165 * row + 0.012 * bob))
            paste(frame, strip, x, y)
        return Shot(frame, np.zeros((height_px, width_px), np.uint8), [])

    def _row(self, row: int, rng: np.random.Generator) -> Sprite:
        width_px, height_px = self._size_px
        fan_px = height_px * (0.42 + 0.05 * row)
        strip = np.zeros((round(fan_px * 1.9), round(width_px * 1.25), 4), np.uint8)
        step_px = fan_px * 0.44
        for place in np.arange(-(row % 2) * step_px / 2, strip.shape[1] + step_px, step_px):
            _fan(strip, place + float(rng.uniform(-0.06, 0.06)) * fan_px, fan_px, rng)
        dim = 0.62 + 0.38 * row / (self.ROWS - 1)
        strip[..., :3] = (strip[..., :3] * dim).astype(np.uint8)
        blur_px = (self.ROWS - 1 - row) * height_px / 720 * 0.7
        return np.asarray(cv2.GaussianBlur(strip, (0, 0), blur_px), np.uint8) if blur_px else strip


def _fan(strip: Sprite, x_px: float, fan_px: float, rng: np.random.Generator) -> None:
    """Someone seen from the front, from the belt up; `fan_px` is a whole row's height."""

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x_px + x * fan_px), round((0.1 + y) * fan_px)

    def width(share: float) -> int:
        return max(round(share * fan_px), 1)

    def solid(code: str, shade: float = 1.0) -> tuple[int, int, int, int]:
        blue, green, red = bgr(code)
        return round(blue * shade), round(green * shade), round(red * shade), 255

    skin, hair = (str(rng.choice(codes)) for codes in (_SKINS, _HAIRS))
    cloth = str(rng.choice(_CLOTHES))
    tilt = float(rng.uniform(-0.02, 0.02))
    arms = rng.random() < 0.4
    cv2.ellipse(strip, at(0, 0.72), (width(0.19), width(0.34)), 0, 180, 360, solid(cloth), -1, cv2.LINE_AA)
    cv2.rectangle(strip, at(-0.19, 0.715), at(0.19, 1.9), solid(cloth), -1)
    cv2.line(strip, at(0, 0.36), at(tilt, 0.24), solid(skin, 0.85), width(0.09), cv2.LINE_AA)
    if arms:
        for side in (-1, 1):
            cv2.line(strip, at(side * 0.15, 0.5), at(side * 0.21, 0.24), solid(cloth, 0.9), width(0.075), cv2.LINE_AA)
            cv2.line(strip, at(side * 0.21, 0.24), at(side * 0.17, 0.04), solid(skin), width(0.055), cv2.LINE_AA)
    cv2.ellipse(strip, at(tilt, 0.19), (width(0.083), width(0.108)), 0, 0, 360, solid(hair), -1, cv2.LINE_AA)
    cv2.ellipse(strip, at(tilt, 0.21), (width(0.074), width(0.095)), 0, 0, 360, solid(skin), -1, cv2.LINE_AA)
    cv2.ellipse(strip, at(tilt, 0.145), (width(0.076), width(0.05)), 0, 180, 360, solid(hair), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.circle(strip, at(tilt + side * 0.028, 0.20), width(0.009), solid("#20160f"), -1, cv2.LINE_AA)
    mouth = (width(0.028), width(0.03 if arms else 0.014))
    cv2.ellipse(strip, at(tilt, 0.25), mouth, 0, 0, 180, solid("#5c1f1f"), -1, cv2.LINE_AA)
    if arms and rng.random() < 0.7:
        _scarf(strip, at(-0.21, 0.05), at(0.21, 0.05), width(0.075))
    elif rng.random() < 0.5:
        _scarf(strip, at(-0.1, 0.37), at(0.1, 0.37), width(0.06))


def _scarf(strip: Sprite, start: tuple[int, int], end: tuple[int, int], thick_px: int) -> None:
    """Red and white stripes between two points."""
    stripes = 9
    for stripe in range(stripes):
        colour = bgr("#c8202f") if stripe % 2 == 0 else bgr("#f4f4f4")
        left, right = (start[0] + (end[0] - start[0]) * (stripe + k) // stripes for k in (0, 1))
        cv2.rectangle(strip, (left, start[1] - thick_px // 2), (right, start[1] + thick_px // 2), (*colour, 255), -1)


class EndCardScene:
    """The studio's card: the result, and the partners on white tiles, under a slow zoom."""

    ZOOM = 1.05

    def __init__(self, size_px: tuple[int, int], tiles: tuple[Advert, ...], place: str = "end card") -> None:
        self._size_px, self._place = size_px, place
        self._unit = size_px[1] / 720
        self._canvas = self._background()
        self._marks: list[tuple[Advert, tuple[int, int, int, int], float]] = []
        self._title()
        for index, advert in enumerate(tiles):
            self._tile(advert, index, len(tiles))

    def shot(self, share: float) -> Shot:
        width_px, height_px = self._size_px
        zoom = 1 + (self.ZOOM - 1) * share
        moved = np.array([[zoom, 0, (1 - zoom) * width_px / 2], [0, zoom, (1 - zoom) * height_px / 2]])
        frame = cv2.warpAffine(self._canvas, moved, self._size_px, flags=cv2.INTER_LINEAR)
        sightings = [
            Sighting(advert.brand, advert.kind, self._place, _corners(box, moved), cap_px * zoom)
            for advert, box, cap_px in self._marks
            if advert.brand is not None
        ]
        return Shot(np.asarray(frame, np.uint8), np.zeros((height_px, width_px), np.uint8), sightings)

    def _px(self, length: float) -> int:
        return round(length * self._unit)

    def _background(self) -> Image:
        width_px, height_px = self._size_px
        picture = gradient(width_px, height_px, bgr("#0d1b33"), bgr("#1d3f6e"))
        beams = np.zeros((height_px, width_px), np.uint8)
        for left in (-0.1, 0.22, 0.5, 0.86):
            corners = np.array([[left, 1.0], [left + 0.28, 0.0], [left + 0.36, 0.0], [left + 0.14, 1.0]])
            cv2.fillConvexPoly(beams, np.round(corners * (width_px, height_px)).astype(np.int32), 46, cv2.LINE_AA)
        ink(picture, np.asarray(cv2.GaussianBlur(beams, (0, 0), 9 * self._unit), np.uint8), bgr("#7fb4ff"), 0, 0)
        return picture

    def _words(self, text: str, cap: float, middle_x: float, baseline: float, colour: str, weight: int) -> None:
        line = lettering_of_cap(text, cap * self._unit, weight=weight)
        x = round(middle_x * self._unit - line.mask.shape[1] / 2) + (self._size_px[0] - self._px(1280)) // 2
        ink(self._canvas, line.mask, bgr(colour), x, self._px(baseline) - line.baseline_px)

    def _title(self) -> None:
        self._words("FULL TIME", 30, 640, 122, "#9fc3f5", 500)
        self._words("NGA", 74, 372, 258, "#ffffff", 800)
        self._words("2 : 1", 74, 640, 258, "#ffd24a", 800)
        self._words("RVB", 74, 908, 258, "#ffffff", 800)
        self._words("Match partners", 20, 640, 352, "#9fc3f5", 400)

    def _tile(self, advert: Advert, index: int, count: int) -> None:
        gap_px, tile_w, tile_h = self._px(24), self._px(258), self._px(184)
        left = (self._size_px[0] - count * tile_w - (count - 1) * gap_px) // 2 + index * (tile_w + gap_px)
        top = self._px(400)
        mask = rounded_mask(tile_w, tile_h, self._px(18))
        soft = cv2.GaussianBlur(np.pad(mask, self._px(20)), (0, 0), 7 * self._unit)
        ink(self._canvas, (soft * 0.5).astype(np.uint8), (10, 6, 4), left - self._px(20), top - self._px(12))
        ink(self._canvas, mask, bgr(advert.paper), left, top)
        if advert.kind == "logo":
            assert advert.brand is not None
            sprite = symbol(advert.brand, self._px(150))
            x, y = left + (tile_w - sprite.shape[1]) // 2, top + (tile_h - sprite.shape[0]) // 2
            paste(self._canvas, sprite, x, y)
            self._marks.append((advert, (x, y, sprite.shape[1], sprite.shape[0]), float(sprite.shape[0])))
            return
        self._marks.append((advert, *self._lines(advert, left, top, tile_w, tile_h)))

    def _lines(
        self, advert: Advert, left: int, top: int, tile_w: int, tile_h: int
    ) -> tuple[tuple[int, int, int, int], float]:
        """Write the tile's lines; answers the ink's box and the smallest capitals' height."""
        drawn = []
        for text, cap, weight in zip(advert.lines, (40, 30), (advert.weight, 500), strict=False):
            line = lettering_of_cap(text, cap * self._unit, advert.font, weight)
            room_px = tile_w - self._px(40)
            if line.mask.shape[1] > room_px:
                line = lettering_of_cap(text, cap * self._unit * room_px / line.mask.shape[1], advert.font, weight)
            drawn.append(line)
        gap_px = self._px(24)
        baseline = top + (tile_h - sum(line.cap_px for line in drawn) - gap_px * (len(drawn) - 1)) // 2
        boxes = []
        for line in drawn:
            baseline += line.cap_px
            x, y = left + (tile_w - line.mask.shape[1]) // 2, baseline - line.baseline_px
            ink(self._canvas, line.mask, bgr(advert.ink), x, y)
            boxes.append((x, y, x + line.mask.shape[1], y + line.mask.shape[0]))
            baseline += gap_px
        x, y = min(box[0] for box in boxes), min(box[1] for box in boxes)
        box = (x, y, max(box[2] for box in boxes) - x, max(box[3] for box in boxes) - y)
        return box, float(min(line.cap_px for line in drawn))


def _corners(box: tuple[int, int, int, int], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, w, h = box
    corners = np.array([[x, y, 1], [x + w, y, 1], [x + w, y + h, 1], [x, y + h, 1]], np.float64)
    return np.asarray(corners @ moved.T)
