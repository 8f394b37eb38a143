"""Near-horizontal lines of a picture: Canny edges, probabilistic Hough segments, segments joined.

What the lines enclose is decided in `detect_edges` and `preprocess`.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image

Gradient: TypeAlias = NDArray[np.integer | np.floating]
Mask: TypeAlias = NDArray[np.uint8]
"""Shape (height, width)."""
Lines: TypeAlias = NDArray[np.float64]
"""Shape (n, 4): x0 y0 x1 y1 with x0 < x1, pixel indices."""

MOST_EDGE_PX = 16_000
MOST_LINES = 160
"""The widest edges are looked at and the longest lines kept; a busy texture costs no more."""
HOUGH_ANGLE = math.pi / 360
"""Half a degree: over 200 pixels lines that differ by it are apart by less than two pixels, see `JOIN_PX`."""
JOIN_PX = 2.0
"""Segments whose ends lie this near to one line are one line."""
JOIN_ROUNDS = 2
"""Lines that a first round has joined may reach further segments. No measurement is known."""


def near_horizontal_lines(
    picture: Image,
    *,
    canny_low: float,
    canny_high: float,
    votes: float,
    min_length_px: float,
    max_gap_px: float,
    max_slope_deg: float,
) -> tuple[Mask, Lines]:
    """The longest near-horizontal lines, `MOST_LINES` at most, and the edges that they were found in.

    Source: Canny (1986) on the strongest of the three channels, since a red board on a green field can be as bright as
    the field; Matas, Galambos and Kittler, the progressive probabilistic Hough transform (2000). A long line comes out
    of it in pieces, hence votes and length are halved there, and length is measured again on the joined lines.

    Args:
        picture: BGR.
        canny_low: gradient (L1, of Sobel 3 x 3) from which an edge goes on.
        canny_high: gradient at which an edge begins.
        votes: edge pixels that a line needs.
        min_length_px: shorter lines are left out.
        max_gap_px: longest break within a line.
        max_slope_deg: steeper lines are left out.

    Returns:
        edges of the picture's shape, 0 or 255; lines in pixel indices, longest first.
    """
    edges = _near_horizontal_edges(picture, canny_low, canny_high, max_slope_deg, min_length_px / 8)
    found = cv2.HoughLinesP(
        edges,
        1,
        HOUGH_ANGLE,
        max(2, round(votes / 2)),
        minLineLength=max(2.0, min_length_px / 2),
        maxLineGap=max(1.0, max_gap_px),
    )
    if found is None:
        return edges, np.empty((0, 4))
    lines = np.asarray(found, np.float64).reshape(-1, 4)
    lines = np.where((lines[:, 0] > lines[:, 2])[:, None], lines[:, [2, 3, 0, 1]], lines)
    rise, length = np.abs(lines[:, 3] - lines[:, 1]), lines[:, 2] - lines[:, 0]
    lines = lines[(length > 0) & (rise <= math.tan(math.radians(max_slope_deg)) * length)]
    return edges, _joined(lines, max_gap_px, min_length_px)


def slopes(lines: Lines) -> NDArray[np.float64]:
    """Rise over run, downwards positive, shape (n,)."""
    return np.asarray((lines[:, 3] - lines[:, 1]) / np.maximum(lines[:, 2] - lines[:, 0], 1e-9), np.float64)


def y_at(lines: Lines, x: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each line, prolonged, is at x, shape (n,)."""
    return np.asarray(lines[:, 1] + slopes(lines) * (x - lines[:, 0]), np.float64)


