"""Outlines with labels drawn on pictures: evidence for the report, previews for the materializations.

What is drawn is decided by the caller; where pictures are kept is not here.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH, touches
from gpu_service.pictures import Image

HUES = tuple(range(0, 360, 15))
"""Degrees on the colour circle that names are spread over."""
ALIKE_DEG = 30
"""Two hues nearer than this are hard to tell apart."""
NO_BRAND = (170, 170, 170)
"""BGR; the colour of what is there and is no brand: grey, which no name has."""

OBJECT = (53, 230, 163)
"""BGR; the colour of objects, which are no brands, as in the editor."""

SUBPIXEL_BITS = 4
INK = (18, 18, 18)

PLATE_TEXT = 0.022
"""Height of a label's letters as a part of the picture's width."""


@dataclass(frozen=True)
class Mark:
    """An outline to draw: corners in px of the picture it is drawn on, a label, and what its colour stands for.

    `colour`, BGR, is for where colours mean something else than names; None: it follows from the name.
    """

    outline: tuple[tuple[float, float], ...]
    label: str = ""
    key: str = ""
    filled: bool = False
    colour: tuple[int, int, int] | None = None

    @classmethod
    def box(cls, x: float, y: float, w: float, h: float, label: str = "", key: str = "") -> Mark:
        """A rectangle: left, top, width, height in px."""
        return cls(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), label, key)


def hue_of(name: str) -> int:
    """Degrees, the same for a name in every run and on every machine."""
    plain = unicodedata.normalize("NFC", name).encode()
    return HUES[int.from_bytes(hashlib.blake2b(plain, digest_size=4).digest()) % len(HUES)]


def colour_of_hue(hue_deg: int) -> tuple[int, int, int]:
    """The colour of a brand or a label, BGR 0 to 255: equally light and vivid for every hue.

    OKLCH(0.78 0.16 hue) in sRGB, after Ottosson, "A perceptual color space for image processing" (2020).
    """
    angle = math.radians(hue_deg)
    a, b = 0.16 * math.cos(angle), 0.16 * math.sin(angle)
    cone = np.array([0.78 + 0.3963 * a + 0.2158 * b, 0.78 - 0.1056 * a - 0.0639 * b, 0.78 - 0.0895 * a - 1.2915 * b])
    to_rgb = np.array([[4.0767, -3.3077, 0.2310], [-1.2684, 2.6098, -0.3413], [-0.0042, -0.7034, 1.7076]])
    linear = np.clip(to_rgb @ cone**3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.round(255 * encoded).astype(int).tolist()
    return blue, green, red


def colours_of(names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Colours for names on one picture: each has its own; where two would be alike, the later gets another."""
    hues: dict[str, int] = {}
    for name in dict.fromkeys(names):
        own = hue_of(name)
        turned = [(own + turn) % 360 for turn in HUES]
        free = [hue for hue in turned if all(_apart_deg(hue, other) >= ALIKE_DEG for other in hues.values())]
        hues[name] = (free or turned)[0]
    return {name: colour_of_hue(hue) for name, hue in hues.items()}


def _apart_deg(hue: int, other: int) -> int:
    return min((hue - other) % 360, (other - hue) % 360)


def draw(pixels: Image, marks: Sequence[Mark], width_px: int | None = None) -> Image:
    """The picture with the marks on it; the picture given is not changed.

    Args:
        pixels: (height, width, 3) BGR. marks: in px of `pixels`.
        width_px: scale the picture down to this width before drawing, so that lines and letters stay sharp.

    Returns:
        A new picture of the same size, or `width_px` wide.
    """
    scale = min(1.0, width_px / pixels.shape[1]) if width_px else 1.0
    canvas = shrink(pixels, scale)
    colours = colours_of([mark.key or mark.label for mark in marks if mark.colour is None])
    marks = [mark if mark.colour else replace(mark, colour=colours[mark.key or mark.label]) for mark in marks]
    for mark in sorted(marks, key=lambda mark: -_area(mark)):
        _draw_outline(canvas, mark, scale)
    taken: list[XYWH] = []
    for mark in marks:
        if mark.label and mark.outline:
            taken.append(_draw_plate(canvas, mark, scale, taken))
    return canvas


