"""Arithmetic on the outlines of text lines: how large they are, what they share, where the frame's edge cuts them.

What a line says, and its pixels, are not looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Quad: TypeAlias = NDArray[np.float32]
"""Shape (4, 2): corners x, y clockwise from top left, frame pixels; convex."""

# Of the thresholds below no measurement is known. How often a line is read and how many tracks it makes is held by
# `tests/mpr_assets/stages/test_run_ocr.py`, on drawn text that stays, moves and changes.

EDGE_PX, EDGE_HEIGHTS, MOVED_PX = 2, 0.25, 4
"""A line this near to the frame's edge, in pixels or in its heights, is cut off by it; it has moved away when it is
farther in by so many pixels more."""


def size(quad: Quad) -> tuple[float, float]:
    """Width and height of a line along its own directions."""
    return float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[3] - quad[0]))


def alike(one: Quad, other: Quad) -> bool:
    """Whether two lines have about the same shape."""
    return all(0.75 <= (a + 1) / (b + 1) <= 1.34 for a, b in zip(size(one), size(other), strict=True))


def area(quad: Quad) -> float:
    """The area inside a quad."""
    return float(cv2.contourArea(quad.astype(np.float32)))


def outline(quads: Sequence[Sequence[float]]) -> list[float]:
    """The convex hull of quads, clockwise: x0 y0 x1 y1 …, to a hundredth of a pixel. One quad is as it is.

    >>> outline([(0, 0, 4, 0, 4, 2, 0, 2), (0, 4, 2, 4, 2, 6, 0, 6)])
    [4.0, 0.0, 4.0, 2.0, 2.0, 6.0, 0.0, 6.0, 0.0, 0.0]
    """
    if len(quads) == 1:
        return [round(value, 2) for value in quads[0]]
    corners = np.array(quads, np.float32).reshape(-1, 2)
    return [round(float(value), 2) for value in cv2.convexHull(corners, clockwise=True).ravel()]


def common_area(one: Quad, other: Quad) -> float:
    """The area inside both quads. Upright boxes around slanted lines overlap where the lines do not."""
    shared, _ = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))
    return float(shared)


def near(one: Quad, other: Quad) -> bool:
    """Whether two lines overlap enough to be one line that changed or was cut differently."""
    shared = common_area(one, other)
    return shared > 0 and shared >= 0.5 * min(area(one), area(other))


def same_place(one: Quad, other: Quad) -> bool:
    """Whether two lines overlap, and neither reaches far beyond the other."""
    shared = common_area(one, other)
    return shared > 0 and shared >= 0.5 * max(area(one), area(other))


def covers(whole: Quad, part: Quad) -> bool:
    """Whether a line lies, but for its rim, inside another."""
    return common_area(whole, part) >= 0.75 * area(part)


def cut_sides(quad: Quad, width_px: int, inset_px: int = 0) -> tuple[bool, bool]:
    """Whether the frame's left edge, and whether its right one, cuts a line off. `inset_px`: an edge farther in."""
    reach = max(EDGE_PX, EDGE_HEIGHTS * size(quad)[1]) + inset_px
    return bool(quad[:, 0].min() <= reach), bool(quad[:, 0].max() >= width_px - reach)


def uncovered(before: Quad, now: Quad, width_px: int) -> bool:
    """Whether a line that the frame's left or right edge cut off has moved away from it: more of it may show."""
    was = cut_sides(before, width_px)
    still = cut_sides(now, width_px, MOVED_PX)
    return (was[0] and not still[0]) or (was[1] and not still[1])
