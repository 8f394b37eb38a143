"""What the broadcaster lays over the picture: the score bug, a sponsor's bug in the corner, the wipe between scenes."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from demo.drawing import Colour, Mask, Sprite, bgr, ink, lettering_of_cap, paste, rounded_mask, symbol
from demo.stadium import Shot
from demo.truth import Sighting
from gpu_service.pictures import Image

_CLOCK_START_S = 37 * 60 + 12
_SLIDE = 0.04
"""Share of its time that the corner bug takes to slide in, and again to slide out."""


def score_bug(shot: Shot, seconds: float) -> None:
    """Teams, score and a running clock at the top left. Team letters are not a brand."""
    unit = shot.picture.shape[0] / 720
    clock_s = _CLOCK_START_S + int(seconds)
    paste(
        shot.picture,
        _score_sprite(f"{clock_s // 60}:{clock_s % 60:02d}", unit),
        round(44 * unit),
        round(34 * unit),
        shot.cover,
    )


@cache
def _score_sprite(clock: str, unit: float) -> Sprite:
    width_px, height_px = round(336 * unit), round(42 * unit)
    face = np.empty((height_px, width_px, 3), np.uint8)
    face[:] = bgr("#101a2c")
    columns = [
        ("#c8202f", 0, 8, "", "#ffffff"),
        ("#101a2c", 8, 88, "NGA", "#ffffff"),
        ("#f4f6fa", 88, 166, "2 - 1", "#101a2c"),
        ("#101a2c", 166, 246, "RVB", "#ffffff"),
        ("#7fc4ec", 246, 254, "", "#ffffff"),
        ("#22406e", 254, 336, clock, "#ffffff"),
    ]
    for paper, left, right, text, colour in columns:
        face[:, round(left * unit) : round(right * unit)] = bgr(paper)
        if text:
            _centred(face, text, (left + right) / 2 * unit, 17 * unit, bgr(colour))
    mask = rounded_mask(width_px, height_px, round(6 * unit))
    sprite = np.dstack([face, mask])
    sprite[..., :3] = cv2.multiply(face, cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), scale=1 / 255)
    return sprite


def _centred(face: Image, text: str, middle_x_px: float, cap_px: float, colour: Colour) -> None:
    line = lettering_of_cap(text, cap_px, weight=600)
    baseline_px = round((face.shape[0] + line.cap_px) / 2)
    ink(face, line.mask, colour, round(middle_x_px - line.mask.shape[1] / 2), baseline_px - line.baseline_px)


def corner_bug(shot: Shot, brand: str, share: float) -> None:
    """A wordless logo at the top right, sliding in from the edge and out again; `share` of its stay, 0 to 1."""
    height_px, width_px = shot.picture.shape[:2]
    sprite = symbol(brand, round(84 * height_px / 720))
    side_h, side_w = sprite.shape[:2]
    rest_x = width_px - side_w - round(44 * height_px / 720)
    away = max(1 - share / _SLIDE, 1 - (1 - share) / _SLIDE, 0.0)
    x, y = round(rest_x + away * (width_px - rest_x)), round(34 * height_px / 720)
    paste(shot.picture, sprite, x, y, shot.cover)
    corners = np.array([[x, y], [x + side_w, y], [x + side_w, y + side_h], [x, y + side_h]], np.float64)
    shot.sightings.append(Sighting(brand, "logo", "corner bug", corners, float(side_h), on_top=True))


def wipe(before: Shot, after: Shot, share: float) -> Shot:
    """A slanted band that runs from left to right and leaves the next scene behind it; `share` 0 to 1."""
    height_px, width_px = before.cover.shape
    lean_px, band_px = 0.35 * height_px, 0.14 * width_px
    front_px = -band_px + share * (width_px + 2 * band_px + lean_px)
    band, done = (_left_of(width_px, height_px, edge, lean_px) for edge in (front_px, front_px - band_px))
    picture = np.where(done[..., None] > 0, after.picture, before.picture)
    picture[(band > 0) & (done == 0)] = bgr("#ffd24a")
    stripe = _left_of(width_px, height_px, front_px - 0.7 * band_px, lean_px)
    picture[(stripe > 0) & (done == 0)] = bgr("#c8202f")
    # One mask cannot say for two scenes what is hidden, so only the scene that is still whole where it shows has marks.
    cover = np.maximum(after.cover, 255 - done)
    return Shot(picture, cover, after.sightings)


def _left_of(width_px: int, height_px: int, edge_px: float, lean_px: float) -> Mask:
    mask = np.zeros((height_px, width_px), np.uint8)
    corners = np.array([[-4 * width_px, 0], [edge_px, 0], [edge_px - lean_px, height_px], [-4 * width_px, height_px]])
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 255)
    return mask
