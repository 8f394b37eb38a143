"""The edges of exposures that lie between two samples, and exposures with the times that were looked up for them.

How an edge is looked up is in `mpr_assets.report.edges`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from gpu_service.boxes import XYWH, overlaps

Side: TypeAlias = Literal["start", "end"]


@dataclass(frozen=True)
class Edge:
    """A start or an end that lies between two samples.

    Attributes:
        chunk: its number.
        brand: whose exposure it is of.
        found_pts: the sample in which the brand was found, and `boxes` where, in px of a frame `width_px` wide.
        beyond_pts: the neighbouring sample, earlier or later, in which it was not; None: the chunk ends first.
    """

    side: Side
    chunk: int
    found_pts: int
    beyond_pts: int | None
    boxes: tuple[XYWH, ...]
    width_px: int
    brand: str


@dataclass(frozen=True)
class EdgeTime:
    """Where an edge is on the timeline's clock, and how far off that may be."""

    at_ms: int
    uncertainty_ms: int


Refine: TypeAlias = Callable[[Sequence[Edge]], list[EdgeTime | None]]
"""Looks edges up; None where nothing more can be said of one than what the samples say."""


def refined(stays: pl.DataFrame, found: pl.DataFrame, frames: pl.DataFrame, refine: Refine) -> pl.DataFrame:
    """The stays with their starts and ends looked up; those that are exact stay as they are.

    Each is looked for up to the neighbouring sample, so that no stay reaches into another one of its brand.

    Args:
        stays: rows (brand, chunk, start_ms, end_ms, start_uncertainty_ms, end_uncertainty_ms, first_seq,
            first_found_on, last_seq, last_found_on), and any others.
        found: detections with a brand. frames: rows of `extract_frames`.
    """
    columns = {
        name: stays[name].to_list() for side in ("start", "end") for name in (f"{side}_ms", f"{side}_uncertainty_ms")
    }
    edges = list(_edges(stays, found, frames))
    times = refine([edge for _, edge in edges])
    for (row, edge), time in zip(edges, times, strict=True):
        if time is not None:
            columns[f"{edge.side}_ms"][row] = time.at_ms
            columns[f"{edge.side}_uncertainty_ms"][row] = time.uncertainty_ms
    return stays.with_columns(pl.Series(name, values, dtype=pl.Int64) for name, values in columns.items())


SIDES: tuple[tuple[Side, int, str, str], ...] = (("start", -1, "first", "before"), ("end", 1, "last", "after"))
"""Each side's way on, the sample it is at, and the neighbouring stay there."""


def _edges(stays: pl.DataFrame, found: pl.DataFrame, frames: pl.DataFrame) -> Iterator[tuple[int, Edge]]:
    """The edges to look up, each with the row of its stay."""
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
            place = places[stay[f"{end}_seq"]]
            _, chunk, found_pts, width_px = samples[place]
            beyond = place + sign
            in_chunk = 0 <= beyond < len(samples) and samples[beyond][1] == chunk
            is_open = samples[beyond][0] != stay[other] if in_chunk else side == "end"
            if stay[f"{side}_uncertainty_ms"] and is_open:
                beyond_pts = samples[beyond][2] if in_chunk else None
                marks = boxes[stay["brand"], stay[f"{end}_found_on"]]
                yield stay["row"], Edge(side, chunk, found_pts, beyond_pts, marks, width_px, stay["brand"])


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
