"""Arithmetic on boxes: what they share, what lies around them.

How boxes travel is in `wire`; polygons and bands are their routines' own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

XYWH: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height."""


def shared_area(one: XYWH, other: XYWH) -> int:
    """
    >>> shared_area((0, 0, 10, 10), (5, 5, 10, 10))
    25
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def iou(one: XYWH, other: XYWH) -> float:
    """Intersection over union; 0 where both are empty.

    >>> iou((0, 0, 10, 10), (5, 0, 10, 10))
    0.3333333333333333
    """
    shared = shared_area(one, other)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union else 0.0


def overlaps(one: XYWH, other: XYWH) -> bool:
    """Whether half of the smaller box or more lies in the other."""
    shared = shared_area(one, other)
    return shared > 0 and 2 * shared >= min(one[2] * one[3], other[2] * other[3])


def touches(one: XYWH, other: XYWH) -> bool:
    """Whether there is a place inside both."""
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def around(boxes: Iterable[XYWH]) -> XYWH:
    """The smallest box around all, of which there is at least one.

    >>> around([(0, 0, 10, 10), (5, 20, 10, 10)])
    (0, 0, 15, 30)
    """
    lefts, tops, rights, bottoms = zip(*((x, y, x + w, y + h) for x, y, w, h in boxes), strict=True)
    left, top = min(lefts), min(tops)
    return left, top, max(rights) - left, max(bottoms) - top


def shared_areas(
    low: NDArray[np.floating], high: NDArray[np.floating], lows: NDArray[np.floating], highs: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Area that a box shares with each of others, by their corners.

    Args:
        low, high: shape (2,): left and top, right and bottom.
        lows, highs: shape (..., 2).

    Returns:
        Shape (...,).
    """
    return np.asarray((np.minimum(high, highs) - np.maximum(low, lows)).clip(0).prod(axis=-1))


def joined(boxes: list[XYWH]) -> list[XYWH]:
    """Overlapping boxes become one, until none overlaps."""
    done: list[XYWH] = []
    waiting = sorted(boxes)
    while waiting:
        box = waiting.pop()
        touched = [other for other in done if touches(other, box)]
        if not touched:
            done.append(box)
            continue
        done = [other for other in done if other not in touched]
        waiting.append(around([box, *touched]))
    return sorted(done)
