"""How long marks stay, through what covers them; and broadcasts that differ by seed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

from demo.broadcast import draw_broadcast
from demo.stays import stays_of
from demo.truth import Ledger, View
from demo.varied import varied_script

FULL = View(inside=1.0, covered=0.0, readable_px=20.0, kind="text")
COVERED = View(inside=1.0, covered=0.8, readable_px=20.0, kind="text")
LEAVING = View(inside=0.6, covered=0.0, readable_px=20.0, kind="text")
SIGNS = {"#": FULL, "c": COVERED, "l": LEAVING}


class Case(NamedTuple):
    """Each mark is a row, ten frames a second: # in full view, c covered, l leaving the frame, . not there."""

    marks: list[str]
    stays: list[tuple[float, float, float]]
    parts: list[tuple[float, float]] = []  # noqa: RUF012
    scenes: str = ""


CASES = {
    "no mark": Case([], []),
    "never in full view": Case(["llcc"], [], [(0, 0.4)]),
    "it stays": Case(["######"], [(0, 0.6, 0.6)]),
    "it is covered": Case(["######cccc######"], [(0, 1.6, 1.2)], [(0.6, 1.0)]),
    "covered for too long": Case(["######" + 30 * "c" + "######"], [(0, 0.6, 0.6), (3.6, 4.2, 0.6)], [(0.6, 3.6)]),
    "lost for a moment": Case(["######....######"], [(0, 1.6, 1.2)]),
    "lost for longer": Case(["######.....######"], [(0, 0.6, 0.6), (1.1, 1.7, 0.6)]),
    "it leaves and comes back": Case(["######lllll######"], [(0, 0.6, 0.6), (1.1, 1.7, 0.6)], [(0.6, 1.1)]),
    "a glimpse before it is covered": Case(["##cccccc######"], [(0.8, 1.4, 0.6)], [(0.2, 0.8)]),
    "a cut": Case(["######"], [(0, 0.3, 0.3), (0.3, 0.6, 0.3)], scenes="000111"),
    "two marks": Case(["######....", "....######"], [(0, 1.0, 1.0)]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_stays(case: Case) -> None:
    ledger = Ledger(Fraction(10))
    for number, mark in enumerate(case.marks):
        ledger.views["Acme", str(number)] = {at: SIGNS[sign] for at, sign in enumerate(mark) if sign in SIGNS}
    ledger.scenes.extend(map(int, case.scenes or "0" * max(map(len, case.marks), default=0)))
    stays, parts = stays_of(ledger)
    assert [(one.start_s, one.end_s, one.seen_s) for one in stays] == [
        tuple(Fraction(str(value)) for value in row) for row in case.stays
    ]
    assert [(one.start_s, one.end_s) for one in parts] == [
        tuple(Fraction(str(value)) for value in row) for row in case.parts
    ]


def test_seeds_differ_and_repeat(tmp_path: Path) -> None:
    """At a tenth of the size that is meant; what is seen hangs on the seed alone."""
    told = []
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        script = varied_script(seed)
        draw_broadcast(
            tmp_path / name / "broadcast.mp4", seconds=2, size=(640, 360), fps=Fraction(5), seed=seed, script=script
        )
        told.append((tmp_path / name / "truth_boxes.csv").read_bytes())
    assert told[0] == told[2] != told[1]
