"""Players: how they look, how they run, and how they are drawn into a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.camera import Camera
from demo.drawing import Colour, Mask, Sprite, bgr, ink, paste
from gpu_service.pictures import Image

HEIGHT_M = 1.85
STRIDE_M = 3.2
PHASES = 16
_SPRITE_PX = 360
_Point: TypeAlias = NDArray[np.float64]
_SKINS = (bgr("#f1c7a5"), bgr("#8d5a3b"), bgr("#c68e63"), bgr("#5a3825"))
_HAIRS = (bgr("#2a1c14"), bgr("#15110f"), bgr("#a8793d"), bgr("#3b2a20"))


@dataclass(frozen=True)
class Kit:
    shirt: str
    trim: str
    shorts: str
    socks: str


NORTHGATE = Kit("#c8202f", "#ffffff", "#ffffff", "#c8202f")
RIVERBANK = Kit("#7fc4ec", "#16305c", "#16305c", "#7fc4ec")
REFEREE = Kit("#26282d", "#e7d63c", "#1b1c20", "#1b1c20")


@dataclass(frozen=True)
class Player:
    """Someone who runs in a straight line with a sway.

    Attributes:
        start: x, y on the pitch in metres at second 0 of the scene.
        speed: metres a second along x and y.
        sway_m: how far the run swings to the side; its period is `sway_s`.
    """

    kit: Kit
    look: int
    start: tuple[float, float]
    speed: tuple[float, float]
    sway_m: float = 0.6
    sway_s: float = 5.0

    def at(self, seconds: float) -> tuple[float, float]:
        swing = self.sway_m * np.sin(2 * np.pi * seconds / self.sway_s + self.look)
        return self.start[0] + self.speed[0] * seconds + swing, self.start[1] + self.speed[1] * seconds + 0.4 * swing

    def phase(self, seconds: float) -> int:
        pace = float(np.hypot(*self.speed))
        return int((pace * seconds / STRIDE_M + 0.37 * self.look) * PHASES) % PHASES

    @property
    def effort(self) -> int:
        """0 standing, 1 jogging, 2 running."""
        pace = float(np.hypot(*self.speed))
        return 0 if pace < 0.6 else 1 if pace < 2.6 else 2


def draw_players(picture: Image, cover: Mask, camera: Camera, players: Sequence[Player], seconds: float) -> None:
    """Draw them far to near, with their shadows, and note what they hide in `cover`."""
    placed = [(camera.depth_m((*player.at(seconds), 0.0)), player) for player in players]
    for depth_m, player in sorted(placed, key=lambda pair: -pair[0]):
        if depth_m < 2:
            continue
        x, y = player.at(seconds)
        (foot_x, foot_y), (_, head_y) = camera.project(np.array([[x, y, 0.0], [x, y, HEIGHT_M]]))
        height_px = max(round(foot_y - head_y), 6)
        if not -height_px < foot_x < picture.shape[1] + height_px:
            continue
        sprite = _scaled(player.kit, player.look, player.effort, player.phase(seconds), player.speed[0] < 0, height_px)
        shadow = _shadow(height_px)
        ink(picture, shadow, (12, 30, 14), round(foot_x - shadow.shape[1] * 0.4), round(foot_y - shadow.shape[0] * 0.6))
        paste(picture, sprite, round(foot_x - sprite.shape[1] / 2), round(foot_y) - sprite.shape[0], cover)


@cache
def _shadow(height_px: int) -> Mask:
    wide = np.zeros((60, 200), np.uint8)
    cv2.ellipse(wide, (100, 30), (72, 14), 0, 0, 360, 120, -1)
    soft = cv2.GaussianBlur(wide, (0, 0), 7)
    size = (max(height_px * 3 // 4, 4), max(height_px // 6, 2))
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _scaled(kit: Kit, look: int, effort: int, phase: int, left: bool, height_px: int) -> Sprite:
    full = _figure(kit, look % 4, effort, phase)
    shrunk = cv2.resize(
        full[:, ::-1] if left else full,
        (max(round(height_px * full.shape[1] / full.shape[0]), 3), height_px),
        interpolation=cv2.INTER_AREA if height_px < full.shape[0] else cv2.INTER_LINEAR,
    )
    return np.asarray(shrunk, np.uint8)


@cache
def _figure(kit: Kit, look: int, effort: int, phase: int) -> Sprite:
    """One player running to the right, `_SPRITE_PX` high, drawn twice as large and shrunk."""
    return _Figure(kit, look, effort, phase).drawn()


def _by(x: float, y: float) -> _Point:
    return np.array([x, y], np.float64)


class _Figure:
    """Limbs are thick lines with round ends; lengths are shares of the body's height, y upwards from the ground."""

    def __init__(self, kit: Kit, look: int, effort: int, phase: int) -> None:
        self._kit = kit
        self._skin, self._hair = _SKINS[look], _HAIRS[look]
        self._swing = (0.08, 0.42, 0.75)[effort]
        self._lean = (0.0, 0.03, 0.07)[effort]
        self._angle = 2 * np.pi * phase / PHASES
        self._unit = 2 * _SPRITE_PX
        self._paper: NDArray[np.uint8] = np.zeros((self._unit, int(self._unit * 0.9), 4), np.uint8)

    def drawn(self) -> Sprite:
        bob = 0.012 * np.cos(2 * self._angle) * self._swing
        hip = np.array([0.0, 0.49 + bob])
        chest = hip + _by(self._lean, 0.29)
        self._arm(chest + _by(0.0, 0.0), self._angle, shade=0.75)
        self._leg(hip, self._angle + np.pi, shade=0.78)
        self._leg(hip, self._angle, shade=1.0)
        self._body(hip, chest)
        self._arm(chest, self._angle + np.pi, shade=1.0)
        size = (self._paper.shape[1] // 2, self._paper.shape[0] // 2)
        figure = np.asarray(cv2.resize(self._paper, size, interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.multiply(figure, _light(*figure.shape[:2]), scale=1 / 255), np.uint8)

    def _leg(self, hip: _Point, angle: float, shade: float) -> None:
        forward = self._swing * np.sin(angle)
        bend = self._swing * (0.25 + 0.95 * max(np.cos(angle), 0.0))
        knee = hip + 0.245 * np.array([np.sin(forward), -np.cos(forward)])
        ankle = knee + 0.205 * np.array([np.sin(forward - bend), -np.cos(forward - bend)])
        toe = ankle + 0.075 * np.array([np.cos(forward - bend) * 0.95, np.sin(forward - bend) - 0.15])
        self._line([hip, knee], 0.075, self._skin, shade)
        self._line([knee, ankle], 0.058, bgr(self._kit.socks), shade)
        self._line([ankle, toe], 0.044, bgr("#191919"), shade)
        self._line([hip, hip + 0.68 * (knee - hip)], 0.094, bgr(self._kit.shorts), shade)

    def _arm(self, chest: _Point, angle: float, shade: float) -> None:
        back = 1.1 * self._swing * np.sin(angle)
        shoulder = chest + _by(0.0, -0.01)
        elbow = shoulder + 0.15 * np.array([np.sin(back), -np.cos(back)])
        fore = back + 0.25 + 1.2 * self._swing
        hand = elbow + 0.13 * np.array([np.sin(fore), -np.cos(fore)])
        self._line([elbow, hand], 0.042, self._skin, shade)
        self._line([shoulder, elbow], 0.05, self._skin, shade)
        self._line([shoulder, shoulder + 0.75 * (elbow - shoulder)], 0.066, bgr(self._kit.shirt), shade * 0.88)

    def _body(self, hip: _Point, chest: _Point) -> None:
        neck = chest + _by(self._lean * 0.4, 0.07)
        head = neck + _by(0.012 + self._lean * 0.2, 0.07)
        self._line([chest, neck], 0.05, self._skin, 0.9)
        self._line([hip + _by(0.0, 0.02), chest], 0.145, bgr(self._kit.shirt), 1.0)
        self._line([hip + _by(0.0, 0.0), hip + _by(0.0, 0.02)], 0.118, bgr(self._kit.shorts), 1.0)
        self._line([chest + _by(-0.035, 0.055), chest + _by(0.035, 0.055)], 0.02, bgr(self._kit.trim), 1.0)
        self._line([head, head + _by(0.008, -0.018)], 0.098, self._skin, 1.0)
        self._line([head + _by(-0.018, 0.028), head + _by(0.014, 0.034)], 0.07, self._hair, 1.0)
        self._line([head + _by(-0.036, 0.02), head + _by(-0.038, -0.005)], 0.04, self._hair, 1.0)

    def _line(self, ends: list[_Point], width: float, colour: Colour, shade: float) -> None:
        middle = self._paper.shape[1] / 2
        start, end = ((round(middle + x * self._unit), round(self._unit * (0.99 - 0.97 * y))) for x, y in ends)
        blue, green, red = (min(round(channel * shade), 255) for channel in colour)
        thickness = max(round(width * self._unit), 1)
        cv2.line(self._paper, start, end, (blue, green, red, 255), thickness, cv2.LINE_AA)


@cache
def _light(height_px: int, width_px: int) -> Sprite:
    """Brighter from above, so that limbs do not look cut from paper; coverage stays as it is."""
    light = np.full((height_px, width_px, 4), 255, np.uint8)
    light[..., :3] = np.linspace(255, 209, height_px).astype(np.uint8)[:, None, None]
    return light
