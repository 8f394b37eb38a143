"""Exposures against the stays of a drawn broadcast."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.score_stays import score_stays
from bench.stays import figures, seeds

Span = tuple[float, float]


class Case(NamedTuple):
    stays: Sequence[Span]
    parts: Sequence[Span]
    found: Sequence[Span]
    split: int = 0
    merged: int = 0
    off_s: float = 0.0
    edges_off_s: Sequence[float] = ()
    reached: tuple[int, int] | None = None


CASES = {
    "nothing there, nothing found": Case([], [], []),
    "missed": Case([(1, 3)], [], [], off_s=2.0),
    "exact": Case([(1, 3), (8, 9)], [], [(1, 3), (8, 9)], edges_off_s=[0.0, 0.0, 0.0]),
    "a little off": Case([(1, 3), (8, 9)], [], [(1.25, 3.5), (8, 9)], off_s=0.25, edges_off_s=[0.25, 0.5, 0.0]),
    "within what is seen in part": Case(
        [(1, 3), (8, 9)], [(0.5, 1), (3, 4)], [(0.75, 3.5), (8, 9)], edges_off_s=[0.0, 0.0, 0.0]
    ),
    "split": Case([(1, 5), (8, 9)], [], [(1, 2), (3, 5), (8, 9)], split=1, off_s=1.0, edges_off_s=[0.0, 0.0, 0.0]),
    "merged": Case([(1, 2), (4, 5)], [], [(1, 5)], merged=1, off_s=2.0, edges_off_s=[0.0]),
    "what is seen in part joins": Case([(1, 2), (4, 5)], [(2, 4)], [(1, 5)], edges_off_s=[0.0]),
    "too short to be missed": Case(
        [(1, 1.4), (8, 9)], [], [(1, 1.4), (8, 9)], edges_off_s=[0.0, 0.0, 0.0], reached=(1, 1)
    ),
    "of nothing": Case([], [], [(1, 2)], off_s=1.0),
}


def write(path: Path, columns: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_score(case: Case, tmp_path: Path) -> None:
    write(
        tmp_path / "truth_stays.csv",
        "brand,start_s,end_s,seen_s,may_s",
        [("A", *s, s[1] - s[0], 0) for s in case.stays],
    )
    write(tmp_path / "truth_parts.csv", "brand,start_s,end_s", [("A", *span) for span in case.parts])
    found = [("A", 1000 * start, 1000 * end, 1000 * (end - start)) for start, end in case.found]
    write(tmp_path / "exposures.csv", "brand,start_ms,end_ms,seen_ms", found)
    score = score_stays(tmp_path, tmp_path / "exposures.csv")
    assert (score.split, score.merged) == (case.split, case.merged)
    assert case.reached in (None, (score.found, score.stays))
    assert sum(off_s for off_s, _ in score.seconds_off_s.values()) == pytest.approx(case.off_s)
    assert score.edges_off_s == pytest.approx(case.edges_off_s)
    told = figures([score], step_s=0.5)
    assert (told["split"], told["merged"], told["edges"]) == (case.split, case.merged, len(case.edges_off_s))


def test_seeds() -> None:
    assert (seeds("3"), seeds("1-4")) == ([3], [1, 2, 3, 4])
