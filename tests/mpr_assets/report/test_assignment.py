"""Which goes on as which, by least cost."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import pytest

from mpr_assets.report.assignment import both_ways


class Case(NamedTuple):
    """Each mark is (frame, place); a link costs the distance, and is none from `reach` on."""

    marks: list[tuple[int, int]]
    links: list[tuple[int, int]]
    reach: int = 10
    frames_kept: int = 3


CASES = {
    "none": Case([], []),
    "one": Case([(0, 5)], []),
    "one that moves": Case([(0, 5), (1, 8), (2, 11)], [(0, 1), (1, 2)]),
    "too far": Case([(0, 5), (1, 15)], []),
    "over a frame": Case([(0, 5), (2, 5)], [(0, 1)]),
    "over too many frames": Case([(0, 5), (4, 5)], []),
    "two cross nobody": Case([(0, 0), (0, 8), (1, 4), (1, 12)], [(0, 2), (1, 3)]),
    "the least sum, not the nearest first": Case([(0, 0), (0, 6), (1, 5), (1, 14)], [(0, 2), (1, 3)]),
    "one ends": Case([(0, 0), (0, 8), (1, 7)], [(1, 2)]),
    "one begins": Case([(0, 0), (1, 1), (1, 8)], [(0, 1)]),
    "three, one of them forbidden": Case(
        [(0, 0), (0, 20), (0, 40), (1, 1), (1, 90), (1, 41)], [(0, 3), (2, 5)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_links(case: Case) -> None:
    def cost(first: tuple[int, int], second: tuple[int, int], _before: tuple[int, int] | None) -> float:
        distance = abs(first[1] - second[1])
        return distance if distance < case.reach else inf

    def is_lost(first: tuple[int, int], second: tuple[int, int]) -> bool:
        return abs(first[0] - second[0]) > case.frames_kept

    assert both_ways(case.marks, [frame for frame, _ in case.marks], cost, is_lost) == case.links


def test_what_came_before_is_told() -> None:
    told: list[tuple[int, int, int | None]] = []

    def cost(first: int, second: int, before: int | None) -> float:
        told.append((first, second, before))
        return 0.0

    both_ways([0, 1, 2], [0, 1, 2], cost, lambda _first, _second: False)
    assert told == [(0, 1, None), (1, 2, 0), (2, 1, None), (1, 0, 2)]
