"""From detections on frames to exposures on the timeline. What a brand's exposures add up to is not here.

All times are whole milliseconds of the timeline's clock, spans are half-open.

Why this is not a library: OpenTimelineIO keeps spans but has no rules that make them of detections; the buffers of
object trackers count frames and know nothing of cuts, nor of frames that stand for dropped ones. Which detections are
of one mark is in `mpr_assets.report.tracks`.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field

from gpu_service.settings import Settings
from mpr_assets.report.areas import area_shares
from mpr_assets.report.camera import Motion, still
from mpr_assets.report.exposure_table import DECIMALS, EXPOSURE_SCHEMA
from mpr_assets.report.refinement import Refine, refined
from mpr_assets.report.stays import number_stays
from mpr_assets.report.tracks import AwayLimits, follow


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
        description="gaps between detections of a mark within a shot that are bridged, in ms; bridged time is inferred",
    )
    max_hidden_ms: int = Field(
        3000,
        ge=0,
        le=600_000,
        description="the same for a mark that comes back at its place in the scene, as if it had been covered, in ms",
    )
    min_exposure_ms: int = Field(0, ge=0, le=600_000, description="minimum time that an exposure is seen, in ms")
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
    motion: Motion = still,
    refine: Refine | None = None,
) -> pl.DataFrame:
    """Exposures of every brand, sorted by brand and start; they never overlap for one brand.

    A detection on a kept frame holds for the frames that it stands for; what time a frame covers: `frame_spans`. What
    touches is one exposure within a shot, and over a cut where a mark stays at its place, as one laid over the picture
    does. A gap is bridged only within a shot, and only where a mark that was there before it is there again after it
    (`mpr_assets.report.tracks`); bridged time is inferred, not seen. Nothing crosses a chunk's edge, for an exposure is
    evidence from one source.

    Args:
        detections: rows (seq, x, y, w, h, brand, confidence, source); rows without a brand are candidates, left out.
        frames: rows of `extract_frames`. scenes: rows of `filter_scenes`; a frame that has none stands for itself.
        chunks: rows of `timeline`.
        motion: of the picture between neighbouring kept frames of a shot; asked only where marks moved or were away.
        refine: looks up when exposures started and ended between samples; None: edges stay where samples have them.

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
    reach = AwayLimits(settings.max_gap_ms, settings.max_hidden_ms)
    bridges = follow(found, frames_looked_at(found, spans, frames), reach, motion).bridges
    stays = number_stays(held_on_frames(_per_frame(found, frames), spans), bridges, found)
    summed = _summed_up(stays, settings)
    if refine is not None:
        summed = refined(summed, found, frames, refine)
    return _long_enough(summed, chunks, settings)


