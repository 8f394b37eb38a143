"""The report put together from the tables of the stages. Its files are written by `mpr_assets.exports`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mpr_assets.report.counting_rules import RULES, RuleName
from mpr_assets.report.exposure_table import DECIMALS, inferred_spans
from mpr_assets.report.measured import Measured
from mpr_assets.report.media_equivalent import RateCard
from mpr_assets.report.model import (
    BrandReport,
    Caption,
    Counted,
    Counts,
    Evidence,
    EvidenceBox,
    Exposure,
    LookSpan,
    Mention,
    MotionReport,
    OnScreenObject,
    Report,
    ReportChunk,
    ReportSource,
    StageProvenance,
    UnlistedText,
)
from mpr_assets.timelines.chunks import timeline_ms


@dataclass(frozen=True)
class Subject:
    """What a report is about, beyond the tables.

    `frame_key` gives a frame's key in the storage from its seq; `stage_of_source`: the stage whose table has the
    detections of a source.
    """

    timeline: str
    profile: str
    looked_for: Sequence[str]
    stages: Sequence[StageProvenance]
    frame_key: Callable[[int], str]
    stage_of_source: Mapping[str, str]


def build_report(
    subject: Subject,
    measured: Measured,
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    spans: pl.DataFrame,
    chunks: pl.DataFrame,
    unlisted: tuple[UnlistedText, ...],
    rule: RuleName = "all",
    card: RateCard | None = None,
    said: tuple[tuple[Mention, ...], tuple[Caption, ...]] = ((), ()),
    objects: tuple[OnScreenObject, ...] = (),
    pictured: tuple[tuple[LookSpan, ...], MotionReport | None] = ((), None),
) -> Report:
    """Put the tables together; `spans` are of `frame_spans`, the others of the stages of their names.

    `said`: the mentions, and the lines of the transcript. `objects`: what was on screen beside the brands. `pictured`:
    what the picture looks like, and what moves.
    """
    exposures = measured.exposures
    evidence = _evidence(exposures, detections, frames, subject)
    columns = [name for name in Exposure.model_fields if name != "evidence"]
    of_brand: dict[str, list[Exposure]] = {}
    for row, proof in zip(exposures.sort("brand", "start_ms").iter_rows(named=True), evidence, strict=True):
        kept = {name: row[name] for name in columns} | {"inferred": tuple(inferred_spans(row["inferred"]))}
        of_brand.setdefault(row["brand"], []).append(Exposure(**kept, evidence=proof))
    placed: dict[str, dict[str, int]] = {}
    seen_ms = exposures.group_by("brand", "placement").agg(pl.col("seen_ms").sum()).sort("brand", "placement")
    for brand, placement, ms in seen_ms.iter_rows():
        placed.setdefault(brand, {})[placement] = ms
    in_cells = dict(measured.cells.iter_rows())
    brands = tuple(
        BrandReport(
            **row,
            cells=in_cells.get(row["brand"]),
            placements_ms=placed.get(row["brand"]),
            exposures=tuple(of_brand[row["brand"]]),
        )
        for row in measured.brands.drop("exposures").iter_rows(named=True)
    )
    found = detections.filter(pl.col("brand").is_not_null())
    return Report(
        timeline=subject.timeline,
        profile=subject.profile,
        duration_ms=timeline_ms(chunks),
        chunks=tuple(ReportChunk(**row) for row in chunks.select(list(ReportChunk.model_fields)).iter_rows(named=True)),
        sources=_sources(chunks),
        counts=Counts(
            frames=len(frames),
            kept_frames=spans.select(pl.col("kept_seq").n_unique()).item(),
            shots=spans.select(pl.struct("chunk", "shot").n_unique()).item(),
            detections=len(found),
            brands=len(brands),
            exposures=len(exposures),
        ),
        looked_for=tuple(subject.looked_for),
        cuts_ms=_cuts_ms(spans),
        brands=brands,
        counting_rule=rule,
        rate_card=card,
        counted=tuple(_counted(name, exposures) for name in RULES),
        unlisted=unlisted,
        mentions=said[0],
        captions=said[1],
        objects=objects,
        looks=pictured[0],
        motion=pictured[1],
        stages=tuple(subject.stages),
    )


def _counted(rule: RuleName, exposures: pl.DataFrame) -> Counted:
    """What counts by a rule; `all` is the time on screen itself."""
    counts = exposures.select("brand", ms="seen_ms" if rule == "all" else f"{rule}_ms").filter(pl.col("ms") > 0)
    return Counted(
        rule=rule,
        says=RULES[rule].says,
        exposures=counts.height,
        brands=counts["brand"].n_unique(),
        counted_ms=int(counts["ms"].sum()),
    )


def _evidence(
    exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame, subject: Subject
) -> list[Evidence]:
    """The proof of each exposure, in the order of brand and start."""
    boxes = _boxes(exposures, detections, frames, subject.stage_of_source)
    times = exposures.sort("brand", "start_ms").join(
        frames.select("timeline_ms", "source_ms", best_seq="seq"), on="best_seq", how="left", maintain_order="left"
    )
    rows = times.select("brand", "best_seq", "timeline_ms", "source_ms").iter_rows()
    return [
        Evidence(
            seq=seq,
            frame=subject.frame_key(seq),
            timeline_ms=at_ms,
            media_ms=media_ms,
            boxes=tuple(boxes.get((brand, seq), ())),
        )
        for brand, seq, at_ms, media_ms in rows
    ]


def _boxes(
    exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame, stage_of_source: Mapping[str, str]
) -> dict[tuple[str, int], list[EvidenceBox]]:
    """Every box of a brand on its evidence frames, the surest first, clipped to the frame and normalised."""
    width, height = pl.col("width_px"), pl.col("height_px")
    left, right = pl.col("x").clip(0, width), (pl.col("x") + pl.col("w")).clip(0, width)
    top, bottom = pl.col("y").clip(0, height), (pl.col("y") + pl.col("h")).clip(0, height)
    rows = (
        detections.join(exposures.select("brand", seq="best_seq").unique(), on=["brand", "seq"], how="semi")
        .join(frames.select("seq", "width_px", "height_px"), on="seq", how="left")
        .sort("seq", "brand", "confidence", "x", "y", "source", descending=[False, False, True, False, False, False])
        .select(
            "brand",
            "seq",
            (left / width).round(DECIMALS).alias("x"),
            (top / height).round(DECIMALS).alias("y"),
            ((right - left) / width).round(DECIMALS).alias("w"),
            ((bottom - top) / height).round(DECIMALS).alias("h"),
            pl.col("confidence").round(DECIMALS),
            "source",
            pl.col("text").fill_null(""),
        )
    )
    boxes: dict[tuple[str, int], list[EvidenceBox]] = {}
    for brand, seq, x, y, w, h, confidence, source, text in rows.iter_rows():
        stage = stage_of_source.get(source, source)  # a manual one comes from no stage
        box = EvidenceBox(x=x, y=y, w=w, h=h, confidence=confidence, source=source, stage=stage, text=text)
        boxes.setdefault((brand, seq), []).append(box)
    return boxes


def _sources(chunks: pl.DataFrame) -> tuple[ReportSource, ...]:
    rows = chunks.unique("source", keep="first", maintain_order=True).iter_rows(named=True)
    return tuple(
        ReportSource(
            name=row["source"],
            version=row["source_version"],
            fps=f"{row['fps_num']}/{row['fps_den']}",
            **{name: row[name] for name in ("duration_ms", "codec", "width_px", "height_px", "rotation_deg")},
        )
        for row in rows
    )


def _cuts_ms(spans: pl.DataFrame) -> tuple[int, ...]:
    """Where the shot changes within a chunk."""
    same_chunk = pl.col("chunk") == pl.col("chunk").shift(1)
    cuts = spans.filter(same_chunk & (pl.col("shot") != pl.col("shot").shift(1)))
    return tuple(cuts["start_ms"].to_list())
