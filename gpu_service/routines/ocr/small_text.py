"""Where a picture may have text too small for the detector: rows of fine upright strokes.

What is found there, and at which scale it is looked for, is in `routine`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH, joined
from gpu_service.pictures import Image

PLACE_PX = 176, 64
"""Width and height of what is looked at around a peak, in pixels of the picture: some letters of 4 to 12 pixels with
the ground around them. Places that overlap are looked at as one."""
CELL_PX = 32, 16
"""Each cell has one peak at most."""
ROW_PX = 31, 7
"""Width and height over which strokes are averaged: a short word of small letters."""
ROW_STEP_PX = 9
"""Rows of small letters have calmer ground so far above and below. In drawn broadcasts degraded to letters of 4 to 10
pixels, nine in ten words had their peak among the highest 1.5 % of all pixels; by contrast, or by strokes alone, among
the highest 10 to 14 %."""
LEAST_STROKES = 4.0
"""Mean Sobel response, about eight times the change of grey levels from pixel to pixel."""


def letter_rows(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more upright strokes there are around each pixel than above and below it: the picture's shape."""
    strokes = cv2.blur(np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3)), ROW_PX)
    beside = cv2.copyMakeBorder(strokes, ROW_STEP_PX, ROW_STEP_PX, 0, 0, cv2.BORDER_REPLICATE)
    return np.asarray(strokes - np.maximum(beside[: -2 * ROW_STEP_PX], beside[2 * ROW_STEP_PX :]), np.float32)


def small_text_places(image: Image, known: list[XYWH], area_px: float) -> list[XYWH]:
    """The places most likely to have small text: boxes in pixels of the picture, none overlaps another.

    Args:
        known: boxes where text is looked for anyway.
        area_px: how much of the picture is looked at, overlaps counted twice.
    """
    height, width = image.shape[:2]
    rows = letter_rows(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32))
    for x, y, w, h in known:
        rows[y : y + h, x : x + w] = 0
    half = PLACE_PX[0] // 2, PLACE_PX[1] // 2
    places: list[XYWH] = []
    for x, y in _peaks(rows):
        if (len(places) + 1) * PLACE_PX[0] * PLACE_PX[1] > area_px:
            break
        if not any(left + 16 <= x < left + w - 16 and top + 12 <= y < top + h - 12 for left, top, w, h in places):
            left, top = max(0, x - half[0]), max(0, y - half[1])
            places.append((left, top, min(width, x + half[0]) - left, min(height, y + half[1]) - top))
    return joined(places)


def _peaks(rows: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Where the cells have their highest values, x and y, from the highest on; those below `LEAST_STROKES` left out."""
    height, width = rows.shape
    down, across = -(-height // CELL_PX[1]), -(-width // CELL_PX[0])
    padded = np.pad(rows, ((0, down * CELL_PX[1] - height), (0, across * CELL_PX[0] - width)))
    cells = padded.reshape(down, CELL_PX[1], across, CELL_PX[0]).swapaxes(1, 2).reshape(down * across, -1)
    order = np.argsort(-cells.max(axis=1), kind="stable")
    best = [int(cell) for cell in order if cells[cell].max() >= LEAST_STROKES]
    inside = [divmod(int(cells[cell].argmax()), CELL_PX[0]) for cell in best]
    return [
        (cell % across * CELL_PX[0] + x, cell // across * CELL_PX[1] + y)
        for cell, (y, x) in zip(best, inside, strict=True)
    ]
