"""How long each brand's marks stay, through what covers them: what exposures are held to.

A mark's stay goes on while something stands before it, for `MAX_HIDDEN_MS` at most, and over losses shorter than a
reader of two frames a second can see. It ends where the mark leaves the frame, becomes too small, is replaced on its
board, or the scene changes. A brand's stays are those of its marks together. What counts as seen is `demo.truth`'s.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from demo.truth import MAX_BRIDGED_MS, MIN_STAY_MS, Ledger, View

MAX_HIDDEN_MS = 3000


@dataclass(frozen=True)
class Stay:
    """Half-open, in seconds of the video's clock.

    Attributes:
        seen_s: how long a mark counts in it.
        may_s: how long a mark is to be seen in part at least.
    """

    brand: str
    start_s: Fraction
    end_s: Fraction
    seen_s: Fraction
    may_s: Fraction


@dataclass(frozen=True)
class Part:
    """A span in which a brand is not in full view, and may still be read. Half-open."""

    brand: str
    start_s: Fraction
    end_s: Fraction


def stays_of(ledger: Ledger) -> tuple[tuple[Stay, ...], tuple[Part, ...]]:
    """The stays, by brand and start, and where brands are to be seen in part or are covered."""
    brands: dict[str, list[dict[int, View]]] = {}
    for (brand, _), views in sorted(ledger.views.items()):
        brands.setdefault(brand, []).append(views)
    stays: list[Stay] = []
    parts: list[Part] = []
    for brand, marks in brands.items():
        seen = {frame for views in marks for frame, view in views.items() if view.counts}
        may = {frame for views in marks for frame, view in views.items() if view.counts or view.optional or view.hidden}
        stayed = {frame for views in marks for frame in _stayed(views, ledger.scenes, ledger.fps)}
        for run in _runs(sorted(stayed), ledger.scenes):
            counted, perhaps = (sum(frame in frames for frame in run) / ledger.fps for frames in (seen, may))
            stays.append(Stay(brand, run[0] / ledger.fps, (run[-1] + 1) / ledger.fps, counted, perhaps))
        parts += [
            Part(brand, run[0] / ledger.fps, (run[-1] + 1) / ledger.fps)
            for run in _runs(sorted(may - seen), ledger.scenes)
        ]
    return tuple(stays), tuple(parts)


def write(stays: Sequence[Stay], parts: Sequence[Part], folder: Path) -> None:
    """`truth_stays.csv` and `truth_parts.csv` into the folder."""
    with (folder / "truth_stays.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["brand", "start_s", "end_s", "seen_s", "may_s"])
        for one in stays:
            table.writerow(
                [one.brand, *(f"{float(value):.6g}" for value in (one.start_s, one.end_s, one.seen_s, one.may_s))]
            )
    with (folder / "truth_parts.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["brand", "start_s", "end_s"])
        for part in parts:
            table.writerow([part.brand, f"{float(part.start_s):.6g}", f"{float(part.end_s):.6g}"])


def _stayed(views: dict[int, View], scenes: Sequence[int], fps: Fraction) -> set[int]:
    """The frames in which a mark counts, and those between in which it is covered or lost for a moment.

    Uncovered for a moment only, shorter than `MIN_STAY_MS`, before or after it is covered, it does not count.
    """
    chains: list[list[list[int]]] = []
    for run in _runs(sorted(frame for frame, view in views.items() if view.counts), scenes):
        if chains and _goes_on(chains[-1][-1][-1], run[0], views, scenes, fps):
            chains[-1].append(run)
        else:
            chains.append([run])
    stayed: set[int] = set()
    for chain in chains:
        while len(chain) > 1 and len(chain[0]) * 1000 / fps < MIN_STAY_MS:
            chain.pop(0)
        while len(chain) > 1 and len(chain[-1]) * 1000 / fps < MIN_STAY_MS:
            chain.pop()
        stayed.update(range(chain[0][0], chain[-1][-1] + 1))
    return stayed


def _goes_on(one: int, other: int, views: dict[int, View], scenes: Sequence[int], fps: Fraction) -> bool:
    """Whether a mark that counts in two frames stays in between, where it does not count."""
    between = range(one + 1, other)
    covered = all(frame in views and views[frame].hidden for frame in between)
    away_ms = len(between) * 1000 / fps
    return scenes[one] == scenes[other] and away_ms < (MAX_HIDDEN_MS if covered else MAX_BRIDGED_MS)


def _runs(frames: Sequence[int], scenes: Sequence[int]) -> list[list[int]]:
    """Frames that follow each other within a scene."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and runs[-1][-1] == frame - 1 and scenes[frame - 1] == scenes[frame]:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
