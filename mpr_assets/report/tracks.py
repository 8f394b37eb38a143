"""Marks followed over the kept frames of a shot: which detections of a brand are of one and the same mark.

Part of how exposures are made; see `mpr_assets.report.exposures` for what time a track bridges. The camera's motion
comes from `mpr_assets.report.camera`. Lines of text come with tracks of their own, which hold here too.

Why this is not a library: ByteTrack and its kin (`trackers`) wait for a lost box in frames of full-rate video and
associate by overlap; at two samples a second a mark on a shirt overlaps nothing, and boards leave with the camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from math import hypot, inf, log2, sqrt
from typing import TypeAlias

import numpy as np
import polars as pl

from gpu_service.boxes import XYWH, overlaps, shared_area
from mpr_assets.report.assignment import both_ways
from mpr_assets.report.camera import Motion
from mpr_resources.brands.folding import fold_key

NEAR = 3.0
"""How far from where it is expected a mark may be found after a short gap, in square roots of its area. No measurement
is known."""
STEADY = 1.0
"""The same after a gap that only a mark that is hidden explains."""
MAX_GROWTH = 3.0
"""Ratio of the square roots of two boxes' areas above which they are not of one mark."""
IN_VIEW = 0.5
"""Less of a mark's box than this inside the frame, and it has left."""
WAIT_COST = 0.1
"""For each second that a mark was away: of two that fit alike, the one seen last goes on."""

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Looked:
    """A frame in which marks were looked for: kept, or with detections of its own. `start_ms`: from which it counts."""

    seq: int
    start_ms: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class TrackedMark:
    """A brand's mark in one frame: what was found at one place.

    Attributes:
        at: the frame's number among those of its shot.
        box: of its surest detection.
        rows: numbers of its detections.
        lines: tracks of the lines of text among them.
        texts: what was read, folded.
    """

    brand: str
    at: int
    box: XYWH
    rows: tuple[int, ...]
    lines: frozenset[int]
    texts: frozenset[str]

    @cached_property
    def centre(self) -> Point:
        x, y, w, h = self.box
        return x + w / 2, y + h / 2

    @cached_property
    def size_px(self) -> float:
        return max(1.0, sqrt(self.box[2] * self.box[3]))


@dataclass(frozen=True)
class AwayLimits:
    """How long a mark may be away: `near_ms` wherever it comes back near, `hidden_ms` where it is steady."""

    near_ms: int
    hidden_ms: int


@dataclass(frozen=True)
class Bridge:
    """A mark that is away for some frames of a shot and comes back: the frames before and after, how long it may be."""

    brand: str
    chunk: int
    shot: int
    from_seq: int
    to_seq: int
    limit_ms: int


@dataclass(frozen=True)
class Tracks:
    """`marks`: the number of each detection's mark, in the order of the detections; -1: on a frame not looked at."""

    marks: tuple[int, ...]
    bridges: tuple[Bridge, ...]


def follow(found: pl.DataFrame, looked: pl.DataFrame, reach: AwayLimits, motion: Motion) -> Tracks:
    """Follow each brand's marks forwards and backwards through every shot.

    A link of two marks of different frames is proposed where the one is found near the place at which the other is
    expected: where it was, where the whole picture has moved it, or where its own last step takes it on. Of the links
    that the two directions propose, those stand first that both do, then the nearer ones. A mark that is expected
    outside the frame in between has left, and one in whose place another brand stands has been replaced.

    Args:
        found: detections with a brand: rows (seq, brand, x, y, w, h, confidence, text, track), in any order.
        looked: rows (seq, chunk, shot, start_ms, width_px, height_px) of the frames that were looked at, in the
            timeline's order.
        reach: how long marks may be away.
        motion: of the picture between neighbours of one shot.
    """
    marks = np.full(len(found), -1, np.int64)
    bridges: list[Bridge] = []
    count = 0
    for (chunk, shot), frames, rows in _by_shot(found, looked):
        view = _Shot(frames, rows, motion, reach)
        for brand, own in view.brands.items():
            links = both_ways(own, [mark.at for mark in own], view.cost, view.is_lost)
            before = {second: first for first, second in links}
            numbers: dict[int, int] = {}
            for place, mark in enumerate(own):
                if place in before:
                    numbers[place] = numbers[before[place]]
                else:
                    numbers[place], count = count, count + 1
                marks[list(mark.rows)] = numbers[place]
            for first, second in links:
                one, other = own[first], own[second]
                if other.at - one.at > 1:
                    seqs = frames[one.at].seq, frames[other.at].seq
                    bridges.append(Bridge(brand, chunk, shot, *seqs, view.limit_ms(one, other)))
    return Tracks(tuple(marks.tolist()), tuple(bridges))


