from __future__ import annotations

import numpy as np
import pytest

from gpu_service.boxes import XYWH, around, iou, overlaps, shared_area, shared_areas, touches

PAIRS: dict[str, tuple[XYWH, XYWH, tuple[int, float, bool, bool]]] = {
    # shared area, intersection over union, half of the smaller is shared, they touch
    "both empty": ((5, 5, 0, 0), (5, 5, 0, 0), (0, 0.0, False, False)),
    "one empty, inside": ((5, 5, 0, 0), (0, 0, 10, 10), (0, 0.0, False, True)),
    "the same": ((0, 0, 10, 20), (0, 0, 10, 20), (200, 1.0, True, True)),
    "one inside": ((0, 0, 100, 100), (40, 40, 10, 10), (100, 0.01, True, True)),
    "half of each": ((0, 0, 10, 10), (5, 0, 10, 10), (50, 1 / 3, True, True)),
    "less than half": ((0, 0, 10, 10), (6, 0, 10, 10), (40, 0.25, False, True)),
    "side by side": ((0, 0, 10, 10), (10, 0, 10, 10), (0, 0.0, False, False)),
    "one below": ((0, 0, 10, 10), (0, 30, 10, 10), (0, 0.0, False, False)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_two_boxes_share(name: str) -> None:
    one, other, expected = PAIRS[name]
    for a, b in ((one, other), (other, one)):
        assert (shared_area(a, b), iou(a, b), overlaps(a, b), touches(a, b)) == expected


def test_what_one_box_shares_with_each_of_none() -> None:
    none = np.zeros((0, 2))
    assert shared_areas(np.zeros(2), np.ones(2), none, none).tolist() == []


def test_what_one_box_shares_with_each() -> None:
    lows, highs = np.array([[0.0, 0.0], [5.0, 5.0], [10.0, 0.0]]), np.array([[10.0, 10.0], [15.0, 15.0], [20.0, 9.0]])
    assert shared_areas(np.zeros(2), np.full(2, 10.0), lows, highs).tolist() == [100.0, 25.0, 0.0]


AROUND: dict[str, tuple[list[XYWH], XYWH]] = {
    "one": ([(3, 4, 5, 6)], (3, 4, 5, 6)),
    "apart": ([(0, 0, 10, 10), (-5, 20, 10, 10)], (-5, 0, 15, 30)),
    "one inside another": ([(0, 0, 10, 10), (2, 2, 1, 1)], (0, 0, 10, 10)),
}


@pytest.mark.parametrize("name", AROUND)
def test_the_box_around_boxes(name: str) -> None:
    boxes, expected = AROUND[name]
    assert around(boxes) == expected
