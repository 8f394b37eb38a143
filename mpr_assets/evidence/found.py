"""From a figure of the report back to what it stands on: exposure, detections, text lines or logos, crop, frame.

What made each of them, settings and run, is in `makers`; where it is drawn, in `page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from gpu_service.boxes import XYWH, iou, overlaps
from gpu_service.errors import BadInput
from mpr_assets.evidence.moment import (
    REPORT,
    TIMELINE,
    Moment,
    StoredResults,
    at_frame,
    check_within,
    moment_at,
    moment_of,
)
from mpr_assets.report.measures import measures
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

LOGO_SOURCES = frozenset({"logo", "object"})
"""Words of the column `source` for what `detect_objects` found."""
MOST_CROPS = 2
"""Crops of a place that are shown: those that fit it best."""


@dataclass(frozen=True)
class FoundExposure:
    """A row of the report's table. `number`: among those of its brand, from 1. `inferred_ms`: how much of it is
    bridged, not seen. `media`: what the report calls the video.
    """

    number: int
    start_ms: int
    end_ms: int
    seen_ms: int
    inferred_ms: int
    start_uncertainty_ms: int
    end_uncertainty_ms: int
    confidence: float
    frames: int
    detections: int
    source: str
    media: str
    best_seq: int


@dataclass(frozen=True)
class FoundLine:
    """A line of text as `run_ocr` has it. `text`: what all readings of its track agree on; `reading`: how it was read
    on this frame, null where it was taken over from another. `quad`: corners in px, clockwise from the top left.
    `where`: frame or crop.
    """

    line: int
    track: int | None
    text: str
    confidence: float
    reading: str | None
    reading_confidence: float | None
    where: str
    quad: list[float]


@dataclass(frozen=True)
class FoundObject:
    """A logo or an object as `detect_objects` has it. `reference`: the picture or brand that it was compared with.
    `quad`: corners in px of the reference's pose, where the engine gives one. `followed`: by its pixels from another
    frame, on which the engine found it.
    """

    engine: str
    label: str
    reference: str
    confidence: float
    box: list[int]
    quad: list[float]
    followed: bool


@dataclass(frozen=True)
class FoundCrop:
    """A crop as `preprocess` has it: its number, the region's box in px, what found the region, and the size of the
    crop's picture. `to_frame`: 3 x 3, row by row, from its pixels to the frame's.
    """

    crop: int
    box: list[int]
    label: str
    found_by: str
    width_px: int
    height_px: int
    to_frame: list[float]


@dataclass(frozen=True)
class FoundDetection:
    """A detection of the brand, and what it was made from. `box`: x, y, width, height in px of the frame."""

    stage: str
    source: str
    box: list[int]
    confidence: float
    text: str
    lines: list[FoundLine]
    objects: list[FoundObject]
    crops: list[FoundCrop]


@dataclass(frozen=True)
class Proof:
    """The way from a figure to a frame.

    Attributes:
        screen_ms: how long the brand is on screen; see docs/measures.md.
        exposures: all of the brand. exposure: the one that is explained.
        moment: the frame. bridged: whether nothing was found on it, and the exposure goes on over it; `detections` are
            then of the nearest frame of the exposure that has some, which is `moment`.
    """

    brand: str
    screen_ms: int
    exposures: list[FoundExposure]
    exposure: FoundExposure
    moment: Moment
    bridged: bool
    detections: list[FoundDetection]


def prove(results: StoredResults, brand: str, at_ms: int | None) -> Proof:
    """What an exposure of a brand stands on.

    Args:
        brand: its name, however it is spelt.
        at_ms: a moment of the exposure; None: the frame that proves the brand's longest one best.

    Raises:
        BadInput: the report has no such exposure.
    """
    if at_ms is not None:
        check_within(results, at_ms)
    name, rows = _exposures_of(results, brand, at_ms)
    exposures = [exposure_of(row) for row in rows.iter_rows(named=True)]
    if at_ms is None:
        exposure = max(exposures, key=lambda one: (one.end_ms - one.start_ms, -one.start_ms))
        moment = moment_of(results, exposure.best_seq)
    else:
        here = [one for one in exposures if one.start_ms <= at_ms < one.end_ms]
        if not here:
            spans = ", ".join(f"{clock(one.start_ms)} to {clock(one.end_ms)}" for one in exposures[:5])
            raise BadInput(
                f"{name} is not on screen at {clock(at_ms)} in the report of {results.timeline!r}; it is at {spans}"
                + (f" and {len(exposures) - 5} times more" if len(exposures) > 5 else ""),
                f'mpr why-not {results.timeline} "{name}" --at {clock(at_ms)} says where it was lost',
            )
        [exposure] = here
        moment = moment_at(results, at_ms)
    detections = results.detections().filter(pl.col("brand") == name)
    bridged = False
    if moment is not None and at_frame(detections, [moment.kept_seq, moment.seq]).is_empty():
        bridged = True
        moment = _nearest(results, detections, exposure, moment)
    if moment is None:
        raise BadInput(
            f"The frames of {results.timeline!r} are others than those that its report was made from",
            f"bring it up to date: mpr replay {results.timeline} filter_scenes",
        )
    if not at_frame(detections, [moment.seq]).is_empty():  # its own count, though another frame may stand for it
        moment = moment_of(results, moment.seq, itself=True) or moment
    found = [_detection(results, row) for row in at_frame(detections, [moment.kept_seq]).iter_rows(named=True)]
    found.sort(key=lambda one: (-one.confidence, one.box))
    screen_ms = measures(rows, results.rows(TIMELINE))["screen_ms"][0]
    return Proof(name, screen_ms, exposures, exposure, moment, bridged, found)


def _exposures_of(results: StoredResults, brand: str, at_ms: int | None) -> tuple[str, pl.DataFrame]:
    """The brand as the report spells it, and its exposures."""
    rows = results.rows(REPORT)
    names = rows["brand"].unique(maintain_order=True).to_list()
    found = [name for name in names if name == brand] or [name for name in names if fold_key(name) == fold_key(brand)]
    if not found:
        there = f"it has {', '.join(names[:8])}" if names else "it has no brand at all"
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        moment = "--at TIME" if at_ms is None else f"--at {clock(at_ms)}"
        raise BadInput(
            f"The report of {results.timeline!r} has no brand {brand!r}; {there}{more}",
            f'mpr why-not {results.timeline} "{brand}" {moment} says where it was lost',
        )
    return found[0], rows.filter(pl.col("brand") == found[0]).sort("start_ms")


def exposure_of(row: Mapping[str, Any]) -> FoundExposure:
    same = {name: row[name] for name in FoundExposure.__dataclass_fields__ if name != "number"}
    return FoundExposure(number=row["exposure"] + 1, **same)


def _nearest(
    results: StoredResults, detections: pl.DataFrame, exposure: FoundExposure, moment: Moment
) -> Moment | None:
    """The frame of the exposure nearest to the moment on which the brand was found."""
    seqs = detections["seq"].unique().to_list()
    near = (
        results.spans()
        .filter(pl.col("kept_seq").is_in(seqs) | pl.col("seq").is_in(seqs))
        .filter((pl.col("end_ms") > exposure.start_ms) & (pl.col("start_ms") < exposure.end_ms))
        .with_columns(away_ms=(pl.col("timeline_ms") - moment.at_ms).abs())
        .sort("away_ms", "seq")
    )
    return None if near.is_empty() else moment_of(results, near["seq"][0])


def _detection(results: StoredResults, row: Mapping[str, Any]) -> FoundDetection:
    box = _box(row)
    seq = row["seq"]
    return FoundDetection(
        stage=row["stage"],
        source=row["source"],
        box=list(box),
        confidence=row["confidence"],
        text=row["text"] or "",
        lines=[] if row["source"] in LOGO_SOURCES else _lines(results, seq, box, row),
        objects=_objects(results, seq, box, row["brand"]) if row["source"] in LOGO_SOURCES else [],
        crops=_crops(results, seq, box),
    )


def _lines(results: StoredResults, seq: int, box: XYWH, row: Mapping[str, Any]) -> list[FoundLine]:
    """The lines that the detection's text is made of: in its place, and a part of its text or of its track."""
    here = at_frame(results.rows("run_ocr"), [seq])
    return [
        line_of(line)
        for line in here.iter_rows(named=True)
        if overlaps(_box(line), box) and (line["text"] in (row["text"] or "") or line["track"] == row["track"])
    ]


