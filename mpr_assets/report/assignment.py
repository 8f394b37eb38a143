"""Which of what is seen in one frame goes on as which in the next, by least cost, forwards and backwards.

What the cost is, is in `mpr_assets.report.tracks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import inf
from typing import TypeVar

import numpy as np

T = TypeVar("T")

FORBIDDEN = 1e6
"""In place of an infinite cost: more than all allowed links of a frame together."""


def both_ways(
    marks: Sequence[T], frames: Sequence[int], cost: Callable[[T, T, T | None], float], is_lost: Callable[[T, T], bool]
) -> list[tuple[int, int]]:
    """Link the marks of frames, forwards and backwards; links that both ways find stand first, then those of less cost.

    Args:
        marks: in the order of their frames.
        frames: the frame's number for each.
        cost: of taking the second for the first, which is earlier or later by the way; given the two and the mark that
            the first was linked with before, if any. Infinite where they are not one.
        is_lost: whether what ended with the first is given up when the second's frame is reached.

    Returns:
        Pairs of places in `marks`, the earlier first, by the later; each place is at most once first and once second.
    """
    forwards = _one_way(marks, frames, range(len(marks)), cost, is_lost)
    backwards = _one_way(marks, frames, range(len(marks))[::-1], cost, is_lost)
    costs = {(earlier, later): value for (later, earlier), value in backwards.items()}
    agreed = forwards.keys() & costs.keys()
    for link, value in forwards.items():
        costs[link] = min(value, costs.get(link, inf))
    links: list[tuple[int, int]] = []
    followed, preceded = set(), set()
    for first, second in sorted(costs, key=lambda link: (link not in agreed, costs[link], link)):
        if first not in followed and second not in preceded:
            followed.add(first)
            preceded.add(second)
            links.append((first, second))
    return sorted(links, key=lambda link: link[1])


def _one_way(
    marks: Sequence[T],
    frames: Sequence[int],
    order: Sequence[int],
    cost: Callable[[T, T, T | None], float],
    is_lost: Callable[[T, T], bool],
) -> dict[tuple[int, int], float]:
    """Costs by link, frame after frame: what is found goes on from what was there before, or begins anew."""
    links: dict[tuple[int, int], float] = {}
    ends: dict[int, int | None] = {}  # of each track: its last mark, and the one before it
    for _, group in groupby(order, key=lambda place: frames[place]):
        here = list(group)
        ends = {end: before for end, before in ends.items() if not is_lost(marks[end], marks[here[0]])}
        rows = list(ends)
        costs = [
            [cost(marks[end], marks[place], None if before is None else marks[before]) for place in here]
            for end, before in ends.items()
        ]
        for row, column in _assigned(costs):
            links[rows[row], here[column]] = costs[row][column]
            del ends[rows[row]]
            ends[here[column]] = rows[row]
        for place in here:
            ends.setdefault(place, None)
    return links


def _assigned(costs: list[list[float]]) -> list[tuple[int, int]]:
    """Pairs of row and column with the least sum of costs (the Hungarian method), those that are infinite left out."""
    if not costs:
        return []
    if len(costs) == 1 or len(costs[0]) == 1:
        value, row, column = min((value, r, c) for r, line in enumerate(costs) for c, value in enumerate(line))
        return [(row, column)] if value < inf else []
    # Here, for it takes half a second to import, and most timelines have no two marks of a brand at once.
    from scipy.optimize import linear_sum_assignment

    table = np.array(costs)
    table[np.isinf(table)] = FORBIDDEN
    return [
        (int(row), int(column))
        for row, column in zip(*linear_sum_assignment(table), strict=True)
        if table[row, column] < FORBIDDEN
    ]
