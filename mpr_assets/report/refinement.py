"""The edges of exposures that lie between two samples, and exposures with the times that were looked up for them.

How an edge is looked up is in `mpr_assets.report.edges`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

import polars as pl

from gpu_service.boxes import XYWH, overlaps

Side: TypeAlias = Literal["start", "end"]


@dataclass(frozen=True)
class Edge:
    """A start or an end that lies between two samples.

    Attributes:
        chunk: its number.
        found_pts: the sample in which the brand was found, and `boxes` where, in px of a frame `width_px` wide.
        beyond_pts: the neighbouring sample, earlier or later, in which it was not; None: the chunk ends first.
    """

    side: Side
    chunk: int
    found_pts: int
    beyond_pts: int | None
    boxes: tuple[XYWH, ...]
    width_px: int


@dataclass(frozen=True)
class EdgeTime:
    """Where an edge is on the timeline's clock, and how far off that may be.

    `is_beyond`: the sample beyond shows the mark too.
    """

    at_ms: int
    uncertainty_ms: int
    is_beyond: bool = False


Refine: TypeAlias = Callable[[Sequence[Edge]], list[EdgeTime | None]]
"""Looks edges up; None where nothing more can be said of one than what the samples say."""

MOST_SAMPLES = 3
"""So many samples in which a mark was not found are looked at before or after it, where its pixels are in them."""


def refined(stays: pl.DataFrame, found: pl.DataFrame, frames: pl.DataFrame, refine: Refine) -> pl.DataFrame:
    """The stays with their starts and ends looked up; those that are exact stay as they are.

    A stay does not reach into another one of its brand.

    Args:
        stays: rows (brand, chunk, start_ms, end_ms, start_uncertainty_ms, end_uncertainty_ms, first_seq,
            first_found_on, last_seq, last_found_on), and any others.
        found: detections with a brand. frames: rows of `extract_frames`.
    """
    columns = {
        name: stays[name].to_list() for side in ("start", "end") for name in (f"{side}_ms", f"{side}_uncertainty_ms")
    }
    waiting = list(_edges(stays, found, frames))
    while waiting:
        times = refine([one.edge() for one in waiting])
        for one, time in zip(waiting, times, strict=True):
            if time is not None:
                columns[f"{one.side}_ms"][one.row] = time.at_ms
                columns[f"{one.side}_uncertainty_ms"][one.row] = time.uncertainty_ms
        waiting = [
            replace(one, beyond=one.beyond[1:])
            for one, time in zip(waiting, times, strict=True)
            if time is not None and time.is_beyond and len(one.beyond) > 1
        ]
    part(stays["brand"].to_list(), columns)
    return stays.with_columns(pl.Series(name, values, dtype=pl.Int64) for name, values in columns.items())


def part(brands: list[str], columns: dict[str, list[int]]) -> None:
    """Where two stays of a brand reach into each other, both end and start at the edge that is surer, the start where
    both are as sure: it is often a cut."""
    starts, ends = columns["start_ms"], columns["end_ms"]
    start_off, end_off = columns["start_uncertainty_ms"], columns["end_uncertainty_ms"]
    order = sorted(range(len(brands)), key=lambda row: (brands[row], starts[row], ends[row]))
    for one, following in pairwise(order):
        if brands[one] != brands[following] or ends[one] <= starts[following]:
            continue
        if start_off[following] <= end_off[one] or ends[one] >= ends[following]:
            ends[one], end_off[one] = starts[following], start_off[following]
        else:
            starts[following], start_off[following] = ends[one], end_off[one]


SIDES: tuple[tuple[Side, int, str, str], ...] = (("start", -1, "first", "before"), ("end", 1, "last", "after"))
"""Each side's way on, the sample it is at, and the neighbouring stay there."""


@dataclass(frozen=True)
class _Open:
    """An edge to look up: the row of its stay, and the pts of the samples beyond, the nearest first; none: the chunk
    ends."""

    row: int
    side: Side
    chunk: int
    found_pts: int
    beyond: tuple[int, ...]
    boxes: tuple[XYWH, ...]
    width_px: int

    def edge(self) -> Edge:
        beyond_pts = self.beyond[0] if self.beyond else None
        return Edge(self.side, self.chunk, self.found_pts, beyond_pts, self.boxes, self.width_px)


def _edges(stays: pl.DataFrame, found: pl.DataFrame, frames: pl.DataFrame) -> Iterator[_Open]:
    boxes = _boxes(stays, found)
    samples = frames.sort("chunk", "timeline_ms", "seq").select("seq", "chunk", "source_pts", "width_px").rows()
    places = {row[0]: place for place, row in enumerate(samples)}
    ordered = stays.with_row_index("row").sort("brand", "chunk", "start_ms")
    neighbours = ordered.with_columns(
        before=pl.col("last_seq").shift(1).over("brand", "chunk"),
        after=pl.col("first_seq").shift(-1).over("brand", "chunk"),
    )
    for stay in neighbours.iter_rows(named=True):
        for side, sign, end, other in SIDES:
            _, chunk, found_pts, width_px = samples[places[stay[f"{end}_seq"]]]
            beyond = []
            for step in range(1, MOST_SAMPLES + 1):
                place = places[stay[f"{end}_seq"]] + sign * step
                if not 0 <= place < len(samples) or samples[place][1] != chunk or samples[place][0] == stay[other]:
                    break
                beyond.append(samples[place][2])
            if stay[f"{side}_uncertainty_ms"] and (beyond or side == "end"):
                marks = boxes[stay["brand"], stay[f"{end}_found_on"]]
                yield _Open(stay["row"], side, chunk, found_pts, tuple(beyond), marks, width_px)


def _boxes(stays: pl.DataFrame, found: pl.DataFrame) -> dict[tuple[str, int], tuple[XYWH, ...]]:
    """The marks of each brand on the frames that its stays begin and end with, what was found twice once."""
    keys = pl.concat(stays.select("brand", pl.col(f"{end}_found_on").alias("seq")) for end in ("first", "last"))
    marks = found.join(keys.unique(), on=["brand", "seq"], how="semi").sort(
        "confidence", "x", "y", "w", "h", descending=[True, False, False, False, False]
    )
    boxes: dict[tuple[str, int], tuple[XYWH, ...]] = {}
    for brand, seq, x, y, w, h in marks.select("brand", "seq", "x", "y", "w", "h").iter_rows():
        others = boxes.setdefault((brand, seq), ())
        if w > 0 and h > 0 and not any(overlaps((x, y, w, h), other) for other in others):
            boxes[brand, seq] = (*others, (x, y, w, h))
    return boxes
