"""A brand on one sampled frame: how large its marks are, where they stand, how prominent, how many.

What that adds up to over an exposure or a timeline is in `exposure_measures` and `brand_measures`.

Every measure is defined in docs/measures.md.
"""

from __future__ import annotations

import math

import polars as pl

from gpu_service.boxes import XYWH, overlaps
from mpr_assets.report.areas import area, area_shares, centroid, outline
from mpr_assets.report.exposures import held_on_frames

PRESENCE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposure": pl.Int32,
    "seq": pl.Int64,
    "found_on": pl.Int64,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "instances": pl.Int32,
    "area_share": pl.Float64,
    "prominence": pl.Float64,
    "cell": pl.Int32,
    "centre_distance": pl.Float64,
    "legibility": pl.Float64,
    "visibility": pl.Float64,
    "confidence": pl.Float64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "polygon": pl.List(pl.Float64),
}

CENTRALITY_SIGMA, CENTRALITY_WEIGHT, AREA_WEIGHT = 0.3, 0.6, 0.4
"""Of the prominence that ExposureEngine defines (arXiv:2510.04739)."""


def presence(
    exposures: pl.DataFrame, detections: pl.DataFrame, frames: pl.DataFrame, spans: pl.DataFrame
) -> pl.DataFrame:
    """One row for each brand on each sampled frame on which an exposure of it has detections.

    Args:
        exposures: rows of EXPOSURE_SCHEMA. detections: rows of the stages that detect; those without a brand, and those
            that no exposure has, are left out. frames: rows of `extract_frames`. spans: of `frame_spans`.

    Returns:
        A table of PRESENCE_SCHEMA, sorted by brand and time. `exposure` is the number of the brand's exposure;
        `start_ms` and `end_ms`: the part of the exposure that the frame stands for, its first and last frame up to its
        edges; `found_on`: the frame whose detections hold for this one; box and polygon: of the most prominent mark.
    """
    found = detections.filter(pl.col("brand").is_not_null()).join(exposures.select("brand").unique(), on="brand")
    held = held_on_frames(_per_frame(found, frames), spans).sort("timeline_ms", "brand")
    stays = exposures.select("brand", "exposure", "start_ms", stay_end_ms="end_ms").sort("start_ms")
    within = held.rename({"start_ms": "from_ms", "end_ms": "to_ms"}).join_asof(
        stays, left_on="timeline_ms", right_on="start_ms", by="brand", strategy="backward", check_sortedness=False
    )
    return (
        within.filter(pl.col("timeline_ms") < pl.col("stay_end_ms"))
        .with_columns(
            first=pl.col("timeline_ms") == pl.col("timeline_ms").min().over("brand", "exposure"),
            last=pl.col("timeline_ms") == pl.col("timeline_ms").max().over("brand", "exposure"),
        )
        .with_columns(
            start_ms=pl.when("first").then("start_ms").otherwise("from_ms"),
            end_ms=pl.when("last").then("stay_end_ms").otherwise("to_ms"),
        )
        .sort("brand", "start_ms", "seq")
        .select(pl.col(name).cast(dtype) for name, dtype in PRESENCE_SCHEMA.items())
    )


def _per_frame(found: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """One row for each brand on each frame where it was found (`found_on`); the most prominent mark stands for its
    place, the most legible one for its legibility, the surest one for its confidence."""
    marks = _marks(found, frames)
    keys = ["brand", "found_on"]
    grouped = marks.group_by(keys, maintain_order=True).agg(
        pl.len().alias("marks"),
        pl.col("prominence", "legibility", "visibility", "confidence").max(),
        pl.col("cell", "centre_distance", "x", "y", "w", "h", "polygon").first(),
        boxes=pl.struct("x", "y", "w", "h"),
    )
    counts = grouped["marks"].cast(pl.Int64).to_numpy()
    instances = [
        1 if len(boxes) == 1 else _instances([tuple(box.values()) for box in boxes]) for boxes in grouped["boxes"]
    ]
    return grouped.select(
        *keys,
        "prominence", "legibility", "visibility", "confidence", "cell", "centre_distance",
        "x", "y", "w", "h", "polygon",
        pl.Series("instances", instances, dtype=pl.Int32),
        pl.Series("area_share", area_shares(marks, counts), dtype=pl.Float64),
    )  # fmt: skip


def _marks(found: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """Each detection with its place in the frame, the most prominent of a brand and frame first."""
    sized = found.rename({"seq": "found_on"}).join(
        frames.select("width_px", "height_px", found_on="seq"), on="found_on", how="left", maintain_order="left"
    )
    columns = ("x", "y", "w", "h", "polygon", "width_px", "height_px")
    rows = [_placed(*row) for row in sized.select(columns).iter_rows()]
    schema = {"prominence": pl.Float64, "cell": pl.Int32, "centre_distance": pl.Float64, "inside": pl.Float64}
    placed = pl.DataFrame(rows, schema, orient="row")
    visibility = pl.col("inside") * pl.col("legibility").fill_null(1.0)
    order = ["brand", "found_on", "prominence", "x", "y", "w", "h"]
    return (
        sized.hstack(placed)
        .with_columns(visibility=visibility)
        .sort(order, descending=[False, False, True, False, False, False, False])
    )


def _placed(
    x: int, y: int, w: int, h: int, polygon: list[float] | None, width: int, height: int
) -> tuple[float, int, float, float]:
    """Prominence, cell of the grid, distance from the centre, and share within the frame of one mark."""
    seen = outline(polygon, (x, y, x + w, y + h), width, height)
    across, down = centroid(seen) if seen else (min(max(x, 0), width), min(max(y, 0), height))
    across, down = across / width, down / height
    whole = w * h if polygon is None else area(list(zip(polygon[::2], polygon[1::2], strict=True)))
    inside = area(seen) / whole if whole else 0.0
    share = area(seen) / (width * height)
    cell = 3 * min(int(3 * down), 2) + min(int(3 * across), 2)
    return prominence(across, down, share), cell, _from_centre(across, down) / math.hypot(0.5, 0.5), inside


def _from_centre(across: float, down: float) -> float:
    return math.hypot(across - 0.5, down - 0.5)


def prominence(across: float, down: float, area_share: float) -> float:
    """How much a mark stands out, 0 to 1: `across` and `down` are its centre, as parts of the frame's width and height.

    >>> prominence(0.5, 0.5, 0.25)
    0.8
    """
    centrality = math.exp(-(_from_centre(across, down) ** 2) / (2 * CENTRALITY_SIGMA**2))
    return CENTRALITY_WEIGHT * centrality + AREA_WEIGHT * math.sqrt(area_share)


def _instances(boxes: list[XYWH]) -> int:
    """How many marks are seen: detections of which one lies half or more in another are one mark, found twice."""
    firsts: list[XYWH] = []
    for box in sorted(boxes, key=lambda box: (-box[2] * box[3], box)):
        if not any(overlaps(box, other) for other in firsts):
            firsts.append(box)
    return len(firsts)
