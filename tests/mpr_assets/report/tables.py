"""Small input tables for the tests of the report, written as tuples."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

WIDTH, HEIGHT = 200, 100

FRAMES = {
    "seq": pl.Int64,
    "chunk": pl.Int32,
    "source_pts": pl.Int64,
    "source_ms": pl.Int64,
    "timeline_ms": pl.Int64,
    "until_ms": pl.Int64,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "phash": pl.UInt64,
    "size_bytes": pl.Int64,
    "cut_ms": pl.Int64,
}
SCENES = {"seq": pl.Int64, "shot": pl.Int32, "kept": pl.Boolean, "kept_seq": pl.Int64, "reason": pl.String}
DETECTIONS = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "brand": pl.String,
    "confidence": pl.Float64,
    "source": pl.String,
    "text": pl.String,
    "reason": pl.String,
    "track": pl.Int64,
    "polygon": pl.List(pl.Float64),
    "legibility": pl.Float64,
}
CHUNKS = {
    "chunk": pl.Int32,
    "source": pl.String,
    "source_version": pl.String,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "timeline_start_ms": pl.Int64,
    "duration_ms": pl.Int64,
    "fps_num": pl.Int64,
    "fps_den": pl.Int64,
    "time_base_num": pl.Int64,
    "time_base_den": pl.Int64,
    "codec": pl.String,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "rotation_deg": pl.Int32,
}


def chunks(*spans: tuple[str, int, int]) -> pl.DataFrame:
    """Each span is (source, start_ms, end_ms) on the source's clock."""
    rows, at = [], 0
    for number, (source, start, end) in enumerate(spans):
        rows.append((number, source, "v1", start, end, at, 60_000, 30000, 1001, 1, 90000, "h264", WIDTH, HEIGHT, 0))
        at += end - start
    return pl.DataFrame(rows, CHUNKS, orient="row")


def frames(
    *per_chunk: Sequence[int], cuts: dict[int, int] | None = None, until: dict[int, int] | None = None
) -> pl.DataFrame:
    """Each argument holds the timeline_ms of one chunk's frames; `cuts` and `until` the cut_ms and the until_ms of a
    frame by its seq. The source's next picture comes 1 ms after where `until` says nothing."""
    times = [(chunk, time) for chunk, group in enumerate(per_chunk) for time in group]
    cut, next_ms = (cuts or {}).get, (until or {}).get
    rows = [
        (seq, chunk, time, time, time, next_ms(seq, time + 1), WIDTH, HEIGHT, 0, 1, cut(seq))
        for seq, (chunk, time) in enumerate(times)
    ]
    return pl.DataFrame(rows, FRAMES, orient="row")


def scenes(shots: Sequence[int], dropped: dict[int, int] | None = None) -> pl.DataFrame:
    """`shots` has each frame's shot; `dropped` names, for a dropped frame, the kept one that stands for it."""
    stands = dropped or {}
    rows = [
        (seq, shot, seq not in stands, stands.get(seq, seq), "near_duplicate" if seq in stands else "kept")
        for seq, shot in enumerate(shots)
    ]
    return pl.DataFrame(rows, SCENES, orient="row")


def detection(
    seq: int,
    brand: str | None = "Acme",
    confidence: float = 0.9,
    box: tuple[int, int, int, int] = (10, 10, 20, 10),
    source: str = "ocr",
    polygon: list[float] | None = None,
    legibility: float | None = None,
) -> tuple[object, ...]:
    return (
        seq,
        *box,
        brand,
        confidence,
        source,
        "" if source == "logo" else "ACME",
        "" if brand else "unread",
        None,
        polygon,
        legibility,
    )


def detections(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), DETECTIONS, orient="row")
