"""Which of the frames that a brand was found on are of one unbroken stay. What a stay adds up to is in `exposures`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import polars as pl

from gpu_service.boxes import XYWH, iou
from mpr_assets.report.tracks import Bridge

SAME_PLACE = 0.5
"""Intersection over union from which a mark on either side of a cut stands at its place."""


def number_stays(held: pl.DataFrame, bridges: Iterable[Bridge], found: pl.DataFrame) -> pl.DataFrame:
    """Adds `stay`, a number that the rows of one unbroken stay of a brand share, and `gap_ms`, bridged before each.

    Args:
        held: rows (brand, chunk, shot, found_on, start_ms, end_ms), and any others: a brand on a frame.
        bridges: of `tracks.follow`. found: the detections, rows (brand, seq, x, y, w, h).
    """
    before = {"shot_before": "shot", "before": "found_on", "end_before_ms": "end_ms"}
    ordered = held.sort("brand", "start_ms", "found_on").with_columns(
        pl.col(name).shift(1).over("brand", "chunk").alias(alias) for alias, name in before.items()
    )
    ordered = ordered.with_row_index("row").with_columns(gap_ms=pl.col("start_ms") - pl.col("end_before_ms"))
    in_shot, touches = pl.col("shot") == pl.col("shot_before"), pl.col("gap_ms") <= 0
    crossed = _crossed(ordered.filter(in_shot & ~touches), bridges)
    stay_put = _laid_over(ordered.filter(~in_shot & touches), found)
    joined = ((in_shot & touches) | pl.col("row").is_in([*crossed, *stay_put])).fill_null(False)
    return ordered.with_columns(stay=(~joined).cast(pl.Int64).cum_sum(), gap_ms=pl.when(joined).then("gap_ms"))


def _laid_over(cuts: pl.DataFrame, found: pl.DataFrame) -> list[int]:
    """The rows, of those that touch the row before over a cut, in which a mark of the brand stays at its place."""
    rows = cuts.select("row", "brand", "before", "found_on").rows()
    wanted = {key for _, brand, before, found_on in rows for key in ((brand, before), (brand, found_on))}
    boxes: dict[tuple[str, int], list[XYWH]] = {}
    for brand, seq, *box in found.select("brand", "seq", "x", "y", "w", "h").iter_rows():
        if (brand, seq) in wanted:
            boxes.setdefault((brand, seq), []).append((box[0], box[1], box[2], box[3]))
    return [
        row
        for row, brand, before, found_on in rows
        if any(iou(one, other) >= SAME_PLACE for one in boxes[brand, before] for other in boxes[brand, found_on])
    ]


def _crossed(gaps: pl.DataFrame, bridges: Iterable[Bridge]) -> list[int]:
    """The gaps, by row, that a mark bridges: seen before the gap and after it, and not away for longer than allowed."""
    furthest: dict[tuple[str, int, int, int], tuple[list[int], list[int]]] = {}
    for one in sorted(bridges, key=lambda one: one.from_seq):
        starts, ends = furthest.setdefault((one.brand, one.chunk, one.shot, one.limit_ms), ([], []))
        starts.append(one.from_seq)
        ends.append(max(one.to_seq, ends[-1] if ends else one.to_seq))
    limits = sorted({limit for *_, limit in furthest})
    columns = ("row", "brand", "chunk", "shot", "before", "found_on", "gap_ms")
    return [
        row
        for row, brand, chunk, shot, before, after, gap_ms in gaps.select(columns).iter_rows()
        if any(
            gap_ms <= limit and _reaches(furthest.get((brand, chunk, shot, limit)), before, after) for limit in limits
        )
    ]


def _reaches(bridges: tuple[list[int], list[int]] | None, before: int, after: int) -> bool:
    """Whether one begins at or before a frame and ends at or after another; given: starts, and the furthest ends."""
    if bridges is None:
        return False
    number = bisect_right(bridges[0], before)
    return number > 0 and bridges[1][number - 1] >= after
