"""The columns of an exposure, and what their values are. How exposures are made is in `exposures`."""

from __future__ import annotations

from typing import Annotated

import polars as pl
from pydantic import StringConstraints

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
    "seen_ms": pl.Int64,
    "inferred_ms": pl.Int64,
    "inferred": pl.String,
    "start_uncertainty_ms": pl.Int64,
    "end_uncertainty_ms": pl.Int64,
}
"""`seen_ms` and `inferred_ms` add up to the exposure's length; `inferred`: the bridged spans, see `inferred_spans`."""

DECIMALS = 6
"""Shares and confidences are rounded to this, so that the order of a sum cannot show in the bytes."""

CELLS = (
    "top left", "top", "top right",
    "left", "centre", "right",
    "bottom left", "bottom", "bottom right",
)  # fmt: skip
"""The cells of the 3 x 3 grid by their numbers."""
UNKNOWN = "unknown"
PLACEMENTS = ("board", "shirt", "overlay", "product", UNKNOWN)
"""What a brand stands on; settings may name more."""
PlacementName = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]


def inferred_spans(inferred: str) -> list[tuple[int, int]]:
    """The bridged spans of an exposure on the timeline's clock, half-open, by its column `inferred`.

    >>> inferred_spans("1500-2000 4250-4750")
    [(1500, 2000), (4250, 4750)]
    """
    pairs = (span.partition("-") for span in inferred.split())
    return [(int(start), int(end)) for start, _, end in pairs]