Row: TypeAlias = tuple[int, int, str, int, int, int, int, float, str, int | None]
"""Number, seq, brand, x, y, w, h, confidence, text, track."""


def _by_shot(found: pl.DataFrame, looked: pl.DataFrame) -> Iterator[tuple[tuple[int, int], list[Looked], list[Row]]]:
    """Of each shot with detections: chunk and number, its frames, and the detections by brand, frame and confidence."""
    where = looked.with_row_index("at").select("seq", "chunk", "shot", "at")
    columns = ["row", "seq", "brand", "x", "y", "w", "h", "confidence", "text", "track"]
    placed = (
        found.with_row_index("row")
        .join(where, on="seq", how="inner")
        .sort(
            "chunk", "shot", "brand", "at", "confidence", "x", "y", "row", descending=[False] * 4 + [True] + [False] * 3
        )
    )
    rows_of = {
        key: list(group)
        for key, group in groupby(placed.select("chunk", "shot", *columns).iter_rows(), key=lambda row: row[:2])
    }
    frames = looked.select("chunk", "shot", "seq", "start_ms", "width_px", "height_px").iter_rows()
    for key, group in groupby(frames, key=lambda row: row[:2]):
        rows = rows_of.get(key)
        if rows:
            yield key, [Looked(*row[2:]) for row in group], [row[2:] for row in rows]


