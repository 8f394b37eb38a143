"""Scores exposures against the stays of a drawn broadcast, which are exact; see `demo.stays`.

Split: exposures of one stay beyond the first, less those with a gap between them in which the mark was away for longer
than is bridged. Merged: stays beyond the first that one exposure reaches, where the brand was not to be seen at all for
half a second between them. Seconds: how far a brand's are from what is in full view, or from that and what is in part,
where they are more. Edges: of the stays that were found, how far the exposure's are off; one that lies where the mark
is seen in part is compared with where that begins or ends too.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

Span: TypeAlias = tuple[float, float]
ABSENT_S = 0.5
LEAST_S = 0.5
"""Shorter stays may be missed."""
TOUCHED_S = 0.2
"""An exposure that reaches less of a stay is not of it."""


@dataclass(frozen=True)
class Found:
    """An exposure, in seconds."""

    start_s: float
    end_s: float
    seen_s: float


@dataclass(frozen=True)
class StayScore:
    """Of one broadcast. `stays`, `found`: those that last `LEAST_S` or longer. `seconds_off_s`: by brand, how far its
    seconds are off, and how many exposures it has.
    """

    stays: int
    found: int
    exposures: int
    split: int
    merged: int
    seconds_off_s: dict[str, tuple[float, int]]
    edges_off_s: tuple[float, ...]
    said: tuple[str, ...]


def score_stays(folder: Path, exposures: Path) -> StayScore:
    """`folder` holds `truth_stays.csv` and `truth_parts.csv`; `exposures` is the report's exposures.csv."""
    stays, seen_s = _stays(folder / "truth_stays.csv")
    parts = _spans(folder / "truth_parts.csv")
    found = _found(exposures)
    length_s = max((end for spans in stays.values() for _, end in spans), default=0.0)
    split = merged = reached = 0
    edges: list[float] = []
    off: dict[str, tuple[float, int]] = {}
    said: list[str] = []
    for brand in sorted(stays.keys() | found.keys()):
        true, ours = stays.get(brand, []), found.get(brand, [])
        perhaps = parts.get(brand, [])
        for stay in true:
            of_it = [one for one in ours if _shared(stay, (one.start_s, one.end_s)) > TOUCHED_S]
            reached += bool(of_it) and stay[1] - stay[0] >= LEAST_S
            if len(of_it) > 1:
                split += len(of_it) - 1
                said.append(f"split: {brand} {stay} into {[(one.start_s, one.end_s) for one in of_it]}")
            if of_it:
                edges += _edges(stay, of_it, perhaps, true, length_s)
        for one in ours:
            of_it_stays = [stay for stay in true if _shared(stay, (one.start_s, one.end_s)) > TOUCHED_S]
            for before, after in pairwise(of_it_stays):
                if _absent_s((before[1], after[0]), perhaps) >= ABSENT_S:
                    merged += 1
                    said.append(f"merged: {brand} {before} and {after} in {(one.start_s, one.end_s)}")
        counted, least = sum(one.seen_s for one in ours), seen_s.get(brand, 0.0)
        most = least + sum(end - start for start, end in perhaps)
        off[brand] = max(least - counted, counted - most, 0.0), max(len(ours), len(true))
    return StayScore(
        sum(end - start >= LEAST_S for spans in stays.values() for start, end in spans),
        reached,
        sum(map(len, found.values())),
        split,
        merged,
        off,
        tuple(edges),
        tuple(said),
    )


def _edges(
    stay: Span, found: Sequence[Found], parts: Sequence[Span], stays: Sequence[Span], length_s: float
) -> list[float]:
    """How far off the start and the end are; those of the video's own, and those in another stay's reach, left out."""
    first, last = min(one.start_s for one in found), max(one.end_s for one in found)
    starts = [stay[0], *(part[0] for part in parts if abs(part[1] - stay[0]) < 0.05)]
    ends = [stay[1], *(part[1] for part in parts if abs(part[0] - stay[1]) < 0.05)]
    off = []
    if stay[0] > 0 and not any(other != stay and first < other[1] <= stay[0] for other in stays):
        off.append(0.0 if min(starts) <= first <= max(starts) else min(abs(first - at) for at in starts))
    if stay[1] < length_s and not any(other != stay and last > other[0] >= stay[1] for other in stays):
        off.append(0.0 if min(ends) <= last <= max(ends) else min(abs(last - at) for at in ends))
    return off


def _absent_s(gap: Span, parts: Sequence[Span]) -> float:
    """The longest time in a gap in which the brand is not to be seen at all."""
    at, longest = gap[0], 0.0
    for start, end in sorted(parts):
        if end > gap[0] and start < gap[1]:
            longest, at = max(longest, start - at), max(at, end)
    return max(longest, gap[1] - at)


def _shared(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def _spans(path: Path) -> dict[str, list[Span]]:
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            spans[row["brand"]].append((float(row["start_s"]), float(row["end_s"])))
    return spans


def _stays(path: Path) -> tuple[dict[str, list[Span]], dict[str, float]]:
    """The stays by brand, and the seconds in full view."""
    seen: defaultdict[str, float] = defaultdict(float)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            seen[row["brand"]] += float(row["seen_s"])
    return _spans(path), seen


def _found(path: Path) -> dict[str, list[Found]]:
    found: defaultdict[str, list[Found]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start_s, end_s, seen_s = (float(row[name]) / 1000 for name in ("start_ms", "end_ms", "seen_ms"))
            found[row["brand"]].append(Found(start_s, end_s, seen_s))
    return found
