"""How much of a frame marks cover: arithmetic on their outlines, boxes or convex polygons. What brand they are of, and
when they are seen, is not looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Polygon: TypeAlias = Sequence[tuple[float, float]]
"""Corners of a convex polygon in their order, either way round; px."""


def area_shares(ordered: pl.DataFrame, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the frame that the marks of each group cover together; what lies outside the frame is left out.

    Args:
        ordered: rows (x, y, w, h, polygon, width_px, height_px); a mark's outline is its polygon, or its box where that
            is null.
        counts: how many rows each group has; the groups follow one another.

    Returns:
        Shape (groups,), 0 to 1.
    """
    columns = ordered.select("x", "y", "w", "h", "width_px", "height_px").cast(pl.Float64).to_numpy()
    x, y, w, h, width, height = columns.T
    corners = np.stack(
        [np.clip(x, 0, width), np.clip(y, 0, height), np.clip(x + w, 0, width), np.clip(y + h, 0, height)], axis=1
    )
    starts = np.cumsum(counts) - counts
    areas = np.zeros(len(counts))
    if not len(counts):
        return areas
    has_polygon = np.add.reduceat(ordered["polygon"].is_not_null().to_numpy().astype(np.int64), starts) > 0
    for size in np.unique(counts):
        groups = np.flatnonzero((counts == size) & ~has_polygon)
        if len(groups):
            areas[groups] = union_areas(corners[starts[groups, None] + np.arange(size)])
    polygons = ordered["polygon"]
    for group in np.flatnonzero(has_polygon):
        rows = range(starts[group], starts[group] + counts[group])
        shapes = [outline(polygons[row], corners[row], width[row], height[row]) for row in rows]
        areas[group] = union_area(shapes)
    return np.asarray(areas / (width * height)[starts], np.float64)


def outline(
    polygon: Sequence[float] | None, corners: Sequence[float] | NDArray[np.float64], width: float, height: float
) -> Polygon:
    """A mark's outline within the frame: its polygon (x0 y0 x1 y1 …), or the box of `corners` (left top right bottom)
    where it has none."""
    if polygon is None:
        left, top, right, bottom = (float(value) for value in corners)
        return clipped([(left, top), (right, top), (right, bottom), (left, bottom)], width, height)
    return clipped(list(zip(polygon[::2], polygon[1::2], strict=True)), width, height)


def clipped(polygon: Polygon, width: float, height: float) -> Polygon:
    """The part of a convex polygon that lies in the frame, by Sutherland and Hodgman (1974); empty where none does.

    >>> clipped([(-2, 0), (2, 0), (2, 2), (-2, 2)], 10, 10)
    [(0.0, 2.0), (0.0, 0.0), (2, 0), (2, 2)]
    """
    if all(0 <= x <= width and 0 <= y <= height for x, y in polygon):
        return polygon
    kept = list(polygon)
    for axis, bound, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        corners, kept = kept, []
        for one, other in zip([corners[-1], *corners], corners, strict=False) if corners else ():
            before, after = sign * (one[axis] - bound), sign * (other[axis] - bound)
            if (before < 0) != (after < 0):
                share = before / (before - after)
                met = [a + (b - a) * share for a, b in zip(one, other, strict=True)]
                met[axis] = bound
                kept.append((met[0], met[1]))
            if after >= 0:
                kept.append(other)
    return kept


def area(polygon: Polygon) -> float:
    """Square px, by the shoelace formula.

    >>> area([(0, 0), (4, 0), (4, 2), (0, 2)])
    4.0
    """
    return abs(_doubled_area(polygon)) / 2


def _doubled_area(polygon: Polygon) -> float:
    after = [*polygon[1:], *polygon[:1]]
    return sum(x * below - right * y for (x, y), (right, below) in zip(polygon, after, strict=True))


def centroid(polygon: Polygon) -> tuple[float, float]:
    """The centre of the area; of a polygon without any, the mean of its corners.

    >>> centroid([(0, 0), (4, 0), (4, 2), (0, 2)])
    (2.0, 1.0)
    """
    doubled = _doubled_area(polygon)
    if not doubled:
        count = max(len(polygon), 1)
        return sum(x for x, _ in polygon) / count, sum(y for _, y in polygon) / count
    after = [*polygon[1:], *polygon[:1]]
    cross = [(one, other, one[0] * other[1] - other[0] * one[1]) for one, other in zip(polygon, after, strict=True)]
    x = sum((one[0] + other[0]) * weight for one, other, weight in cross) / (3 * doubled)
    y = sum((one[1] + other[1]) * weight for one, other, weight in cross) / (3 * doubled)
    return x, y


