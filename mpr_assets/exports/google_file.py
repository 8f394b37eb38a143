"""JSON in the shape of Google's Video Intelligence API: an `AnnotateVideoResponse` of v1, as its REST API writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from mpr_assets.exports.tables import ReportTables
from mpr_assets.report.model import ReportChunk
from mpr_resources.storage.tables import NamedRow


def google(tables: ReportTables) -> bytes:
    """UTF-8. A result for each chunk, whose times are on its source's clock.

    Brands are `logoRecognitionAnnotations`, however they were found: an exposure is a segment, a mark of it a track
    with its boxes. What was read of them is `textAnnotations` too. Time that is inferred is in segments and has no box.
    An entity has its name as `description`; it has no id, for Google's are those of its knowledge graph.
    """
    results = [_result(chunk, tables) for chunk in tables.report.chunks]
    return f"{json.dumps({'annotationResults': results}, ensure_ascii=False, indent=1)}\n".encode()


def _result(chunk: ReportChunk, tables: ReportTables) -> dict[str, Any]:
    marks = tables.marks.filter(pl.col("chunk") == chunk.chunk)
    exposures = tables.exposures.filter(pl.col("chunk") == chunk.chunk)
    logos = []
    for (brand,), stays in exposures.group_by("brand", maintain_order=True):
        spans = stays.select("media_start_ms", "media_end_ms").iter_rows()
        own = marks.filter(pl.col("brand") == brand)
        tracks = [_track(track) for _, track in own.group_by("exposure", "mark", maintain_order=True)]
        segments = [_segment(start_ms, end_ms) for start_ms, end_ms in spans]
        logos.append({"entity": {"description": brand}, "tracks": tracks, "segments": segments})
    return {
        "inputUri": chunk.source,
        "segment": _segment(chunk.start_ms, chunk.end_ms),
        "textAnnotations": list(_texts(marks.filter(pl.col("text") != "", ~pl.col("inferred")))),
        "logoRecognitionAnnotations": logos,
    }


def _track(track: pl.DataFrame) -> dict[str, Any]:
    found = track.filter(~pl.col("inferred"))
    return {
        "segment": _segment(track["source_start_ms"].min(), track["source_end_ms"].max()),
        "timestampedObjects": [
            {"normalizedBoundingBox": _box(row), "timeOffset": _offset(row["source_ms"])}
            for row in found.iter_rows(named=True)
        ],
        "attributes": [
            {"name": "source", "value": value} for value in found["source"].unique(maintain_order=True).to_list()
        ],
        "confidence": found["confidence"].max(),
    }


def _texts(read: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """What was read, each reading of a mark a segment."""
    for (text,), rows in read.sort("text", "brand", "exposure", "mark", "start_ms").group_by(
        "text", maintain_order=True
    ):
        segments = [
            {
                "segment": _segment(track["source_start_ms"].min(), track["source_end_ms"].max()),
                "confidence": track["confidence"].max(),
                "frames": [
                    {"rotatedBoundingBox": {"vertices": _corners(row)}, "timeOffset": _offset(row["source_ms"])}
                    for row in track.iter_rows(named=True)
                ],
            }
            for _, track in rows.group_by("brand", "exposure", "mark", maintain_order=True)
        ]
        yield {"text": text, "segments": segments}


def _box(row: NamedRow) -> Mapping[str, float]:
    return {
        "left": round(row["x"], 6),
        "top": round(row["y"], 6),
        "right": round(row["x"] + row["w"], 6),
        "bottom": round(row["y"] + row["h"], 6),
    }


def _corners(row: NamedRow) -> list[dict[str, float]]:
    """Clockwise from the top left."""
    box = _box(row)
    sides = (("left", "top"), ("right", "top"), ("right", "bottom"), ("left", "bottom"))
    return [{"x": box[across], "y": box[down]} for across, down in sides]


def _segment(start_ms: object, end_ms: object) -> dict[str, str]:
    return {"startTimeOffset": _offset(start_ms), "endTimeOffset": _offset(end_ms)}


def _offset(ms: Any) -> str:
    """A duration as Protocol Buffers write it in JSON.

    >>> _offset(1250)
    '1.250s'
    """
    return f"{ms // 1000}.{ms % 1000:03}s"
