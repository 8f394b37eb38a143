"""The table of chunks, as the stage `timeline` makes it, and what every stage asks of it."""

from __future__ import annotations

import polars as pl

from mpr_resources.media.streams import StreamPlace
from mpr_resources.storage.tables import NamedRow


def timeline_ms(chunks: pl.DataFrame) -> int:
    """Length of a timeline: what its chunks add up to."""
    return int(chunks.select((pl.col("end_ms") - pl.col("start_ms")).sum()).item())


def stream_place(chunk: NamedRow) -> StreamPlace:
    """The video stream that a chunk, a row of the table, is read from."""
    return StreamPlace(chunk["stream"], chunk["origin_pts"], chunk["from_byte"], chunk["pid"])
