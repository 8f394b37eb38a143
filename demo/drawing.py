"""Ink and paper: lettering, symbols, blending. What is drawn where is not decided here.

Lettering uses the variable typefaces that OpenCV carries, so that no font of the machine matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray

from gpu_service.pictures import Image

Mask: TypeAlias = NDArray[np.uint8]
"""Coverage: shape (height, width), 0 = nothing, 255 = full."""

Sprite: TypeAlias = NDArray[np.uint8]
"""Pixels with coverage: shape (height, width, 4), BGRA, colours already multiplied by the coverage."""

Colour: TypeAlias = tuple[int, int, int]

LOGOS = Path(__file__).parent / "logos"


def bgr(code: str) -> Colour:
    """The colour of a code like "#10243f".

    >>> bgr("#ff8000")
    (0, 128, 255)
    """
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return blue, green, red


@cache
def _font(name: str) -> cv2.FontFace:
    return cv2.FontFace(name)


@dataclass(frozen=True)
class Lettering:
    """A line of text as a mask, trimmed to its ink.

    Attributes:
        mask: the ink.
        baseline_px: row of the mask on which the letters stand; descenders lie below.
        cap_px: height of a capital letter without accent.
    """

    mask: Mask
    baseline_px: int
    cap_px: int


@cache
def lettering(text: str, em_px: int, font: str = "sans", weight: int = 700) -> Lettering:
    """Draw one line of text. `font` is "sans" or "italic", `weight` 300 to 900. Do not write to the answer."""
    cap_px = _ink("H", em_px, font, weight)[0].shape[0]
    mask, baseline_px = _ink(text, em_px, font, weight)
    return Lettering(mask, baseline_px, cap_px)


def _ink(text: str, em_px: int, font: str, weight: int) -> tuple[Mask, int]:
    face = _font(font)
    _, _, width_px, _ = cv2.getTextSize((0, 0), text, (0, 0), face, em_px, weight)
    baseline_px = round(1.3 * em_px)
    paper = np.zeros((2 * em_px, width_px + 2 * em_px, 3), np.uint8)
    cv2.putText(paper, text, (em_px, baseline_px), (255, 255, 255), face, em_px, weight)
    mask = paper[..., 0]
    x, y, w, h = cv2.boundingRect(mask)
    return np.ascontiguousarray(mask[y : y + h, x : x + w]), baseline_px - y


def lettering_of_cap(text: str, cap_px: float, font: str = "sans", weight: int = 700) -> Lettering:
    """The same, by the height of its capitals."""
    probe = lettering("H", 200, font, weight)
    return lettering(text, max(round(cap_px * 200 / probe.cap_px), 4), font, weight)


@cache
def symbol(brand: str, height_px: int) -> Sprite:
    """The wordless logo of a brand, rasterised from the very reference that `brands.yaml` names. Do not write to it."""
    encoded = resvg_py.svg_to_bytes(svg_path=str(LOGOS / brand / "symbol.svg"), height=height_px)
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return premultiplied(np.asarray(pixels, np.uint8))


def premultiplied(pixels: Sprite) -> Sprite:
    """Colours multiplied by the coverage in channel 3."""
    sprite = pixels.copy()
    sprite[..., :3] = (pixels[..., :3].astype(np.uint16) * pixels[..., 3:] + 127) // 255
    return sprite


def _overlap(
    target: tuple[int, int], patch: tuple[int, int], x: int, y: int
) -> tuple[slice, slice, slice, slice] | None:
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + patch[0], target[0]), min(x + patch[1], target[1])
    if bottom <= top or right <= left:
        return None
    return slice(top, bottom), slice(left, right), slice(top - y, bottom - y), slice(left - x, right - x)


def ink(picture: Image, mask: Mask, colour: Colour, x: int, y: int) -> None:
    """Lay a colour on the picture through the mask, whose top left corner comes to (x, y). Clips at the edges."""
    spans = _overlap(picture.shape[:2], mask.shape, x, y)
    if spans is None:
        return
    rows, columns, mask_rows, mask_columns = spans
    share = mask[mask_rows, mask_columns, None].astype(np.float32) / 255
    under = picture[rows, columns]
    picture[rows, columns] = (under + (np.asarray(colour, np.float32) - under) * share + 0.5).astype(np.uint8)


def paste(picture: Image, sprite: Sprite, x: int, y: int, cover: Mask | None = None) -> None:
    """Lay a sprite on the picture at (x, y) and, where given, note in `cover` what it hides. Clips at the edges."""
    spans = _overlap(picture.shape[:2], sprite.shape[:2], x, y)
    if spans is None:
        return
    rows, columns, sprite_rows, sprite_columns = spans
    part = sprite[sprite_rows, sprite_columns]
    left = cv2.cvtColor(255 - part[..., 3], cv2.COLOR_GRAY2BGR)
    picture[rows, columns] = cv2.add(cv2.multiply(picture[rows, columns], left, scale=1 / 255), part[..., :3])
    if cover is not None:
        np.maximum(cover[rows, columns], part[..., 3], out=cover[rows, columns])


def rounded_mask(width_px: int, height_px: int, radius_px: int) -> Mask:
    """A rectangle with round corners, smooth at the edge."""
    fine = 4
    mask = np.zeros((height_px * fine, width_px * fine), np.uint8)
    radius = radius_px * fine
    cv2.rectangle(mask, (radius, 0), (mask.shape[1] - 1 - radius, mask.shape[0] - 1), 255, -1)
    cv2.rectangle(mask, (0, radius), (mask.shape[1] - 1, mask.shape[0] - 1 - radius), 255, -1)
    for x in (radius, mask.shape[1] - 1 - radius):
        for y in (radius, mask.shape[0] - 1 - radius):
            cv2.circle(mask, (x, y), radius, 255, -1)
    return np.asarray(cv2.resize(mask, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def gradient(width_px: int, height_px: int, top: Colour, bottom: Colour) -> Image:
    """A picture that goes from one colour to another, downwards."""
    share = np.linspace(0, 1, height_px, dtype=np.float32)[:, None, None]
    rows = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    return np.repeat((rows + 0.5).astype(np.uint8), width_px, axis=1)
