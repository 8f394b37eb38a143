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
}
"""Detections and candidates. A candidate has no brand, and a reason."""