def line_of(row: Mapping[str, Any]) -> FoundLine:
    """A row of `run_ocr`."""
    same = ("line", "track", "text", "confidence", "reading", "reading_confidence")
    return FoundLine(**{name: row[name] for name in same}, where=row["source"], quad=list(row["quad"]))


def _objects(results: StoredResults, seq: int, box: XYWH, brand: str) -> list[FoundObject]:
    """What `detect_objects` found in just this place, that of the brand's own label first."""
    here = at_frame(results.rows("detect_objects"), [seq])
    found = [
        FoundObject(
            row["engine"],
            row["label"],
            row["reference"] or "",
            row["confidence"],
            list(_box(row)),
            list(row.get("quad") or []),
            bool(row.get("followed")),
        )
        for row in here.iter_rows(named=True)
        if _box(row) == box
    ]
    return sorted(found, key=lambda one: (one.label != brand, -one.confidence))[:1]


def _crops(results: StoredResults, seq: int, box: XYWH) -> list[FoundCrop]:
    here = at_frame(results.rows("preprocess"), [seq])
    rows = [row for row in here.iter_rows(named=True) if overlaps(_box(row), box)]
    rows.sort(key=lambda row: (-iou(_box(row), box), row["crop"]))
    return [
        FoundCrop(
            crop=row["crop"],
            box=list(_box(row)),
            label=row["label"] or "",
            found_by=row["source"],
            width_px=row["width_px"],
            height_px=row["height_px"],
            to_frame=list(row["to_frame"]),
        )
        for row in rows[:MOST_CROPS]
    ]


def _box(row: Mapping[str, Any]) -> XYWH:
    return row["x"], row["y"], row["w"], row["h"]