class _Shot:
    """The frames of one shot, what was found in them, and what it costs to take two marks for one."""

    def __init__(self, frames: Sequence[Looked], rows: Sequence[Row], motion: Motion, reach: AwayLimits) -> None:
        self._frames, self._motion, self._reach = frames, motion, reach
        at = {frame.seq: place for place, frame in enumerate(frames)}
        self.brands: dict[str, list[TrackedMark]] = {}
        self._in_frame: dict[int, list[TrackedMark]] = {}
        for (brand, seq), group in groupby(rows, key=lambda row: (row[2], row[1])):
            for mark in _marks(brand, at[seq], list(group)):
                self.brands.setdefault(brand, []).append(mark)
                self._in_frame.setdefault(mark.at, []).append(mark)

    def limit_ms(self, one: TrackedMark, other: TrackedMark) -> int:
        """How long the earlier mark may be away before it is found as the later one."""
        if one.lines & other.lines or self._distance(one, other, None) <= STEADY:
            return max(self._reach.near_ms, self._reach.hidden_ms)
        return self._reach.near_ms

    def cost(self, first: TrackedMark, second: TrackedMark, before: TrackedMark | None) -> float:
        """How unlike one mark the two are, which may be in either order; `before`: the first's neighbour beyond it.

        Infinite where they are not one.
        """
        one, other = (first, second) if first.at < second.at else (second, first)
        away_ms = self._away_ms(one, other)
        wait = WAIT_COST * away_ms / 1000
        if one.lines & other.lines:
            return wait
        growth = abs(log2(second.size_px / first.size_px))
        if growth > log2(MAX_GROWTH):
            return inf
        distance = self._distance(first, second, before)
        if distance > (NEAR if away_ms <= self._reach.near_ms else STEADY):
            return inf
        if away_ms and self._gone(one, other, before is not None and self._is_laid_over(before, first)):
            return inf
        return distance + growth / 2 + wait

    def _distance(self, first: TrackedMark, second: TrackedMark, before: TrackedMark | None) -> float:
        """Between where the second is and where the first leads to expect it, in square roots of their areas."""
        size_px = sqrt(first.size_px * second.size_px)
        (x0, y0), (x1, y1) = first.centre, second.centre
        right, down = x1 - x0, y1 - y0
        nearest = hypot(right, down)
        if nearest > STEADY / 2 * size_px:
            moved = self._moved(first.at, second.at)
            if moved is not None:
                nearest = min(nearest, hypot(right - moved[0], down - moved[1]))
            if before is not None:
                steps = (self._ms(second) - self._ms(first)) / (self._ms(first) - self._ms(before))
                own = steps * (x0 - before.centre[0]), steps * (y0 - before.centre[1])
                nearest = min(nearest, hypot(right - own[0], down - own[1]))
        return nearest / size_px

    def is_lost(self, end: TrackedMark, mark: TrackedMark) -> bool:
        """Whether a track that ends with one mark is over when the other, earlier or later, is seen."""
        return self._away_ms(*sorted((end, mark), key=lambda one: one.at)) > max(
            self._reach.near_ms, self._reach.hidden_ms
        )

    def _away_ms(self, one: TrackedMark, other: TrackedMark) -> int:
        return self._frames[other.at].start_ms - self._frames[one.at + 1].start_ms

    def _ms(self, mark: TrackedMark) -> int:
        return self._frames[mark.at].start_ms

    def _steps(self, start: int, end: int) -> list[Point | None]:
        """How far the picture moves from each frame of a stretch to the next."""
        return [self._motion(one.seq, other.seq) for one, other in pairwise(self._frames[start : end + 1])]

    def _moved(self, start: int, end: int) -> Point | None:
        """How far the picture moves from one frame to another, earlier or later; None where that cannot be told."""
        right = down = 0.0
        for step in self._steps(min(start, end), max(start, end)):
            if step is None:
                return None
            right, down = right + step[0], down + step[1]
        return (right, down) if start < end else (-right, -down)

    def _gone(self, one: TrackedMark, other: TrackedMark, overlaid: bool) -> bool:
        """Whether the mark cannot have been there between the two: it was out of the frame, or another took its place.

        `overlaid`: it is laid over the picture, and does not leave with it.
        """
        replaced = 0
        for at, place in self._expected(one, other, overlaid=overlaid):
            frame = self._frames[at]
            inside = shared_area(place, (0, 0, frame.width_px, frame.height_px))
            if inside < IN_VIEW * place[2] * place[3]:
                return True
            replaced += any(
                mark.brand != one.brand and _takes_place(mark, place, one.texts | other.texts)
                for mark in self._in_frame.get(at, ())
            )
        return 2 * replaced > other.at - one.at - 1

    def _is_laid_over(self, before: TrackedMark, one: TrackedMark) -> bool:
        """Whether the picture moved between two places of a mark, and the mark did not."""
        moved = self._moved(before.at, one.at)
        if moved is None or hypot(*moved) < one.size_px / 2:
            return False
        return hypot(one.centre[0] - before.centre[0], one.centre[1] - before.centre[1]) < hypot(*moved) / 4

    def _expected(self, one: TrackedMark, other: TrackedMark, *, overlaid: bool) -> Iterator[tuple[int, XYWH]]:
        """The boxes in the frames between two: what either leads to expect, the nearer one more so."""
        path = [(0.0, 0.0)]
        for step in self._steps(one.at, other.at):
            if step is None or overlaid:
                path = [(0.0, 0.0)] * (other.at - one.at + 1)
                break
            path.append((path[-1][0] + step[0], path[-1][1] + step[1]))
        (right, down), (x0, y0), (x1, y1) = path[-1], one.centre, other.centre
        for at in range(one.at + 1, other.at):
            share = (at - one.at) / (other.at - one.at)
            across, along = path[at - one.at]
            x = (1 - share) * (x0 + across) + share * (x1 - right + across)
            y = (1 - share) * (y0 + along) + share * (y1 - down + along)
            w, h = ((1 - share) * one.box[side] + share * other.box[side] for side in (2, 3))
            yield at, (round(x - w / 2), round(y - h / 2), max(1, round(w)), max(1, round(h)))


def _marks(brand: str, at: int, rows: Sequence[Row]) -> list[TrackedMark]:
    """A brand's marks in one frame: detections that overlap are of one, whose box is that of the surest."""
    places: list[tuple[XYWH, list[Row]]] = []
    for row in rows:
        box = row[3], row[4], row[5], row[6]
        for place, members in places:
            if overlaps(place, box):
                members.append(row)
                break
        else:
            places.append((box, [row]))
    return [
        TrackedMark(
            brand,
            at,
            box,
            tuple(row[0] for row in members),
            frozenset(row[9] for row in members if row[9] is not None),
            frozenset(fold_key(row[8]) for row in members if row[8]),
        )
        for box, members in places
    ]


def _takes_place(mark: TrackedMark, place: XYWH, texts: frozenset[str]) -> bool:
    """Whether another brand's mark stands in a place, as high as what is expected there, and not as a part of it."""
    if any(one in other or other in one for one in texts for other in mark.texts):
        return False
    higher, lower = sorted((mark.box[3], place[3]), reverse=True)
    return overlaps(mark.box, place) and higher <= 2 * lower