def _near_horizontal_edges(
    picture: Image, canny_low: float, canny_high: float, max_slope_deg: float, least_run_px: float
) -> Mask:
    """Edges whose gradient is near vertical, in runs of some length: most of a texture's edges go before Hough."""
    dx = cv2.Sobel(picture, cv2.CV_16S, 1, 0, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(picture, cv2.CV_16S, 0, 1, borderType=cv2.BORDER_REPLICATE)
    edges = cv2.Canny(*_of_strongest_channel(dx, dy), canny_low, canny_high)
    # Twice the slope: on a line of few pixels the gradient's direction wavers.
    slope = math.tan(math.radians(min(60.0, 2 * max_slope_deg)))
    steep = cv2.addWeighted(_strongest(dx), 1.0, _strongest(dy), -slope, 0.0)
    edges = cv2.bitwise_and(edges, cv2.inRange(steep, 0, 0))
    # The same labels as by default, two or three times quicker on the speckle of a textured picture.
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(edges, 8, cv2.CV_32S, cv2.CCL_GRANA)
    stats[0] = 0
    widest_first = np.argsort(-stats[:, cv2.CC_STAT_WIDTH], kind="stable")
    chosen = widest_first[np.cumsum(stats[widest_first, cv2.CC_STAT_AREA]) <= MOST_EDGE_PX]
    keep = np.zeros(len(stats), np.uint8)
    keep[chosen[stats[chosen, cv2.CC_STAT_WIDTH] >= max(2, round(least_run_px))]] = 255
    return np.asarray(np.take(keep, np.asarray(labels)), np.uint8)


def _of_strongest_channel(dx: Gradient, dy: Gradient) -> tuple[Gradient, Gradient]:
    """Of each pixel the gradient of the channel where it is strongest, the first of equal ones.

    Canny chooses so by itself when it is given all channels, in twice the time.
    """
    (best_dx, *more_dx), (best_dy, *more_dy) = cv2.split(dx), cv2.split(dy)
    most = np.abs(best_dx) + np.abs(best_dy)
    for other_dx, other_dy in zip(more_dx, more_dy, strict=True):
        other = np.abs(other_dx) + np.abs(other_dy)
        stronger = cv2.compare(other, most, cv2.CMP_GT)
        cv2.copyTo(other_dx, stronger, best_dx)
        cv2.copyTo(other_dy, stronger, best_dy)
        most = np.maximum(most, other)
    return best_dx, best_dy


def _strongest(gradient: Gradient) -> Mask:
    """Shape (height, width): the largest absolute value of the channels, a quarter of it, so that it fits."""
    b, g, r = cv2.split(cv2.convertScaleAbs(gradient, alpha=0.25))
    return np.asarray(cv2.max(cv2.max(b, g), r), np.uint8)


def _joined(segments: Lines, max_gap_px: float, least_px: float) -> Lines:
    """Segments that continue or repeat each other become one line; then the longest of at least `least_px`."""
    lines = _longest_first(segments)[: 2 * MOST_LINES]
    for _ in range(JOIN_ROUNDS):
        lines = _longest_first(_joined_once(lines, max_gap_px))
    return lines[lines[:, 2] - lines[:, 0] >= least_px][:MOST_LINES]


def _joined_once(lines: Lines, max_gap_px: float) -> Lines:
    joined = np.empty((len(lines), 5))  # with the slope
    count = 0
    for line in np.column_stack([lines, slopes(lines)]):
        x, y, slope = joined[:count, 0], joined[:count, 1], joined[:count, 4]
        off = np.maximum(abs(y + slope * (line[0] - x) - line[1]), abs(y + slope * (line[2] - x) - line[3]))
        gap = np.maximum(x - line[2], line[0] - joined[:count, 2])
        same = np.flatnonzero((off <= JOIN_PX) & (gap <= max_gap_px))
        if len(same):
            other = joined[same[0]]
            left = line if line[0] < other[0] else other
            right = line if line[2] > other[2] else other
            slope = (right[3] - left[1]) / max(1e-9, right[2] - left[0])
            joined[same[0]] = (left[0], left[1], right[2], right[3], slope)
        else:
            joined[count] = line
            count += 1
    return joined[:count, :4]


def _longest_first(lines: Lines) -> Lines:
    return lines[np.lexsort((lines[:, 0], lines[:, 1], lines[:, 0] - lines[:, 2]))]
