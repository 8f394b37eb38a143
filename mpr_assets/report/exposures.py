"""From detections on frames to exposures on the timeline. What a brand's exposures add up to is not here.

All times are whole milliseconds of the timeline's clock, spans are half-open.

Why this is not a library: OpenTimelineIO keeps spans but has no rules that make them of detections; the buffers of
object trackers count frames and know nothing of cuts, nor of frames that stand for dropped ones.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field

from gpu_service.settings import Settings
from mpr_assets.report.areas import area_shares

EXPOSURE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposure": pl.Int32,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "source": pl.String,
    "confidence": pl.Float64,
    "max_confidence": pl.Float64,
    "frames": pl.Int32,
    "detections": pl.Int32,
    "mean_area_share": pl.Float64,
    "max_area_share": pl.Float64,
    "best_seq": pl.Int64,
    "best_x": pl.Int32,
    "best_y": pl.Int32,
    "best_w": pl.Int32,
    "best_h": pl.Int32,
    "chunk": pl.Int32,
    "media": pl.String,
    "media_start_ms": pl.Int64,
    "media_end_ms": pl.Int64,
}

DECIMALS = 6
"""Shares and confidences are rounded to this, so that the order of a sum cannot show in the bytes."""


class ExposureSettings(Settings):
    """What makes an unbroken stay of a brand on screen.

    Nielsen counts exposures of at least 1 s that can be read, MRC half of the pixels for 2 s without a break. The
    defaults leave nothing out by its length: a profile that reports by such a rule sets `min_exposure_ms`. Of the
    others no measurement is known.
    """

    max_gap_ms: int = Field(
        1000,
        ge=0,
        le=600_000,
        description="gaps between detections of a brand within a shot that are bridged, in ms",
    )
    min_exposure_ms: int = Field(0, ge=0, le=600_000, description="minimum length of an exposure, in ms")
    min_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="an exposure needs one detection of at least this confidence; others only extend it",
    )
    min_detections: int = Field(
        1, ge=1, le=1000, description="minimum boxes of an exposure, counted on every sampled frame that it covers"
    )


def exposures(
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    scenes: pl.DataFrame,
    chunks: pl.DataFrame,
    settings: ExposureSettings,
) -> pl.DataFrame:
    """Exposures of every brand, sorted by brand and start; they never overlap for one brand.

    A detection on a kept frame holds for the frames that it stands for; what time a frame covers: `frame_spans`. What
    touches is one exposure, across a cut too; a gap is bridged only within a shot, and nothing crosses a chunk's edge,
    for an exposure is evidence from one source.

    Args:
        detections: rows (seq, x, y, w, h, brand, confidence, source); rows without a brand are candidates, left out.
        frames: rows of `extract_frames`. scenes: rows of `filter_scenes`; a frame that has none stands for itself.
        chunks: rows of `timeline`.

    Returns:
        A table of EXPOSURE_SCHEMA. `frames` and `detections` count dropped frames too; `best_*` is the surest box
        (the larger of two equals); `confidence` and `mean_area_share` are means over the frames, of the surest box
        and of the share of the frame that the boxes cover together.

    Raises:
        ValueError: a detection lies on a frame, or a frame in a chunk, that does not exist.
    """
    found = detections.filter(pl.col("brand").is_not_null())
    _refuse_strangers(found, "seq", frames, "a detection lies on a frame")
    _refuse_strangers(frames, "chunk", chunks, "a frame lies in a chunk")
    spans = frame_spans(frames, scenes, chunks)
    stays = _number_stays(held_on_frames(_per_frame(found, frames), spans), settings.max_gap_ms)
    return _summed_up(stays, chunks, settings)


def frame_spans(frames: pl.DataFrame, scenes: pl.DataFrame, chunks: pl.DataFrame) -> pl.DataFrame:
    """What part of the timeline each sampled frame covers.

    Two frames meet at the abrupt change between them where one was seen, else in the middle, but not before the
    source's next picture comes: until then the earlier one is held. The first of a chunk begins at its own time; the
    last ends at the chunk's end, one sampling step away at most where it is not held so long.

    Returns:
        Rows (seq, chunk, shot, kept_seq, timeline_ms, start_ms, end_ms) in the timeline's order. The spans of a chunk
        tile it without overlap; a frame that shows at the very time of the next covers nothing and is not in the table.
    """
    edges = chunks.select(
        "chunk",
        chunk_start_ms="timeline_start_ms",
        chunk_end_ms=pl.col("timeline_start_ms") + pl.col("end_ms") - pl.col("start_ms"),
    )
    ordered = (
        frames.select("seq", "chunk", "timeline_ms", "until_ms", "cut_ms")
        .join(edges, on="chunk", how="left")
        .join(scenes.select("seq", "shot", "kept_seq"), on="seq", how="left")
        .with_columns(pl.col("shot").fill_null(-1), pl.coalesce("kept_seq", "seq").alias("kept_seq"))
        .sort("chunk_start_ms", "chunk", "timeline_ms", "seq")
    )
    time = pl.col("timeline_ms")
    before, after = time.shift(1).over("chunk"), time.shift(-1).over("chunk")
    step_ms = _sampling_step_ms(ordered)
    meet_ms = pl.when(after.is_not_null()).then(pl.max_horizontal("until_ms", (time + after) // 2))
    last_ms = pl.col("chunk_end_ms") if step_ms is None else pl.max_horizontal("until_ms", time + step_ms)
    return (
        ordered.with_columns(
            start_ms=pl.coalesce(pl.when(before.is_not_null()).then("cut_ms"), meet_ms.shift(1).over("chunk"), time),
            end_ms=pl.coalesce(pl.col("cut_ms").shift(-1).over("chunk"), meet_ms, last_ms),
        )
        .with_columns(
            start_ms=pl.max_horizontal("start_ms", "chunk_start_ms"), end_ms=pl.min_horizontal("end_ms", "chunk_end_ms")
        )
        .filter(pl.col("start_ms") < pl.col("end_ms"))
        .select("seq", "chunk", "shot", "kept_seq", "timeline_ms", "start_ms", "end_ms")
    )


def _sampling_step_ms(ordered: pl.DataFrame) -> int | None:
    """The longest usual distance between two frames of a chunk; None when no chunk has two.

    Distances alternate where a sample's instant falls between two frames; half as much again as the median is a gap.
    """
    steps = ordered.select(pl.col("timeline_ms").diff().over("chunk").drop_nulls().sort()).to_series()
    return int(steps.filter(steps <= 1.5 * steps[(len(steps) - 1) // 2]).max()) if len(steps) else None  # type: ignore[arg-type]


def _per_frame(found: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """One row for each brand on each frame: its surest box, the sources and the share that its boxes cover."""
    keys = ["brand", "found_on"]
    sized = found.rename({"seq": "found_on"}).join(
        frames.select("width_px", "height_px", found_on="seq"), on="found_on", how="left"
    )
    ordered = sized.sort(
        *keys,
        "confidence",
        pl.col("w").cast(pl.Int64) * pl.col("h"),
        "x",
        "y",
        descending=[False, False, True, True, False, False],
    )
    grouped = ordered.group_by(keys, maintain_order=True).agg(
        pl.len().alias("boxes"),
        pl.col("source").unique().alias("sources"),
        pl.col("confidence", "x", "y", "w", "h", "width_px", "height_px").first(),
    )
    return grouped.with_columns(
        area_share=pl.Series(area_shares(ordered, grouped["boxes"].cast(pl.Int64).to_numpy()), dtype=pl.Float64)
    )


def held_on_frames(per_frame: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """What was found on a frame holds for that frame and for those it stands for that have nothing of their own.

    Args:
        per_frame: one row for each `brand` on each frame where it was found, `found_on`. spans: of `frame_spans`.
    """
    stand_ins = spans.filter(pl.col("kept_seq") != pl.col("seq"))
    stands_for = pl.concat([spans.with_columns(found_on="seq"), stand_ins.with_columns(found_on="kept_seq")])
    held = stands_for.join(per_frame, on="found_on", how="inner", maintain_order="left")
    return held.unique(["brand", "seq"], keep="first", maintain_order=True) if len(stand_ins) else held


def _number_stays(held: pl.DataFrame, max_gap_ms: int) -> pl.DataFrame:
    """Adds `stay`: a number that the rows of one unbroken stay of one brand share."""
    ordered = held.sort("brand", "start_ms", "found_on")
    bridged_ms = pl.when(pl.col("shot") == pl.col("shot").shift(1)).then(max_gap_ms).otherwise(0)
    breaks = (
        (pl.col("brand") != pl.col("brand").shift(1))
        | (pl.col("chunk") != pl.col("chunk").shift(1))
        | (pl.col("start_ms") - pl.col("end_ms").shift(1) > bridged_ms)
    )
    return ordered.with_columns(stay=breaks.fill_null(False).cast(pl.Int64).cum_sum())


def _summed_up(stays: pl.DataFrame, chunks: pl.DataFrame, settings: ExposureSettings) -> pl.DataFrame:
    surest = stays.sort("stay", "confidence", "area_share", "found_on", descending=[False, True, True, False])
    summed = surest.group_by("stay", maintain_order=True).agg(
        pl.col("brand", "chunk").first(),
        pl.col("start_ms").min(),
        pl.col("end_ms").max(),
        pl.col("sources").explode().unique().sort().str.join("+").alias("source"),
        pl.col("confidence").mean(),
        pl.col("confidence").max().alias("max_confidence"),
        pl.col("seq").n_unique().alias("frames"),
        pl.col("boxes").sum().alias("detections"),
        pl.col("area_share").mean().alias("mean_area_share"),
        pl.col("area_share").max().alias("max_area_share"),
        pl.col("found_on").first().alias("best_seq"),
        *(pl.col(side).first().alias(f"best_{side}") for side in "xywh"),
    )
    enough = (
        (pl.col("max_confidence") >= settings.min_confidence)
        & (pl.col("detections") >= settings.min_detections)
        & (pl.col("end_ms") - pl.col("start_ms") >= settings.min_exposure_ms)
    )
    media = chunks.select(
        "chunk", media="source", behind_ms=pl.col("start_ms").cast(pl.Int64) - pl.col("timeline_start_ms")
    )
    rounded = ["confidence", "max_confidence", "mean_area_share", "max_area_share"]
    return (
        summed.filter(enough)
        .join(media, on="chunk", how="left")
        .sort("brand", "start_ms")
        .with_columns(
            exposure=pl.int_range(pl.len()).over("brand"),
            media_start_ms=pl.col("start_ms") + pl.col("behind_ms"),
            media_end_ms=pl.col("end_ms") + pl.col("behind_ms"),
        )
        .with_columns(pl.col(rounded).round(DECIMALS))
        .select(pl.col(name).cast(dtype) for name, dtype in EXPOSURE_SCHEMA.items())
    )


def _refuse_strangers(rows: pl.DataFrame, key: str, known: pl.DataFrame, what: str) -> None:
    strangers = rows.select(key).unique().join(known.select(key), on=key, how="anti").get_column(key).sort()
    if len(strangers):
        raise ValueError(f"{what} that does not exist: {key} {strangers[0]}")
