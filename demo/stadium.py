"""The stadium seen from one place: a wide canvas drawn once, and frames cut out of it as the camera turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.boards import LINE_Y_M, Board, fascia
from demo.camera import Camera
from demo.drawing import Mask, bgr
from demo.players import Player, draw_players
from demo.truth import Sighting
from gpu_service.pictures import Image

_LENGTH_M, _WIDTH_M = 105.0, 68.0
_LINE_M = 0.14
_STRIPE_M = 5.5


@dataclass(frozen=True)
class Shot:
    """One frame of a scene: pixels, what stands before the marks, and the marks."""

    picture: Image
    cover: Mask
    sightings: list[Sighting]


class StadiumScene:
    """A camera that turns and zooms over the pitch, players and boards.

    Args:
        canvas: the camera of the big picture; it stands where `path` stands.
        path: the camera at a share of the scene, 0 to 1.
        boards: left to right.
        nominal_s: what the players' clock shows at the end of the scene, however long the scene is.
    """

    def __init__(
        self,
        canvas: Camera,
        path: Callable[[float], Camera],
        boards: Sequence[Board],
        players: Sequence[Player],
        nominal_s: float,
        rng: np.random.Generator,
        blur_px: float,
    ) -> None:
        self._camera, self._path, self._boards, self._players = canvas, path, boards, players
        self._nominal_s = nominal_s
        depth_m = canvas.depth_m((canvas.position[0], LINE_Y_M, 0.5))
        self._px_per_m = 1.25 * canvas.focal_px / depth_m
        self._canvas = _empty_stadium(canvas, rng, blur_px)
        self._showing: dict[Board, object] = {}

    def shot(self, share: float) -> Shot:
        """The frame at a share of the scene, 0 to 1."""
        for board in self._boards:
            if self._showing.get(board) != board.showing(share):
                board.draw(self._canvas, self._camera, share, self._px_per_m)
                self._showing[board] = board.showing(share)
        camera = self._path(share)
        picture = cv2.warpPerspective(
            self._canvas, camera.from_other(self._camera), camera.size_px, flags=cv2.INTER_LINEAR
        )
        frame = np.asarray(picture, np.uint8)
        cover = np.zeros(frame.shape[:2], np.uint8)
        draw_players(frame, cover, camera, self._players, share * self._nominal_s)
        found = [board.sighting(camera, share, self._px_per_m) for board in self._boards]
        return Shot(frame, cover, [sighting for sighting in found if sighting is not None])


def _empty_stadium(camera: Camera, rng: np.random.Generator, blur_px: float) -> Image:
    """Stands, crowd and pitch; no boards yet."""
    canvas = np.empty((camera.size_px[1], camera.size_px[0], 3), np.uint8)
    canvas[:] = bgr("#23262e")
    _stand(canvas, camera, rng, first_m=47.0, rows=6, z_m=5.0)
    _stand(canvas, camera, rng, first_m=39.0, rows=8, z_m=1.3)
    _wall(canvas, camera, 46.2, 5.05, 3.55, "#1c2a44")
    _wall(canvas, camera, 46.2, 3.67, 3.55, "#c8202f")
    canvas[:] = cv2.GaussianBlur(canvas, (0, 0), blur_px)
    fascia(canvas, camera, "ZARNFIELD STAND", -12.0, 46.2, 4.65, 0.72)
    grass, mask = _pitch(camera, rng)
    canvas[mask] = grass[mask]
    _lines(canvas, camera)
    return canvas


def _stand(canvas: Image, camera: Camera, rng: np.random.Generator, first_m: float, rows: int, z_m: float) -> None:
    """People in rows, far rows first: a body and a head each."""
    shirts = [
        bgr(code) for code in ("#c8202f", "#a51a28", "#e8e8ea", "#30343d", "#51617e", "#c8202f", "#d9b48a", "#3c4a3e")
    ]
    skins = [bgr(code) for code in ("#e5b894", "#c68e63", "#8d5a3b", "#f1c7a5")]
    for row in reversed(range(rows)):
        y_m, seat_m = first_m + 0.85 * row, z_m + 0.42 * row
        x_m = np.arange(-75.0, 75.0, 0.55)
        x_m += rng.uniform(-0.12, 0.12, x_m.size)
        heads = camera.project(
            np.stack([x_m, np.full_like(x_m, y_m), seat_m + rng.uniform(0.75, 0.95, x_m.size)], axis=-1)
        )
        radius_px = 0.125 * camera.focal_px / camera.depth_m((camera.position[0], y_m, seat_m))
        picks = rng.integers(0, 1000, (x_m.size, 2))
        for (x, y), (shirt, skin) in zip(heads.tolist(), picks.tolist(), strict=True):
            if not (-50 < x < canvas.shape[1] + 50 and -50 < y < canvas.shape[0] + 50):
                continue
            centre = (round(x * 8), round(y * 8))
            body = (centre[0], centre[1] + round(3.4 * radius_px * 8))
            axes = (round(1.9 * radius_px * 8), round(2.6 * radius_px * 8))
            cv2.ellipse(canvas, body, axes, 0, 0, 360, shirts[shirt % len(shirts)], -1, cv2.LINE_AA, 3)
            cv2.circle(canvas, centre, round(radius_px * 8), skins[skin % len(skins)], -1, cv2.LINE_AA, 3)
    _wall(canvas, camera, first_m - 0.8, z_m, 0.0, "#2b2f38")


def _wall(canvas: Image, camera: Camera, y_m: float, top_m: float, bottom_m: float, colour: str) -> None:
    left_m, right_m = camera.position[0] - 60, camera.position[0] + 60
    corners = [[left_m, y_m, top_m], [right_m, y_m, top_m], [right_m, y_m, bottom_m], [left_m, y_m, bottom_m]]
    target = camera.project(np.array(corners))
    cv2.fillConvexPoly(canvas, np.round(target * 16).astype(np.int32), bgr(colour), cv2.LINE_AA, 4)


def _pitch(camera: Camera, rng: np.random.Generator) -> tuple[Image, NDArray[np.bool_]]:
    """Grass with mowing stripes, and where it is to be seen."""
    x_m, y_m = camera.ground()
    mask = y_m < LINE_Y_M + 1.2
    stripe = np.floor(np.where(mask, x_m, 0) / _STRIPE_M) % 2
    height_px, width_px = mask.shape
    fine = rng.normal(0, 5.0, (height_px, width_px)).astype(np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), sigmaX=1.4, sigmaY=0.7) * 1.6
    patches = rng.normal(0, 1.0, (height_px // 40 + 2, width_px // 120 + 2)).astype(np.float32)
    patches = cv2.resize(patches, (width_px, height_px), interpolation=cv2.INTER_CUBIC) * 3.0
    light = (stripe * 13 + fine + patches).astype(np.float32)
    apron = y_m > _WIDTH_M / 2 + 1.6
    colour = np.where(apron[..., None], np.asarray(bgr("#2f6b3a"), np.float32), np.asarray(bgr("#3f8f3c"), np.float32))
    grass = colour + light[..., None] * np.array([0.55, 1.0, 0.75], np.float32)
    return np.clip(grass, 0, 255).astype(np.uint8), mask


def _lines(canvas: Image, camera: Camera) -> None:
    half_x, half_y = _LENGTH_M / 2, _WIDTH_M / 2
    straight = [((-half_x, half_y), (half_x, half_y)), ((0.0, -half_y), (0.0, half_y))]
    for side in (-1, 1):
        straight.append(((side * half_x, -half_y), (side * half_x, half_y)))
        for depth_m, width_m in ((16.5, 20.16), (5.5, 9.16)):
            inner = side * (half_x - depth_m)
            straight += [
                ((inner, -width_m), (inner, width_m)),
                ((inner, width_m), (side * half_x, width_m)),
                ((inner, -width_m), (side * half_x, -width_m)),
            ]
    for start, end in straight:
        steps = np.linspace(0, 1, 40)[:, None]
        _stroke(canvas, camera, np.asarray(start) * (1 - steps) + np.asarray(end) * steps)
    turn = np.linspace(0, 2 * np.pi, 121)
    _stroke(canvas, camera, 9.15 * np.stack([np.cos(turn), np.sin(turn)], axis=-1))


def _stroke(canvas: Image, camera: Camera, points_m: NDArray[np.float64]) -> None:
    """A white line on the ground through the points (N, 2), as broad as perspective has it."""
    along = np.gradient(points_m, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    across *= _LINE_M / 2 / np.linalg.norm(across, axis=1, keepdims=True)
    for here in range(len(points_m) - 1):
        near = points_m[[here, here + 1, here + 1, here]] + np.stack(
            [across[here], across[here + 1], -across[here + 1], -across[here]]
        )
        corners = np.column_stack([near, np.zeros(4)])
        if any(camera.depth_m(tuple(corner)) < 3 for corner in corners.tolist()):
            continue
        target = camera.project(corners)
        if (target.max(axis=0) < 0).any() or (target.min(axis=0) > camera.size_px).any():
            continue
        cv2.fillConvexPoly(canvas, np.round(target * 16).astype(np.int32), bgr("#eef3ea"), cv2.LINE_AA, 4)
