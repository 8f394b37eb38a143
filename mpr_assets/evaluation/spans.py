"""Exposures against the truth in time: on a grid, by event, by temporal overlap, and how far edges are off.

Everything here is of one brand; what brands add up to is in `figures`. All times are whole milliseconds of one clock,
spans are half-open. A truth that is *optional* can be found and not missed.

- Grid: cells of `GRID_MS`, as the segment-based metrics of sed_eval (Mesaros et al. 2016, "Metrics for polyphonic sound
  event detection"), with a tolerance at the edges of the truth, which are set by eye.
- Events: the event-based metrics of sed_eval with optimal matching. A found one matches where its start is within the
  collar of the true one's, and its end within the collar or a share of the true one's length, whichever is more.
- Average precision over thresholds of temporal intersection over union: as ActivityNet's `eval_detection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

GRID_MS = 100
TIOU = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Thresholds of temporal intersection over union: 0.5 to 0.95."""

Cells: TypeAlias = NDArray[np.bool_]


class TruthSpan(NamedTuple):
    """When a brand is on screen, as a row of the truth says. `optional`: it may be missed."""

    start_ms: int
    end_ms: int
    optional: bool = False


class FoundSpan(NamedTuple):
    """An exposure. `confidence`: 0 to 1; what is surest comes first in average precision."""

    start_ms: int
    end_ms: int
    confidence: float = 1.0


@dataclass(frozen=True)
class GridCounts:
    """Time in ms that is there (`present`), found of it, missed of it, and claimed where nothing is."""

    present_ms: int = 0
    found_ms: int = 0
    missed_ms: int = 0
    false_ms: int = 0


class GridCells(NamedTuple):
    """Cells of the grid, each shape (cells,): in which a brand must be found, may be found, and is found."""

    must: Cells
    may: Cells
    have: Cells


@dataclass(frozen=True)
class EventCounts:
    """True events, found ones that count, and how many match."""

    events: int = 0
    found: int = 0
    matched: int = 0


@dataclass(frozen=True)
class EdgeErrors:
    """How far starts and ends of what was found are from the truth's, in ms, all at least 0."""

    starts_ms: tuple[int, ...] = ()
    ends_ms: tuple[int, ...] = ()


@dataclass(frozen=True)
class Event:
    """An unbroken true stay `[start_ms, end_ms)`. Optional ones that adjoin let it begin and end anywhere between
    `earliest_ms` and its start, its end and `latest_ms`."""

    start_ms: int
    end_ms: int
    earliest_ms: int
    latest_ms: int

    def snapped(self, found: FoundSpan) -> tuple[int, int]:
        """The found span, its edges moved onto the event's where they lie in what is optional."""
        start_ms, end_ms = found.start_ms, found.end_ms
        return (
            self.start_ms if self.earliest_ms <= start_ms <= self.start_ms else start_ms,
            self.end_ms if self.end_ms <= end_ms <= self.latest_ms else end_ms,
        )


def grid_counts(
    truth: Sequence[TruthSpan], found: Sequence[FoundSpan], length_ms: int, tolerance_ms: int
) -> GridCounts:
    """Compare on the grid.

    Args:
        tolerance_ms: so near to either side of a true edge nothing is missed and nothing is claimed wrongly; of a true
            span that is not longer than twice as much all must be found.
        length_ms: of the timeline.
    """
    cells = grid_cells(truth, found, length_ms, tolerance_ms)
    hit = int((cells.must & cells.have).sum())
    present, false = int(cells.must.sum()), int((cells.have & ~cells.may).sum())
    return GridCounts(present * GRID_MS, hit * GRID_MS, (present - hit) * GRID_MS, false * GRID_MS)


