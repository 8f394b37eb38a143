"""How clear a mark's pixels are: sharpness and contrast. On which frames they are looked at is in `pixel_measures`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image

BLUR_TAPS = 9
"""Length of the strong low-pass filter of Crete et al. (2007), who found by viewers' votes that more tell no more."""
MEASURED_LINES = 720
"""Larger frames are measured at this height, so that the same broadcast in 720p and in 4K is as sharp."""
LEAST_SIDE_PX = 3
LOW, HIGH = 5.0, 95.0
"""Percentiles that stand for the dark and the light of a mark."""


def sharpness_and_contrast(pixels: Image, box: XYWH, polygon: Sequence[float] | None) -> tuple[float, float] | None:
    """Both 0 to 1, of a mark in a frame; None where it has less than `LEAST_SIDE_PX` a side to look at.

    Args:
        pixels: the frame, BGR. box: where it is. polygon: its outline, None where it is the box.
    """
    height, width = pixels.shape[:2]
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[0] + box[2], width), min(box[1] + box[3], height)
    scale = min(1.0, MEASURED_LINES / height)
    size = round((right - left) * scale), round((bottom - top) * scale)
    if min(size) < LEAST_SIDE_PX:
        return None
    grey = cv2.cvtColor(pixels[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    inside = np.ones(small.shape, bool)
    if polygon is not None:
        corners = (np.array(polygon, np.float64).reshape(-1, 2) - (left, top)) * scale
        drawn = np.zeros(small.shape, np.uint8)
        cv2.fillConvexPoly(drawn, np.rint(corners).astype(np.int32), 1)
        inside = drawn.astype(bool) if drawn.any() else inside
    low, high = np.percentile(small[inside], (LOW, HIGH))
    return sharpness(np.asarray(small, np.uint8)), float(high - low) / 255


def sharpness(grey: NDArray[np.uint8]) -> float:
    """1 minus the blur of Crete, Dolmiere, Ladret and Nicolas (The blur effect, 2007), 0 to 1.

    A blurred picture changes little when it is blurred once more: the measure is how much of the difference between
    neighbouring pixels goes when it is, the smaller of across and down. It does not depend on contrast. A step from
    one pixel to the next gives 8/9, a flat picture 0.
    """
    picture = grey.astype(np.float32)
    shares = []
    for axis, taps in ((1, (BLUR_TAPS, 1)), (0, (1, BLUR_TAPS))):
        before = np.abs(np.diff(picture, axis=axis))
        after = np.abs(np.diff(cv2.blur(picture, taps, borderType=cv2.BORDER_REPLICATE), axis=axis))
        total = float(before.sum(dtype=np.float64))
        if total > 0:
            shares.append(float(np.maximum(before - after, 0).sum(dtype=np.float64)) / total)
    return min(shares, default=0.0)
