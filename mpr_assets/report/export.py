"""The report as data: `report.json` and `exposures.csv`. The page is not here.

`report.json` has a version, and the same bytes for the same input: no date of making, no seconds of computing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mpr_assets.report.exposures import DECIMALS
from mpr_assets.report.measures import timeline_ms

STAGE_OF_SOURCE: Mapping[str, str] = {
    "ocr": "match_brands",
    "logo": "match_brands",
    "object": "match_brands",
    "local_vlm": "escalate_vlm",
    "cloud_vlm": "escalate_cloud",
}
"""The stage whose table a detection of this source comes from; a manual one comes from none."""

CSV_FIRST = ("brand", "start_ms", "end_ms", "source", "confidence")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageProvenance(Entry):
    """What one stage did for this timeline, as its materialization says."""

    stage: str
    status: Literal["materialized", "skipped", "failed"]
    reason: str = Field("", description="why it was skipped or failed")
    settings_hash: str = ""
    settings: dict[str, JsonValue] = {}
    overrides: dict[str, JsonValue] = Field({}, description="what the run had that the profile has not")
    code_version: str = ""
    model: str = Field("", description="identity of the model or the engine; empty when it has none")
    counts: dict[str, int | float] = {}
    seconds: float | None = Field(None, description="shown on the page only; report.json leaves it out")


class Source(Entry):
    """A video file, as probed."""

    name: str
    version: str
    duration_ms: int
    fps: str = Field(description="frames a second as a fraction, e.g. 30000/1001")
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int


class Chunk(Entry):
    """A span of a source, and where the timeline has it."""

    chunk: int
    source: str
    start_ms: int
    end_ms: int
    timeline_start_ms: int


class EvidenceBox(Entry):
    """A box as parts of the frame, 0 to 1 from its top left."""

    x: float
    y: float
    w: float
    h: float
    confidence: float
    source: str
    stage: str = Field(description="the stage that found it")
    text: str = Field(description="what was read there; empty for a logo")


class Evidence(Entry):
    """The frame that proves an exposure best, with every box of the brand in it."""

    seq: int
    frame: str = Field(description="key of the frame in the storage")
    timeline_ms: int
    media_ms: int = Field(description="the frame's time on its source's clock")
    boxes: tuple[EvidenceBox, ...]


class Exposure(Entry):
    """An unbroken stay on screen, `[start_ms, end_ms)` on the timeline's clock."""

    start_ms: int
    end_ms: int
    source: str
    confidence: float
    max_confidence: float
    frames: int
    detections: int
    mean_area_share: float
    max_area_share: float
    chunk: int
    media: str
    media_start_ms: int
    media_end_ms: int
    evidence: Evidence


class Brand(Entry):
    """A brand's measures and its exposures in the order of time."""

    brand: str
    screen_ms: int
    seconds: float
    share: float
    longest_ms: int
    mean_area_share: float
    max_area_share: float
    mean_confidence: float
    max_confidence: float
    frames: int
    detections: int
    source: str
    first_ms: int
    last_ms: int
    exposures: tuple[Exposure, ...]


class Counts(Entry):
    frames: int
    kept_frames: int
    shots: int
    detections: int
    brands: int
    exposures: int


class Report(Entry):
    """What `report.json` holds. Fields may be added within a version, never changed or removed."""

    version: Literal[1] = 1
    timeline: str
    profile: str
    duration_ms: int
    chunks: tuple[Chunk, ...]
    sources: tuple[Source, ...]
    counts: Counts
    looked_for: tuple[str, ...] = Field(description="the brands of the registry")
    cuts_ms: tuple[int, ...] = Field(description="shot boundaries on the timeline's clock, chunk edges left out")
    brands: tuple[Brand, ...]
    stages: tuple[StageProvenance, ...]


@dataclass(frozen=True)
class Subject:
    """What a report is about, beyond the tables.

    `frame_key` gives a frame's key in the storage from its seq.
    """

    timeline: str
    profile: str
    looked_for: Sequence[str]
    stages: Sequence[StageProvenance]
    frame_key: Callable[[int], str]


def build_report(
    subject: Subject,
    exposures: pl.DataFrame,
    measures: pl.DataFrame,
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    spans: pl.DataFrame,
    chunks: pl.DataFrame,
) -> Report:
    """Put the tables together; `spans` are of `frame_spans`, the others of the stages of their names."""
    evidence = _evidence(exposures, detections, frames, subject.frame_key)
    columns = [name for name in Exposure.model_fields if name != "evidence"]
    of_brand: dict[str, list[Exposure]] = {}
    for row, proof in zip(exposures.sort("brand", "start_ms").iter_rows(named=True), evidence, strict=True):
        kept = {name: row[name] for name in columns}
        of_brand.setdefault(row["brand"], []).append(Exposure(**kept, evidence=proof))
    brands = tuple(
        Brand(**row | {"exposures": tuple(of_brand[row["brand"]])}) for row in measures.iter_rows(named=True)
    )
    found = detections.filter(pl.col("brand").is_not_null())
    return Report(
        timeline=subject.timeline,
        profile=subject.profile,
        duration_ms=timeline_ms(chunks),
        chunks=tuple(Chunk(**row) for row in chunks.select(list(Chunk.model_fields)).iter_rows(named=True)),
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
        stages=tuple(subject.stages),
    )


def report_json(report: Report) -> str:
    """`report.json`: UTF-8 text, the stages' seconds left out."""
    return report.model_dump_json(indent=2, exclude={"stages": {"__all__": {"seconds"}}}) + "\n"


def exposures_csv(exposures: pl.DataFrame) -> str:
    """`exposures.csv` as RFC 4180 has it (CRLF, quotes where needed), for a table of EXPOSURE_SCHEMA.

    A spreadsheet would run a brand's or a file's name that starts with `=`, `+`, `-` or `@` as a formula; such a name
    gets an apostrophe before it. `report.json` and the Parquet table have every name as it is.
    """
    columns = [*CSV_FIRST, *(name for name in exposures.columns if name not in CSV_FIRST)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in exposures.select(columns).iter_rows():
        writer.writerow([_inert(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _evidence(
    exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame, frame_key: Callable[[int], str]
) -> list[Evidence]:
    """The proof of each exposure, in the order of brand and start."""
    boxes = _boxes(exposures, detections, frames)
    times = exposures.sort("brand", "start_ms").join(
        frames.select("timeline_ms", "source_ms", best_seq="seq"), on="best_seq", how="left", maintain_order="left"
    )
    rows = times.select("brand", "best_seq", "timeline_ms", "source_ms").iter_rows()
    return [
        Evidence(
            seq=seq,
            frame=frame_key(seq),
            timeline_ms=at_ms,
            media_ms=media_ms,
            boxes=tuple(boxes.get((brand, seq), ())),
        )
        for brand, seq, at_ms, media_ms in rows
    ]


def _boxes(
    exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame
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
        stage = STAGE_OF_SOURCE.get(source, source)
        box = EvidenceBox(x=x, y=y, w=w, h=h, confidence=confidence, source=source, stage=stage, text=text)
        boxes.setdefault((brand, seq), []).append(box)
    return boxes


def _sources(chunks: pl.DataFrame) -> tuple[Source, ...]:
    rows = chunks.unique("source", keep="first", maintain_order=True).iter_rows(named=True)
    return tuple(
        Source(
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
