"""How far the picture as a whole moves from one kept frame to the next: the camera's pans, as marks see them.

Looked at only where tracks ask. Which detections are of one mark is in `mpr_assets.report.tracks`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import PermanentError
from gpu_service.pictures import Picture

Motion: TypeAlias = Callable[[int, int], tuple[float, float] | None]
"""Given the seqs of two frames of a shot: how far what is seen has moved right and down, in px of the frame; None where
that cannot be told."""

COMPARED_WIDTH_PX = 256
REDUCED = 4
"""Frames are decoded at this part of their size, which is quick."""
PICTURES_KEPT = 4
LEAST_PEAK = 0.3
"""Of the phase correlation: over cuts it stays below 0.11, where the camera moved it lies between 0.3 and 1; measured
for `filter_scenes`."""


def still(_before: int, _after: int) -> tuple[float, float]:
    """The motion of a camera that does not move."""
    return 0.0, 0.0


def picture_motion(read: Callable[[int], Picture]) -> Motion:
    """The motion by phase correlation (Kuglin and Hines, The phase correlation image alignment method, 1975).

    A translation: of a turn or a zoom it is what the middle of the picture does.

    Args:
        read: gives a frame by its seq; decoded here, at a quarter of its size, and only when it is asked for.
    """
    kept: OrderedDict[int, tuple[NDArray[np.float32], float]] = OrderedDict()

    def small(seq: int) -> tuple[NDArray[np.float32], float]:
        if seq not in kept:
            kept[seq] = _shrunk(read(seq))
            while len(kept) > PICTURES_KEPT:
                kept.popitem(last=False)
        return kept[seq]

    @cache
    def moved(before: int, after: int) -> tuple[float, float] | None:
        (one, scale), (other, _) = small(before), small(after)
        if one.shape != other.shape:
            return None
        window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
        (right, down), peak = cv2.phaseCorrelate(one, other, window)
        return (right * scale, down * scale) if peak >= LEAST_PEAK else None

    return moved


def _shrunk(picture: Picture) -> tuple[NDArray[np.float32], float]:
    """In grey, and by how much it is smaller."""
    encoded = np.frombuffer(picture.encoded, np.uint8)
    grey = cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_4)
    if grey is None:
        raise PermanentError("A stored frame is not a valid picture", "delete its folder and rerun extract_frames")
    height_px = max(1, round(grey.shape[0] * COMPARED_WIDTH_PX / grey.shape[1]))
    small = cv2.resize(grey, (COMPARED_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), REDUCED * grey.shape[1] / COMPARED_WIDTH_PX