def grid_cells(truth: Sequence[TruthSpan], found: Sequence[FoundSpan], length_ms: int, tolerance_ms: int) -> GridCells:
    """Both laid on the grid; see `grid_counts`."""
    size = -(-length_ms // GRID_MS)
    must, may, have = (np.zeros(size, np.bool_) for _ in range(3))
    for start_ms, end_ms, optional in truth:
        _fill(may, start_ms - tolerance_ms, end_ms + tolerance_ms)
        if not optional:
            edge_ms = min(tolerance_ms, (end_ms - start_ms) / 2)
            if not _fill(must, start_ms + edge_ms, end_ms - edge_ms):
                _fill(must, start_ms, end_ms)
    for one in found:
        _fill(have, one.start_ms, one.end_ms)
    return GridCells(must, may, have)


def _fill(cells: Cells, start_ms: float, end_ms: float) -> bool:
    """Set the cells whose middle lies in `[start_ms, end_ms)`; gives whether there is one."""
    half = GRID_MS / 2
    first, end = (max(int(np.ceil((edge - half) / GRID_MS)), 0) for edge in (start_ms, end_ms))
    cells[first:end] = True
    return first < end


def events_of(truth: Sequence[TruthSpan]) -> list[Event]:
    """The unbroken stays that must be found, in order: true spans that touch are one."""
    required = _joined([one for one in truth if not one.optional])
    optional = _joined([one for one in truth if one.optional])
    events = []
    for start_ms, end_ms in required:
        earliest_ms = min((a for a, b in optional if a <= start_ms <= b), default=start_ms)
        latest_ms = max((b for a, b in optional if a <= end_ms <= b), default=end_ms)
        events.append(Event(start_ms, end_ms, min(earliest_ms, start_ms), max(latest_ms, end_ms)))
    return events


def event_counts(
    truth: Sequence[TruthSpan], found: Sequence[FoundSpan], collar_ms: int, length_share: float
) -> EventCounts:
    """Match found spans to true events, as many as can be, each once.

    A found one that matches nothing does not count where most of it lies in what is optional.

    Args:
        collar_ms: how far a start, and an end, may be off.
        length_share: of the true event's length, how far its end may be off where that is more.
    """
    events = events_of(truth)
    near = [
        [
            place
            for place, event in enumerate(events)
            for start_ms, end_ms in [event.snapped(one)]
            if abs(start_ms - event.start_ms) <= collar_ms
            and abs(end_ms - event.end_ms) <= max(collar_ms, length_share * (event.end_ms - event.start_ms))
        ]
        for one in found
    ]
    matched = set(_matching(near, len(events)))
    counted = [place for place, one in enumerate(found) if place in matched or not _excused(one, truth)]
    return EventCounts(len(events), len(counted), len(matched))


def _matching(near: Sequence[Sequence[int]], size: int) -> list[int]:
    """The places of a largest matching of a bipartite graph, by augmenting paths (Kuhn 1955)."""
    owner: list[int | None] = [None] * size

    def take(place: int, seen: set[int]) -> bool:
        for at in near[place]:
            if at not in seen:
                seen.add(at)
                other = owner[at]
                if other is None or take(other, seen):
                    owner[at] = place
                    return True
        return False

    for place in range(len(near)):
        take(place, set())
    return [place for place in owner if place is not None]


def average_precisions(
    truth: Sequence[TruthSpan], found: Sequence[FoundSpan], thresholds: Sequence[float] = TIOU
) -> NDArray[np.float64] | None:
    """Average precision at each threshold, shape (thresholds,), 0 to 1; None where nothing must be found.

    The surest found span chooses first, the true event with which it overlaps most of those not taken yet. Precision is
    interpolated: at a recall the highest of that recall or more. One that matches nothing does not count where most of
    it lies in what is optional.
    """
    events = events_of(truth)
    if not events:
        return None
    ordered = sorted(found, key=lambda one: (-one.confidence, one.start_ms, one.end_ms))
    overlaps = np.array([[_tiou(event.snapped(one), event) for event in events] for one in ordered])
    excused = np.array([_excused(one, truth) for one in ordered], np.bool_)
    return np.array([_average_precision(overlaps, excused, len(events), one) for one in thresholds])


def _average_precision(overlaps: NDArray[np.float64], excused: Cells, events: int, threshold: float) -> float:
    taken = np.zeros(events, np.bool_)
    right = np.zeros(len(overlaps), np.bool_)
    for place, row in enumerate(overlaps):
        open_ = np.where(taken, -1.0, row)
        best = int(open_.argmax())
        if open_[best] >= threshold:
            taken[best] = right[place] = True
    right = right[right | ~excused]
    hits = np.cumsum(right)
    precision = np.concatenate([[0.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    recall = np.concatenate([[0.0], hits / events, [1.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(np.diff(recall)) + 1
    return float(((recall[steps] - recall[steps - 1]) * precision[steps]).sum())


def _tiou(span: tuple[int, int], event: Event) -> float:
    together = max(0, min(span[1], event.end_ms) - max(span[0], event.start_ms))
    return together / (span[1] - span[0] + event.end_ms - event.start_ms - together)


def edge_errors(
    truth: Sequence[TruthSpan], found: Sequence[FoundSpan], length_ms: int, tolerance_ms: int
) -> EdgeErrors:
    """Compare the edges of true spans with those of the found ones that overlap them.

    Left out: optional ones, edges within a cell of the grid of the timeline's own, and edges beside which, within the
    tolerance, another true span of the brand says that it is still there. Where several found ones overlap a true one,
    its start is the first one's and its end the last one's; one that reaches back over a gap to an earlier true span is
    as wrong as the gap is long. A true span that nothing overlaps was missed and has no edges.
    """
    starts, ends = [], []
    for place, row in enumerate(truth):
        over = [one for one in found if one.start_ms < row.end_ms and one.end_ms > row.start_ms]
        if row.optional or not over:
            continue
        others = [one for other, one in enumerate(truth) if other != place]
        before_it = any(
            one.start_ms < row.start_ms - GRID_MS and one.end_ms > row.start_ms - tolerance_ms for one in others
        )
        after_it = any(one.end_ms > row.end_ms + GRID_MS and one.start_ms < row.end_ms + tolerance_ms for one in others)
        if row.start_ms > GRID_MS and not before_it:
            before_ms = max((one.end_ms for one in others if one.end_ms <= row.start_ms), default=0)
            starts.append(abs(row.start_ms - max(min(one.start_ms for one in over), before_ms)))
        if row.end_ms < length_ms - GRID_MS and not after_it:
            after_ms = min((one.start_ms for one in others if one.start_ms >= row.end_ms), default=length_ms)
            ends.append(abs(row.end_ms - min(max(one.end_ms for one in over), after_ms)))
    return EdgeErrors(tuple(starts), tuple(ends))


def is_known(truth: Sequence[TruthSpan], at_ms: int) -> bool:
    """Whether a find at a time is right or wrong: not where it may be found and need not."""
    required = any(one.start_ms <= at_ms < one.end_ms for one in truth if not one.optional)
    return required or not any(one.start_ms <= at_ms < one.end_ms for one in truth if one.optional)


def is_there(truth: Sequence[TruthSpan], at_ms: int, tolerance_ms: int) -> bool:
    """Whether the brand is on screen at a time, or was, or will be, within the tolerance."""
    return any(one.start_ms - tolerance_ms <= at_ms < one.end_ms + tolerance_ms for one in truth)


def _excused(found: FoundSpan, truth: Sequence[TruthSpan]) -> bool:
    """Whether at least half of it lies in what is optional."""
    inside = [
        max(0, min(found.end_ms, end_ms) - max(found.start_ms, start_ms))
        for start_ms, end_ms in _joined([one for one in truth if one.optional])
    ]
    return 2 * sum(inside) >= found.end_ms - found.start_ms


def _joined(spans: Sequence[TruthSpan]) -> list[tuple[int, int]]:
    """Their union, as spans in order that do not touch."""
    joined: list[tuple[int, int]] = []
    for start_ms, end_ms, _ in sorted(spans):
        if joined and start_ms <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end_ms)
        else:
            joined.append((start_ms, end_ms))
    return joined


def all_edges(errors: Sequence[EdgeErrors]) -> EdgeErrors:
    """Those of several brands, or timelines, together."""
    return EdgeErrors(
        tuple(chain.from_iterable(one.starts_ms for one in errors)),
        tuple(chain.from_iterable(one.ends_ms for one in errors)),
    )
