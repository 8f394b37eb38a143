"""Each mark of an exposure, frame by frame: where it is, and for how long. For formats that have boxes and tracks.

Which detections make up an exposure is in `exposures`; what they add up to, in `presence`. The spans of an exposure's
marks together are the exposure: each is there from the edge of its first frame to that of its last, and what is
inferred between them is held by the marks that were there before.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mpr_assets.report.camera import still
from mpr_assets.report.exposure_table import DECIMALS
from mpr_assets.report.exposures import ExposureSettings, frames_looked_at, held_on_frames
from mpr_assets.report.tracks import AwayLimits, follow

MARK_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposure": pl.Int32,
    "mark": pl.Int32,
    "chunk": pl.Int32,
    "seq": pl.Int64,
    "timeline_ms": pl.Int64,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "inferred": pl.Boolean,
    "x": pl.Float64,
    "y": pl.Float64,
    "w": pl.Float64,
    "h": pl.Float64,
    "confidence": pl.Float64,
    "source": pl.String,
    "text": pl.String,
}
OF_MARK = ("x", "y", "w", "h", "confidence", "source", "text")
OF_EXPOSURE = ("brand", "exposure")
AWAY = AwayLimits(near_ms=ExposureSettings().max_gap_ms, hidden_ms=ExposureSettings().max_hidden_ms)
"""How long a mark may be away and be the same: only its number depends on it."""


@dataclass(frozen=True)
class Marks:
    """The marks of a report.

    Attributes:
        spans: rows of MARK_SCHEMA, sorted by brand, mark and time: one for each mark on each sampled frame on which an
            exposure has it, and for each time that it is inferred. `exposure` is its number among those of its brand,
            as `mark` is among those of its exposure, both from 0; marks are followed within a shot. `timeline_ms`: when
            the frame is shown; `start_ms` and `end_ms`: what it stands for. The box is in parts of the frame, 0 to 1,
            cut off at its edges.
        sampled: rows (seq, chunk, timeline_ms) of all sampled frames that are seen, in the timeline's order.
    """

    spans: pl.DataFrame
    sampled: pl.DataFrame


def marks_of(exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame, spans: pl.DataFrame) -> Marks:
    """The marks of the exposures.

    Args:
        exposures: rows of EXPOSURE_SCHEMA. detections: rows of the stages that detect; those without a brand, and those
            that no exposure has, are left out. frames: rows of `extract_frames`. spans: of `frame_spans`.
    """
    found = detections.filter(pl.col("brand").is_not_null()).join(exposures.select("brand").unique(), on="brand")
    numbers = follow(found, frames_looked_at(found, spans, frames), AWAY, still).marks
    numbered = found.with_columns(mark=pl.Series(numbers, dtype=pl.Int64)).filter(pl.col("mark") >= 0)
    marks = _placed(numbered, frames).unique(["found_on", "brand", "mark"], keep="first", maintain_order=True)
    held = _of_exposures(held_on_frames(marks.select("brand", "found_on").unique(), spans), exposures)
    rows = pl.concat([held, _inferred(held)]).join(marks, on=["brand", "found_on"], how="inner")
    first = pl.col("start_ms").min().over(*OF_EXPOSURE, "mark")
    told = (
        rows.with_columns(first=first)
        .sort("brand", "exposure", "first", "mark", "start_ms")
        .with_columns(mark=pl.struct("first", "mark").rank("dense").over(*OF_EXPOSURE) - 1)
        .select(pl.col(name).cast(dtype) for name, dtype in MARK_SCHEMA.items())
        .sort("brand", "exposure", "mark", "start_ms")
    )
    return Marks(told, spans.select("seq", "chunk", "timeline_ms"))


def _placed(found: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """Detections with their boxes as parts of the frame, the surest first; those outside of it are left out."""
    width, height = pl.col("width_px"), pl.col("height_px")
    left, right = pl.col("x").clip(0, width), (pl.col("x") + pl.col("w")).clip(0, width)
    top, bottom = pl.col("y").clip(0, height), (pl.col("y") + pl.col("h")).clip(0, height)
    return (
        found.join(frames.select("seq", "width_px", "height_px"), on="seq", how="left")
        .with_columns(pl.col("text").fill_null(""), pl.col("confidence").round(DECIMALS))
        .sort("brand", "seq", "confidence", "x", "y", "source", descending=[False, False, True, False, False, False])
        .with_columns(x=left / width, y=top / height, w=(right - left) / width, h=(bottom - top) / height)
        .filter(pl.col("w") > 0, pl.col("h") > 0)
        .select("brand", "mark", *OF_MARK, found_on="seq")
    )


def _of_exposures(held: pl.DataFrame, exposures: pl.DataFrame) -> pl.DataFrame:
    """Of each exposure the sampled frames on which it was found, which tile it where nothing is inferred."""
    stays = exposures.select(*OF_EXPOSURE, stay_ms="start_ms", stay_end_ms="end_ms").sort("stay_ms")
    within = held.sort("timeline_ms", "brand").join_asof(
        stays, left_on="timeline_ms", right_on="stay_ms", by="brand", strategy="backward", check_sortedness=False
    )
    is_first = pl.col("timeline_ms") == pl.col("timeline_ms").min().over(OF_EXPOSURE)
    is_last = pl.col("timeline_ms") == pl.col("timeline_ms").max().over(OF_EXPOSURE)
    return (
        within.filter(pl.col("timeline_ms") < pl.col("stay_end_ms"))
        .with_columns(
            start_ms=pl.when(is_first).then("stay_ms").otherwise("start_ms"),
            end_ms=pl.when(is_last).then("stay_end_ms").otherwise("end_ms"),
            inferred=pl.lit(False),
        )
        .sort(*OF_EXPOSURE, "start_ms")
        .select(*OF_EXPOSURE, "chunk", "seq", "found_on", "timeline_ms", "start_ms", "end_ms", "inferred")
    )


def _inferred(held: pl.DataFrame) -> pl.DataFrame:
    """What of an exposure no frame stands for; it goes on as it was on the frame before."""
    next_ms = pl.col("start_ms").shift(-1).over(OF_EXPOSURE)
    return (
        held.with_columns(next_ms=next_ms)
        .filter(pl.col("next_ms") > pl.col("end_ms"))
        .with_columns(timeline_ms="end_ms", start_ms="end_ms", end_ms="next_ms", inferred=pl.lit(True))
        .select(held.columns)
    )
