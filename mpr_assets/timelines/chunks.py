"""The table of chunks, as the stage `timeline` makes it, and what every stage asks of it."""

from __future__ import annotations

import polars as pl


def timeline_ms(chunks: pl.DataFrame) -> int:
    """Length of a timeline: what its chunks add up to."""
    return int(chunks.select((pl.col("end_ms") - pl.col("start_ms")).sum()).item())