def frames_looked_at(found: pl.DataFrame, spans: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """The frames in which marks were looked for, as `tracks.follow` takes them: those kept, and those with detections.

    Args:
        found: detections, rows with a seq. spans: rows of `frame_spans`. frames: rows of `extract_frames`.
    """
    return (
        spans.filter((pl.col("kept_seq") == pl.col("seq")) | pl.col("seq").is_in(found["seq"].unique().to_list()))
        .join(frames.select("seq", "width_px", "height_px"), on="seq", how="left", maintain_order="left")
        .select("seq", "chunk", "shot", "start_ms", "width_px", "height_px")
    )


def frame_spans(frames: pl.DataFrame, scenes: pl.DataFrame, chunks: pl.DataFrame) -> pl.DataFrame:
    """What part of the timeline each sampled frame covers.

    Two frames meet at the abrupt change between them where one was seen, else in the middle, but not before the
    source's next picture comes: until then the earlier one is held. The first of a chunk begins at its own time; the
    last ends at the chunk's end, one sampling step away at most where it is not held so long.

    Returns:
        Rows (seq, chunk, shot, kept_seq, timeline_ms, start_ms, end_ms, start_uncertainty_ms, end_uncertainty_ms) in
        the timeline's order. The spans of a chunk tile it without overlap; a frame that shows at the very time of the
        next covers nothing and is not in the table. Uncertainties: how far from its start and its end what a frame
        shows may have come and gone, for nothing was looked at between it and its neighbours.
    """
    edges = chunks.select(
        "chunk",
        chunk_start_ms="timeline_start_ms",
        chunk_end_ms=pl.col("timeline_start_ms") + pl.col("end_ms") - pl.col("start_ms"),
        cut_uncertainty_ms=(CUT_FRAMES * 1000 * pl.col("fps_den") / pl.col("fps_num")).ceil().cast(pl.Int64),
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
    is_cut = pl.col("cut_ms").is_not_null() & (pl.col("shot") != pl.col("shot").shift(1).over("chunk"))
    sampled_apart = pl.max_horizontal(
        pl.col("start_ms") - pl.col("until_ms").shift(1).over("chunk"), time - pl.col("start_ms")
    )
    came = pl.when(before.is_null()).then(0).when(is_cut).then("cut_uncertainty_ms").otherwise(sampled_apart)
    gone = pl.coalesce(pl.col("start_uncertainty_ms").shift(-1).over("chunk"), pl.col("end_ms") - pl.col("until_ms"))
    return (
        ordered.with_columns(
            start_ms=pl.coalesce(pl.when(before.is_not_null()).then("cut_ms"), meet_ms.shift(1).over("chunk"), time),
            end_ms=pl.coalesce(pl.col("cut_ms").shift(-1).over("chunk"), meet_ms, last_ms),
        )
        .with_columns(
            start_ms=pl.max_horizontal("start_ms", "chunk_start_ms"), end_ms=pl.min_horizontal("end_ms", "chunk_end_ms")
        )
        .with_columns(start_uncertainty_ms=pl.max_horizontal(came, 0))
        .with_columns(end_uncertainty_ms=pl.max_horizontal(gone, 0))
        .filter(pl.col("start_ms") < pl.col("end_ms"))
        .select(
            *("seq", "chunk", "shot", "kept_seq", "timeline_ms", "start_ms", "end_ms"),
            *("start_uncertainty_ms", "end_uncertainty_ms"),
        )
    )


CUT_FRAMES = 2
"""Frames of the source by which the time of a cut may be off: the decoder passes over some that no other needs."""


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


def _summed_up(stays: pl.DataFrame, settings: ExposureSettings) -> pl.DataFrame:
    """A row for each stay that is sure enough, with the frames it begins and ends with."""
    surest = stays.sort("stay", "confidence", "area_share", "found_on", descending=[False, True, True, False])
    bridged = stays.filter(pl.col("gap_ms") > 0).sort("stay", "start_ms")
    inferred = bridged.group_by("stay", maintain_order=True).agg(
        pl.format("{}-{}", pl.col("start_ms") - pl.col("gap_ms"), "start_ms").str.join(" ").alias("inferred"),
        pl.col("gap_ms").sum().alias("inferred_ms"),
    )
    ends = ("seq", "found_on")
    return (
        surest.group_by("stay", maintain_order=True)
        .agg(
            pl.col("brand", "chunk").first(),
            pl.col("start_ms").min(),
            pl.col("end_ms").max(),
            pl.col("start_uncertainty_ms", *ends).sort_by("start_ms").first().name.prefix("first_"),
            pl.col("end_uncertainty_ms", *ends).sort_by("end_ms").last().name.prefix("last_"),
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
        .rename({f"{end}_{name}": name for end, name in UNCERTAINTIES})
        .join(inferred, on="stay", how="left", maintain_order="left")
        .with_columns(pl.col("inferred").fill_null(""), pl.col("inferred_ms").fill_null(0))
        .filter(pl.col("max_confidence") >= settings.min_confidence, pl.col("detections") >= settings.min_detections)
    )


UNCERTAINTIES = (("first", "start_uncertainty_ms"), ("last", "end_uncertainty_ms"))


def _long_enough(summed: pl.DataFrame, chunks: pl.DataFrame, settings: ExposureSettings) -> pl.DataFrame:
    """The exposures: the stays that are seen for long enough."""
    media = chunks.select(
        "chunk", media="source", behind_ms=pl.col("start_ms").cast(pl.Int64) - pl.col("timeline_start_ms")
    )
    rounded = ["confidence", "max_confidence", "mean_area_share", "max_area_share"]
    return (
        summed.with_columns(seen_ms=pl.col("end_ms") - pl.col("start_ms") - pl.col("inferred_ms"))
        .filter(pl.col("seen_ms") >= settings.min_exposure_ms)
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
