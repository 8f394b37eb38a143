"""What corrections make of detections. Pure: how corrections are kept is in `mpr_assets.annotations.corrections`.

A correction is of a span of time, and detections are of frames, of which a kept one stands for its near-duplicates.
It concerns a frame where it covers half of the time that the frame holds for, or where half of it lies in that time: so
each concerns a frame, however short it is. A mark is added to each frame by itself; detections are taken from a kept
frame for all those that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import polars as pl

from gpu_service.boxes import XYWH, shared_area
from mpr_assets.annotations.corrections import Correction, PixelBox
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.brands.folding import fold_key

MANUAL = "manual"
REJECTED = "rejected:"
"""What the reason of a rejected detection begins with; its brand follows."""
SAME_PLACE = 0.5
"""A detection is at a correction's place where they share half of the smaller of their boxes."""
KEY = ("seq", "x", "y", "w", "h", "brand", "source")
"""What tells detections apart."""


def corrected(
    detections: pl.DataFrame, spans: pl.DataFrame, frames: pl.DataFrame, corrections: Sequence[Correction]
) -> pl.DataFrame:
    """What corrections add to detections, and what they take away.

    Args:
        detections: rows of DETECTION_SCHEMA; candidates are left alone.
        spans: rows of `frame_spans`. frames: rows of `extract_frames`.

    Returns:
        A table of DETECTION_SCHEMA, sorted by frame and brand. Marks that were added, and those that were relabelled
        under the brand that they are, are detections with the source `manual`, confidence 1. Those that were rejected,
        or relabelled, are as they were found, but without a brand, and `rejected:BRAND` is the reason.
    """
    found = detections.filter(pl.col("brand").is_not_null())
    sizes = {seq: (w, h) for seq, w, h in frames.select("seq", "width_px", "height_px").iter_rows()}
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for correction in corrections:
        start_ms, end_ms = correction.start_ms, correction.end_ms
        if correction.action == "add":
            made = _added(correction, concerned_frames(spans, start_ms, end_ms), sizes)
        else:
            concerned = concerned_frames(spans, start_ms, end_ms, "kept_seq")
            made = _taken(correction, found.filter(pl.col("seq").is_in(concerned)))
        for row in made:
            rows.setdefault((*(row[name] for name in KEY), row["reason"]), row)
    table = pl.DataFrame(list(rows.values()), schema=DETECTION_SCHEMA, orient="row")
    return table.sort("seq", "brand", "reason", "x", "y", "w", "h", "source", nulls_last=True)


def concerned_frames(
    spans: pl.DataFrame, start_ms: int, end_ms: int, by: Literal["seq", "kept_seq"] = "seq"
) -> list[int]:
    """The frames, by seq, that a span of time concerns: each by itself, or kept ones with those they stand for."""
    inside = pl.max_horizontal(0, pl.min_horizontal("end_ms", end_ms) - pl.max_horizontal("start_ms", start_ms))
    held = spans.group_by(by).agg(
        (pl.col("end_ms") - pl.col("start_ms")).sum().alias("length_ms"), inside.sum().alias("inside_ms")
    )
    enough = pl.col("inside_ms") * 2 >= pl.min_horizontal("length_ms", end_ms - start_ms)
    return held.filter((pl.col("inside_ms") > 0) & enough)[by].sort().to_list()


def without_rejected(detections: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Detections without those that corrections take away.

    Args:
        corrections: what `corrected` gives.
    """
    taken = corrections.filter(pl.col("reason").str.starts_with(REJECTED)).with_columns(
        brand=pl.col("reason").str.strip_prefix(REJECTED)
    )
    return detections.join(taken.select(KEY), on=KEY, how="anti", maintain_order="left") if len(taken) else detections


def _added(
    correction: Correction, concerned: Sequence[int], sizes: dict[int, tuple[int, int]]
) -> Iterator[dict[str, object]]:
    for seq in concerned:
        if correction.box is not None:
            box = _clipped(correction.box, *sizes[seq])
            if box is not None:
                yield _manual(seq, box, correction.brand, correction.note)


def _taken(correction: Correction, found: pl.DataFrame) -> Iterator[dict[str, object]]:
    key = fold_key(correction.brand)
    for row in found.iter_rows(named=True):
        box = (row["x"], row["y"], row["w"], row["h"])
        if fold_key(row["brand"]) == key and _is_at(box, correction.box):
            yield row | {"brand": None, "reason": f"{REJECTED}{row['brand']}"}
            if correction.to:
                yield _manual(row["seq"], box, correction.to, correction.note) | {"polygon": row["polygon"]}


def _manual(seq: int, box: XYWH, brand: str, note: str) -> dict[str, object]:
    nothing = dict.fromkeys(DETECTION_SCHEMA)
    place = dict(zip("xywh", box, strict=True))
    said = {"brand": brand, "confidence": 1.0, "source": MANUAL, "text": note, "reason": ""}
    return nothing | {"seq": seq} | place | said


def _is_at(box: XYWH, place: PixelBox | None) -> bool:
    if place is None:
        return True
    smaller = min(box[2] * box[3], place.w * place.h)
    return shared_area(box, (place.x, place.y, place.w, place.h)) >= SAME_PLACE * smaller


def _clipped(box: PixelBox, width_px: int, height_px: int) -> XYWH | None:
    """The part of the box in a frame of that size; None where there is none: sources of a timeline may differ."""
    w, h = min(box.x + box.w, width_px) - box.x, min(box.y + box.h, height_px) - box.y
    return (box.x, box.y, w, h) if w > 0 and h > 0 else None