def union_area(polygons: Sequence[Polygon]) -> float:
    """Area that convex polygons cover together, in square px.

    A sweep over the slabs between neighbouring corners and crossings of edges: in a slab no edge ends and none crosses
    another, so that the covered height changes linearly, and its value in the middle times the width is exact.

    >>> union_area([[(0, 0), (10, 0), (10, 10), (0, 10)], [(5, 5), (15, 5), (15, 15), (5, 15)]])
    175.0
    """
    return sum(_covered(cluster) for cluster in _clusters(polygons))


def _clusters(polygons: Sequence[Polygon]) -> list[list[Polygon]]:
    """Polygons whose bounding boxes touch, directly or by way of others, together; empty ones left out."""
    clusters: list[tuple[list[Polygon], tuple[float, float, float, float]]] = []
    for polygon in filter(None, polygons):
        xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
        members, bounds = [polygon], (min(xs), min(ys), max(xs), max(ys))
        while touched := [one for one in clusters if _touch(one[1], bounds)]:
            clusters = [one for one in clusters if one not in touched]
            members = [*(polygon for one in touched for polygon in one[0]), *members]
            left, top, right, bottom = zip(bounds, *(one[1] for one in touched), strict=True)
            bounds = min(left), min(top), max(right), max(bottom)
        clusters.append((members, bounds))
    return [members for members, _ in clusters]


def _touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _covered(polygons: Sequence[Polygon]) -> float:
    if len(polygons) == 1:
        return area(polygons[0])
    edges = [list(pairwise([*polygon, *polygon[:1]])) for polygon in polygons]
    stops = {x for polygon in polygons for x, _ in polygon}
    for some, others in combinations(edges, 2):
        stops.update(x for one in some for other in others if (x := _crossing(one, other)) is not None)
    total = 0.0
    for left, right in pairwise(sorted(stops)):
        covered, reached = 0.0, -np.inf
        for top, bottom in sorted(filter(None, (_heights(of_one, (left + right) / 2) for of_one in edges))):
            covered += max(0.0, bottom - max(top, reached))
            reached = max(reached, bottom)
        total += covered * (right - left)
    return total


Edge: TypeAlias = tuple[tuple[float, float], tuple[float, float]]


def _crossing(one: Edge, other: Edge) -> float | None:
    """The x where two edges cross; None where they do not, or run side by side."""
    (ax, ay), (bx, by) = one
    (cx, cy), (dx, dy) = other
    turn = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if turn == 0:
        return None
    along = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / turn
    across = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / turn
    return ax + along * (bx - ax) if 0 <= along <= 1 and 0 <= across <= 1 else None


def _heights(edges: Sequence[Edge], x: float) -> tuple[float, float] | None:
    """Top and bottom of a polygon at an x that is none of its corners'; None where it is not there."""
    met = [ay + (by - ay) * (x - ax) / (bx - ax) for (ax, ay), (bx, by) in edges if (ax < x) != (bx < x)]
    return (min(met), max(met)) if met else None


def union_areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that overlapping boxes cover together, for many groups of equally many boxes at once.

    A sweep over the slabs between neighbouring left and right edges; in each, the covered height is the measure of a
    union of intervals that are sorted by their tops.

    Args:
        corners: shape (groups, boxes, 4): x0, y0, x1, y1 in px, x0 <= x1 and y0 <= y1.

    Returns:
        Shape (groups,), square px. Two boxes of 10 x 10 that share a quarter: 175.
    """
    by_top = np.take_along_axis(corners, np.argsort(corners[:, :, 1:2], axis=1, kind="stable"), axis=1)
    x0, y0, x1, y1 = np.moveaxis(by_top, 2, 0)
    cuts = np.sort(np.concatenate([x0, x1], axis=1), axis=1)
    areas = np.zeros(len(corners))
    for slab in range(cuts.shape[1] - 1):
        left, right = cuts[:, slab : slab + 1], cuts[:, slab + 1 : slab + 2]
        bottom = np.where((x0 <= left) & (x1 >= right), y1, 0.0)
        covered_to = np.maximum.accumulate(bottom, axis=1)
        above = np.concatenate([np.zeros_like(bottom[:, :1]), covered_to[:, :-1]], axis=1)
        heights = np.maximum(0.0, bottom - np.maximum(y0, above)).sum(axis=1)
        areas += heights * (right - left)[:, 0]
    return areas
