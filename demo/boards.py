"""Perimeter boards: what an advert looks like, which advert a board shows when, and where its mark then is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.camera import Camera
from demo.drawing import bgr, gradient, ink, lettering, lettering_of_cap, paste, symbol
from demo.truth import Corners, Kind, Sighting
from gpu_service.pictures import Image

HEIGHT_M = 1.1
LINE_Y_M = 37.0


@dataclass(frozen=True)
class Advert:
    """One picture on a board.

    Attributes:
        lines: one or two lines of text; none for a symbol alone.
        brand: whose mark it is; None where the words are nobody's.
        kind: what the mark is.
    """

    lines: tuple[str, ...]
    brand: str | None
    paper: str
    ink: str
    accent: str
    font: Literal["sans", "italic"] = "sans"
    weight: int = 700
    kind: Kind = "text"


Casting: TypeAlias = Callable[[Advert], Advert]
"""What stands in an advert's place; see `demo.recast`."""


@dataclass(frozen=True)
class Panel:
    """An advert drawn for a board.

    Attributes:
        picture: the board's face.
        mark: x, y, w, h of the ink, in the face's pixels.
        cap_px: height of the capitals of its smallest line (a symbol's own height), in the face's pixels.
    """

    picture: Image
    mark: tuple[int, int, int, int]
    cap_px: float


@cache
def panel(advert: Advert, width_px: int, height_px: int) -> Panel:
    """Draw the advert. The answer is shared: do not write to it."""
    paper = bgr(advert.paper)
    darker = (round(paper[0] * 0.78), round(paper[1] * 0.78), round(paper[2] * 0.78))
    picture = gradient(width_px, height_px, paper, darker)
    _accents(picture, bgr(advert.accent))
    if advert.kind == "logo":
        assert advert.brand is not None
        sprite = symbol(advert.brand, round(height_px * 0.86))
        x, y = (width_px - sprite.shape[1]) // 2, (height_px - sprite.shape[0]) // 2
        paste(picture, sprite, x, y)
        return Panel(picture, (x, y, sprite.shape[1], sprite.shape[0]), sprite.shape[0])
    return _written(advert, picture)


