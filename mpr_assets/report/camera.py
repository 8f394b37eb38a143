"""How far the picture as a whole moves from one kept frame to the next: the camera's pans, as marks see them.

Looked at only where tracks ask, or at every frame by the stage `motion`. Which detections are of one mark is in
`mpr_assets.report.tracks`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import PermanentError
from gpu_service.likeness import view_shift
from gpu_service.pictures import Picture

Grey: TypeAlias = NDArray[np.uint8]
"""Shape (height, width)."""
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


def picture_motion(
    read: Callable[[int], Picture], known: Mapping[tuple[int, int], tuple[float, float] | None] | None = None
) -> Motion:
    """The motion between any two frames, see `shift_px`.

    Args:
        read: gives a frame by its seq; decoded here, at a quarter of its size, and only when it is asked for.
        known: the motion between pairs of frames, where it was looked at before; None: it was not.
    """
    before_now = known or {}
    kept: OrderedDict[int, Grey] = OrderedDict()

    def reduced(seq: int) -> Grey:
        if seq not in kept:
            kept[seq] = reduced_grey(read(seq))
            while len(kept) > PICTURES_KEPT:
                kept.popitem(last=False)
        return kept[seq]

    @cache
    def moved(before: int, after: int) -> tuple[float, float] | None:
        if (before, after) in before_now:
            return before_now[before, after]
        one, other = reduced(before), reduced(after)
        return shift_px(one, other) if one.shape == other.shape else None

    return moved


def shift_px(one: Grey, other: Grey) -> tuple[float, float] | None:
    """How far what is seen has moved, by phase correlation (Kuglin and Hines, The phase correlation image alignment
    method, 1975).

    Where its peak is low, as in a fast pan with players before it, the shift at which most is alike. A translation: of
    a turn or a zoom it is what the middle of the picture does.

    Args:
        one, other: of one shape, see `reduced_grey`.

    Returns:
        Right and down, in px of the frame; None where that cannot be told.
    """
    width_px = REDUCED * one.shape[1]
    size = COMPARED_WIDTH_PX, max(2, round(one.shape[0] * COMPARED_WIDTH_PX / one.shape[1]))
    small, others = (cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.float32) for p in (one, other))
    (right, down), peak = cv2.phaseCorrelate(small, others, cv2.createHanningWindow(size, cv2.CV_32F))
    if peak >= LEAST_PEAK:
        return right * width_px / COMPARED_WIDTH_PX, down * width_px / COMPARED_WIDTH_PX
    shift = view_shift(one, other)
    return None if shift is None else (shift[0] * width_px, shift[1] * width_px)


def reduced_grey(picture: Picture) -> Grey:
    """A stored frame at a quarter of its size.

    Raises:
        PermanentError: its bytes are no picture.
    """
    grey = cv2.imdecode(np.frombuffer(picture.encoded, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    if grey is None:
        raise PermanentError("A stored frame is not a valid picture", "delete its folder and rerun extract_frames")
    return np.asarray(grey, np.uint8)