def shrink(pixels: Image, scale: float) -> Image:
    """A copy, made smaller by `scale` (0 to 1] with averaging."""
    if scale >= 1:
        return pixels.copy()
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def contact_sheet(pictures: Sequence[Image], columns: int = 3, tile_width_px: int = 480, gap_px: int = 6) -> Image:
    """Pictures side by side in rows, each fitted into a 16:9 tile, on a dark ground; one dark tile for none."""
    tile_height_px = tile_width_px * 9 // 16
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    step_x, step_y = tile_width_px + gap_px, tile_height_px + gap_px
    sheet = np.full((rows * step_y + gap_px, columns * step_x + gap_px, 3), 24, np.uint8)
    for number, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        small = shrink(picture, min(1.0, tile_width_px / width, tile_height_px / height))
        left = gap_px + number % columns * step_x + (tile_width_px - small.shape[1]) // 2
        top = gap_px + number // columns * step_y + (tile_height_px - small.shape[0]) // 2
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet


def _area(mark: Mark) -> float:
    return float(cv2.contourArea(np.array(mark.outline, np.float32))) if len(mark.outline) > 2 else 0.0


def _draw_outline(canvas: Image, mark: Mark, scale: float) -> None:
    """A dark line under a coloured one, so that it shows on any ground; in place."""
    if not mark.outline:
        return
    corners = np.round(np.array(mark.outline) * scale * (1 << SUBPIXEL_BITS)).astype(np.int32)
    colour = mark.colour or NO_BRAND
    thickness = max(2, round(canvas.shape[1] / 420))
    if mark.filled:
        tinted = canvas.copy()
        cv2.fillPoly(tinted, [corners], colour, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.addWeighted(tinted, 0.28, canvas, 0.72, 0, canvas)
    for width, line in ((thickness + 2, INK), (thickness, colour)):
        cv2.polylines(canvas, [corners], True, line, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_plate(canvas: Image, mark: Mark, scale: float, taken: Sequence[XYWH]) -> XYWH:
    """The label on a plate of the mark's colour, where it hides no other plate if that can be; in place.

    Returns:
        The plate.
    """
    height, width = canvas.shape[:2]
    letters_px = max(11, round(width * PLATE_TEXT))
    font = cv2.FontFace("sans")
    label = _fitting(mark.label, font, letters_px, width - letters_px)
    text_width = _text_width(label, font, letters_px)
    plate_width, plate_height = text_width + letters_px, round(letters_px * 1.55)
    corners: NDArray[np.float64] = np.array(mark.outline) * scale
    (left, top), (_, bottom) = corners.min(axis=0), corners.max(axis=0)
    x0 = int(np.clip(left, 0, max(0, width - plate_width)))
    tops = [
        int(np.clip(y, 0, max(0, height - plate_height)))
        for y in (top - plate_height - 1, bottom + 2, top - 2 * plate_height - 3, top + 2)
    ]
    plates = [(x0, y, plate_width, plate_height) for y in tops]
    plate = next((plate for plate in plates if not any(touches(plate, other) for other in taken)), plates[0])
    y0 = plate[1]
    colour = mark.colour or NO_BRAND
    right, low = min(x0 + plate_width, width), min(y0 + plate_height, height)
    cv2.rectangle(canvas, (x0, y0), (right - 1, low - 1), colour, cv2.FILLED)
    baseline = y0 + round(plate_height / 2 + letters_px * 0.36)
    cv2.putText(canvas, label, (x0 + letters_px // 2, baseline), INK, font, letters_px, 600)
    return plate


def _text_width(text: str, font: cv2.FontFace, letters_px: int) -> int:
    return int(cv2.getTextSize((10_000, 100), text, (0, 50), font, letters_px, 600)[2])


def _fitting(text: str, font: cv2.FontFace, letters_px: int, room_px: int) -> str:
    """The text on one line, its end cut off with an ellipsis where it is too long."""
    line = " ".join(text.split())
    if _text_width(line, font, letters_px) <= room_px:
        return line
    while line and _text_width(line + "…", font, letters_px) > room_px:
        line = line[:-1].rstrip()
    return line + "…"
