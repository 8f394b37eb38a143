"""Boxes that were found against true ones: which are of one mark, and how well they fit. Pure.

A found box and a true one of the same brand in the same frame are matched by their intersection over union, the
greatest first, each once: as COCO's evaluation does it, but for the order, which is by fit and not by confidence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpu_service.boxes import XYWH, iou
from mpr_assets.annotations.truth import TimedBox

RIGHT_IOU = 0.5
"""A box is right from this intersection over union on, as in PASCAL VOC and COCO's AP50."""


@dataclass(frozen=True)
class BoxCounts:
    """Of the frames that have true boxes: `true` ones, `found` ones of the same brands, `right` pairs, and the sum of
    the intersections over union of all pairs that overlap, `paired` of them."""

    true: int = 0
    found: int = 0
    right: int = 0
    paired: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: BoxCounts) -> BoxCounts:
        return BoxCounts(
            self.true + other.true,
            self.found + other.found,
            self.right + other.right,
            self.paired + other.paired,
            self.iou_sum + other.iou_sum,
        )


class TrueBoxes:
    """The true boxes of one brand, asked for by time."""

    def __init__(self, boxes: Iterable[TimedBox], frame_ms: float) -> None:
        """`frame_ms`: how long a frame of the video lasts: a box is of a frame that begins within half of it."""
        self._of: defaultdict[int, list[XYWH]] = defaultdict(list)
        for at_ms, *box in boxes:
            self._of[at_ms].append((box[0], box[1], box[2], box[3]))
        self._times = sorted(self._of)
        self._near_ms = frame_ms / 2

    def at(self, at_ms: int) -> Sequence[XYWH]:
        """Those of the frame that begins at a time."""
        place = bisect_left(self._times, at_ms)
        near = [time for time in self._times[max(0, place - 1) : place + 1] if abs(time - at_ms) <= self._near_ms]
        return self._of[min(near, key=lambda time: abs(time - at_ms))] if near else ()


def box_counts(true: TrueBoxes, found: Mapping[int, Sequence[XYWH]]) -> BoxCounts:
    """Of one brand, in the frames that were looked at.

    Args:
        found: the boxes of each frame that was looked at, by when it begins; none where nothing was found.
    """
    total = BoxCounts()
    for at_ms, boxes in found.items():
        here = true.at(at_ms)
        if here:
            pairs = list(matched(here, boxes).values())
            right = sum(fit >= RIGHT_IOU for fit in pairs)
            total += BoxCounts(len(here), len(boxes), right, len(pairs), sum(pairs))
    return total


def matched(true: Sequence[XYWH], found: Sequence[XYWH]) -> dict[int, float]:
    """By the place of each found box that overlaps a true one of its own: their intersection over union."""
    fits = sorted(
        ((iou(one, other), at, number) for at, one in enumerate(found) for number, other in enumerate(true)),
        key=lambda fit: (-fit[0], fit[1], fit[2]),
    )
    pairs: dict[int, float] = {}
    taken: set[int] = set()
    for fit, at, number in fits:
        if fit > 0 and at not in pairs and number not in taken:
            pairs[at] = fit
            taken.add(number)
    return pairs
