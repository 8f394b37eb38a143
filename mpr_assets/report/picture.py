"""What the picture looks like and what moves in it over the timeline, as the report has it.

Who measures it: `mpr_assets.stages.visual_properties` and `mpr_assets.stages.motion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import polars as pl

from mpr_assets.report.model import LookSpan, MotionReport, MotionSpan

MOST_SPANS = 600
"""Of a report: as many as a lane has room for. The stages' tables have them all."""
DECIMALS = 4


@dataclass(frozen=True)
class Pictured:
    """The tables of `visual_properties` and `motion`; each may be empty."""

    looks: pl.DataFrame
    motion: pl.DataFrame


NOTHING_PICTURED = Pictured(pl.DataFrame(), pl.DataFrame())


def known_shifts(motion: pl.DataFrame) -> dict[tuple[int, int], tuple[float, float] | None]:
    """How far the picture moved between two kept frames, by their seqs, where `motion` looked: for `picture_motion`."""
    if motion.is_empty():
        return {}
    rows = motion.drop_nulls("before_seq").select("before_seq", "seq", "right_px", "down_px").iter_rows()
    return {(before, seq): None if right is None else (right, down) for before, seq, right, down in rows}


def motion_summary(motion: pl.DataFrame, scenes: pl.DataFrame) -> dict[str, float]:
    """How much moved in all: the mean share of the frame that moves, the largest, and the share of active frames.

    Every sampled frame counts alike, a near-duplicate as the frame that stands for it; the first frames of shots do
    not. Empty where there is no other.

    Args:
        motion: rows of the stage. scenes: rows of `filter_scenes`.
    """
    counted = scenes.select(seq="kept_seq").join(motion.drop_nulls("moving_share"), on="seq")
    if counted.is_empty():
        return {}
    return {
        "average_motion": round(float(counted["moving_share"].mean()), DECIMALS),  # type: ignore[arg-type]
        "max_motion": round(float(counted["moving_share"].max()), DECIMALS),  # type: ignore[arg-type]
        "activity": round(float(counted["active"].mean()), DECIMALS),  # type: ignore[arg-type]
    }


def looks(table: pl.DataFrame, spans: pl.DataFrame, most: int = MOST_SPANS) -> tuple[LookSpan, ...]:
    """The look over time: a span for each kept frame, or as many of equal length as there may be, of means; the colours
    are then those of the frame that is seen longest in it.

    Args:
        table: rows of `visual_properties`. spans: rows of `frame_spans`.
    """
    if table.is_empty():
        return ()
    figures = ("brightness", "contrast", "saturation")
    return tuple(
        LookSpan(
            start_ms=start_ms, end_ms=end_ms, colours=colours, shares=shares, **dict(zip(figures, values, strict=True))
        )
        for start_ms, end_ms, colours, shares, *values in _in_time(table, spans, figures, most)
        .select("start_ms", "end_ms", "colours", "shares", *figures)
        .iter_rows()
    )


def motion_report(
    table: pl.DataFrame, spans: pl.DataFrame, scenes: pl.DataFrame, most: int = MOST_SPANS
) -> MotionReport | None:
    """Motion over time, with means as `looks` has them; None: it was not measured.

    Args:
        table: rows of `motion`. spans: rows of `frame_spans`. scenes: rows of `filter_scenes`.
    """
    if table.is_empty():
        return None
    times: dict[int, int] = dict(spans.select("seq", "timeline_ms").iter_rows())
    camera = [
        None
        if right is None or before not in times or seq not in times or times[seq] <= times[before]
        else 1000 * hypot(right, down) / (times[seq] - times[before])
        for before, seq, right, down in table.select("before_seq", "seq", "right_px", "down_px").iter_rows()
    ]
    timed = table.with_columns(camera_px_per_s=pl.Series(camera, dtype=pl.Float64))
    figures = ("moving_share", "camera_px_per_s")
    told = _in_time(timed, spans, figures, most).select("start_ms", "end_ms", *figures).iter_rows(named=True)
    return MotionReport(**motion_summary(table, scenes), spans=tuple(MotionSpan(**row) for row in told))


def _in_time(table: pl.DataFrame, spans: pl.DataFrame, figures: tuple[str, ...], most: int) -> pl.DataFrame:
    """The rows of kept frames with the time for which each stands, in order; merged ones have means of `figures`."""
    stays = spans.group_by("chunk", "kept_seq", maintain_order=True).agg(
        pl.col("start_ms").min(), pl.col("end_ms").max()
    )
    rows = stays.join(table, left_on="kept_seq", right_on="seq", maintain_order="left")
    if rows.height > most:
        whole_ms = int(spans["end_ms"].max()) + 1  # type: ignore[arg-type]
        length = pl.col("end_ms") - pl.col("start_ms")
        told = {name: pl.when(pl.col(name).is_not_null()).then(length) for name in figures}
        longest = [name for name in rows.columns if name not in ("start_ms", "end_ms", *figures)]
        rows = (
            rows.group_by(pl.col("start_ms") * most // whole_ms, maintain_order=True)
            .agg(
                pl.col("start_ms").min().alias("from_ms"),
                pl.col("end_ms").max(),
                *((pl.col(name) * weight).sum() / weight.sum() for name, weight in told.items()),
                *(pl.col(name).sort_by(length).last() for name in longest),
            )
            .with_columns(start_ms="from_ms")
        )
    # Of a span in which no frame told a figure, the mean is none.
    return rows.with_columns(pl.col(name).fill_nan(None).round(DECIMALS) for name in figures)
