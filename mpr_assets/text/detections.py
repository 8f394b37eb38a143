"""The table of detections and candidates, as `match_brands` and the two escalations make it."""

from __future__ import annotations

import polars as pl

DETECTION_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "brand": pl.Utf8,
    "confidence": pl.Float64,
    "source": pl.Utf8,
    "text": pl.Utf8,
    "reason": pl.Utf8,
    "track": pl.Int64,
    "polygon": pl.List(pl.Float64),
    "legibility": pl.Float64,
}
"""Detections and candidates. A candidate has no brand, and a reason.

`polygon`: outline of the mark, convex, x0 y0 x1 y1 … clockwise, px of the frame; null where only its box is known.
`legibility`: the share of the name's letters that were read on this frame, 0 to 1; null where nothing was read, or no
name.
"""

DETECTION_COLUMNS = {
    "polygon": "outline of the mark, clockwise: x and y of each corner, px of the frame; null: only its box is known",
    "legibility": "share of the name's letters that were read on this frame, 0 to 1; null: no name was read",
}
"""What columns mean that other stages' tables have not."""
