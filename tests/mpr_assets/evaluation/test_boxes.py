from __future__ import annotations

import pytest

from gpu_service.boxes import XYWH
from mpr_assets.annotations.truth import TimedBox
from mpr_assets.evaluation.boxes import BoxCounts, TrueBoxes, box_counts, matched

BOX: XYWH = (10, 10, 10, 10)
HALF: XYWH = (10, 10, 5, 10)
THIRD: XYWH = (15, 10, 10, 10)
FAR: XYWH = (50, 50, 10, 10)

MATCHED: dict[str, tuple[list[XYWH], list[XYWH], dict[int, float]]] = {
    "nothing": ([], [], {}),
    "nothing found": ([BOX], [], {}),
    "nothing true": ([], [BOX], {}),
    "exact": ([BOX], [BOX], {0: 1.0}),
    "half": ([BOX], [HALF], {0: 0.5}),
    "a third": ([BOX], [THIRD], {0: 1 / 3}),
    "apart": ([BOX], [FAR], {}),
    "twice": ([BOX], [HALF, BOX], {1: 1.0}),
    "each its own": ([BOX, FAR], [FAR, HALF], {0: 1.0, 1: 0.5}),
}


@pytest.mark.parametrize(("true", "found", "expected"), MATCHED.values(), ids=MATCHED.keys())
def test_boxes_are_matched_by_their_fit(true: list[XYWH], found: list[XYWH], expected: dict[int, float]) -> None:
    assert matched(true, found) == pytest.approx(expected)


TRUE: list[TimedBox] = [(0, *BOX), (40, *BOX), (40, *FAR), (80, *BOX)]

COUNTED: dict[str, tuple[dict[int, list[XYWH]], BoxCounts]] = {
    "no frame": ({}, BoxCounts()),
    "nothing found in a frame": ({0: []}, BoxCounts(true=1)),
    "exact": ({0: [BOX]}, BoxCounts(1, 1, 1, 1, 1.0)),
    "one of two, and a poor one": ({40: [THIRD]}, BoxCounts(2, 1, 0, 1, 1 / 3)),
    "of the frame nearest": ({58: [FAR]}, BoxCounts(2, 1, 1, 1, 1.0)),
    "a frame without a true box": ({120: [BOX]}, BoxCounts()),
    "two frames": ({0: [BOX], 80: [HALF, FAR]}, BoxCounts(2, 3, 2, 2, 1.5)),
}


@pytest.mark.parametrize(("found", "expected"), COUNTED.values(), ids=COUNTED.keys())
def test_boxes_are_counted_in_frames_with_true_ones(found: dict[int, list[XYWH]], expected: BoxCounts) -> None:
    assert box_counts(TrueBoxes(TRUE, frame_ms=40.0), found) == expected