def _accents(picture: Image, colour: tuple[int, int, int]) -> None:
    """A slanted stripe at either end and a thin frame."""
    height_px, width_px = picture.shape[:2]
    step = height_px / 5
    for left in (0.0, width_px - 1.6 * step):
        corners = np.array(
            [[left, height_px], [left + step, 0], [left + 1.6 * step, 0], [left + 0.6 * step, height_px]]
        )
        cv2.fillConvexPoly(picture, np.round(corners * 16).astype(np.int32), colour, cv2.LINE_AA, 4)
    edge_px = max(height_px // 40, 1)
    cv2.rectangle(picture, (0, 0), (width_px - 1, height_px - 1), (24, 22, 20), edge_px)


def _written(advert: Advert, picture: Image) -> Panel:
    height_px, width_px = picture.shape[:2]
    caps = (0.56,) if len(advert.lines) == 1 else (0.34, 0.27)
    weights = (advert.weight, max(advert.weight - 200, 400))
    room_px = width_px - 0.62 * height_px
    drawn = []
    for text, cap, weight in zip(advert.lines, caps, weights, strict=False):
        line = lettering_of_cap(text, cap * height_px, advert.font, weight)
        if line.mask.shape[1] > room_px:
            line = lettering_of_cap(text, cap * height_px * room_px / line.mask.shape[1], advert.font, weight)
        drawn.append(line)
    gap_px = 0.16 * height_px
    baseline = (height_px - sum(line.cap_px for line in drawn) - gap_px * (len(drawn) - 1)) / 2
    boxes = []
    for line in drawn:
        baseline += line.cap_px
        x, y = round((width_px - line.mask.shape[1]) / 2), round(baseline) - line.baseline_px
        ink(picture, line.mask, bgr(advert.ink), x, y)
        boxes.append((x, y, x + line.mask.shape[1], y + line.mask.shape[0]))
        baseline += gap_px
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    return Panel(picture, (left, top, right - left, bottom - top), min(line.cap_px for line in drawn))


@dataclass(frozen=True)
class Board:
    """A board on the far touchline, from x = `left_m`; its advert changes at shares of the scene.

    Attributes:
        adverts: (from which share of the scene on, what it shows), ascending, the first from 0.
    """

    left_m: float
    width_m: float
    adverts: tuple[tuple[float, Advert], ...]

    def showing(self, share: float) -> Advert:
        return [advert for since, advert in self.adverts if since <= share][-1]

    def corners_m(self) -> NDArray[np.float64]:
        """World points (4, 3), clockwise from top left."""
        right_m = self.left_m + self.width_m
        return np.array(
            [
                [self.left_m, LINE_Y_M, HEIGHT_M],
                [right_m, LINE_Y_M, HEIGHT_M],
                [right_m, LINE_Y_M, 0.0],
                [self.left_m, LINE_Y_M, 0.0],
            ]
        )

    def panel(self, share: float, px_per_m: float) -> Panel:
        return panel(self.showing(share), round(self.width_m * px_per_m), round(HEIGHT_M * px_per_m))

    def draw(self, canvas: Image, camera: Camera, share: float, px_per_m: float) -> None:
        """Put the board's face into a picture taken by the camera."""
        face = self.panel(share, px_per_m).picture
        height_px, width_px = face.shape[:2]
        target = camera.project(self.corners_m())
        x, y = np.floor(target.min(axis=0)).astype(int) - 1
        size = tuple((np.ceil(target.max(axis=0)).astype(int) + 2 - (x, y)).tolist())
        source = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
        place = cv2.getPerspectiveTransform(source, (target - (x, y)).astype(np.float32))
        solid = np.full((height_px, width_px, 4), 255, np.uint8)
        solid[..., :3] = face
        paste(canvas, np.asarray(cv2.warpPerspective(solid, place, size), np.uint8), int(x), int(y))

    def sighting(self, camera: Camera, share: float, px_per_m: float) -> Sighting | None:
        """The mark that the board shows, as the camera sees it; None where it shows nobody's, or from behind."""
        advert = self.showing(share)
        if advert.brand is None or any(camera.depth_m(tuple(corner)) < 1 for corner in self.corners_m().tolist()):
            return None
        face = self.panel(share, px_per_m)
        x, y, w, h = face.mark
        across = self.left_m + np.array([x, x + w, x + w, x]) / px_per_m
        up = HEIGHT_M - np.array([y, y, y + h, y + h]) / px_per_m
        corners = camera.project(np.stack([across, np.full(4, LINE_Y_M), up], axis=-1))
        cap_px = _height_px(corners) * face.cap_px / h
        return Sighting(advert.brand, advert.kind, "perimeter board", corners, cap_px, mark=f"{self.left_m:.1f} m")


def _height_px(corners: Corners) -> float:
    return float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2


def row_of_boards(
    left_m: float, faces: Sequence[tuple[float, tuple[tuple[float, Advert], ...]]], cast: Casting
) -> tuple[Board, ...]:
    """Boards side by side, each given by its width in metres and its adverts; those that `cast` puts in their place."""
    boards = []
    for width_m, adverts in faces:
        boards.append(Board(left_m, width_m, tuple((since, cast(advert)) for since, advert in adverts)))
        left_m += width_m
    return tuple(boards)


def fascia(canvas: Image, camera: Camera, text: str, left_m: float, y_m: float, z_m: float, cap_m: float) -> None:
    """Write words on a wall that faces the pitch; they are nobody's mark."""
    line = lettering(text, 64, weight=600)
    scale = cap_m / line.cap_px
    right_m, low_m = left_m + line.mask.shape[1] * scale, z_m - line.mask.shape[0] * scale
    target = camera.project(
        np.array([[left_m, y_m, z_m], [right_m, y_m, z_m], [right_m, y_m, low_m], [left_m, y_m, low_m]])
    )
    height_px, width_px = line.mask.shape
    source = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
    place = cv2.getPerspectiveTransform(source, target.astype(np.float32))
    mask = cv2.warpPerspective(line.mask, place, (canvas.shape[1], canvas.shape[0]), flags=cv2.INTER_AREA)
    ink(canvas, np.asarray(mask, np.uint8), bgr("#e9edf2"), 0, 0)
