"""COCO with videos and tracks, the form of TAO (Dave et al., 2020): boxes on the sampled frames."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import polars as pl

from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.tables import ReportTables

TRACK = ("brand", "chunk", "exposure", "mark")


def coco(tables: ReportTables) -> bytes:
    """UTF-8. A video for each source, a category for each brand, a track for each mark of an exposure.

    Images are all sampled frames, so that one without a box says that nothing is there; `frame_index` counts the frames
    of the source from 0, at its rate. A track has its time on screen as `spans_ms` on the timeline's clock, half-open,
    for images are too few to tell it; what is inferred is in them and has no box.
    """
    report, marks = tables.report, tables.marks
    videos = {source.name: number for number, source in enumerate(report.sources, start=1)}
    categories = {
        one.brand: number for number, one in enumerate(sorted(report.brands, key=lambda one: one.brand), start=1)
    }
    sizes = {one.name: (one.width_px, one.height_px) for one in report.sources}
    clocks = {one.name: FrameClock.of_sources([one]) for one in report.sources}
    source_of = {chunk.chunk: chunk.source for chunk in report.chunks}
    found = marks.filter(~pl.col("inferred"))
    images: dict[int, dict[str, Any]] = {}
    for seq, chunk, source_ms in tables.sampled.select("seq", "chunk", "source_ms").iter_rows():
        source = source_of[chunk]
        width, height = sizes[source]
        images[seq] = {
            "id": len(images) + 1,
            "video": source,
            "video_id": videos[source],
            "frame_index": clocks[source].frames(source_ms),
            "file_name": f"{_folder(tables)}{seq:08d}.jpg",
            "width": width,
            "height": height,
        }
    tracks: dict[tuple[str, int, int, int], dict[str, Any]] = {}
    spans: defaultdict[tuple[str, int, int, int], list[tuple[int, int]]] = defaultdict(list)
    for *key, start_ms, end_ms in marks.select(*TRACK, "start_ms", "end_ms").iter_rows():
        brand, chunk, exposure, mark = key
        of_mark = (brand, chunk, exposure, mark)
        ids = {"id": len(tracks) + 1, "category_id": categories[brand], "video_id": videos[source_of[chunk]]}
        tracks.setdefault(of_mark, ids)
        spans[of_mark].append((start_ms, end_ms))
    annotations: list[dict[str, Any]] = []
    for row in found.iter_rows(named=True):
        image, track = images[row["seq"]], tracks[row["brand"], row["chunk"], row["exposure"], row["mark"]]
        x, w = (round(row[side] * image["width"], 2) for side in ("x", "w"))
        y, h = (round(row[side] * image["height"], 2) for side in ("y", "h"))
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image["id"],
                "video_id": image["video_id"],
                "track_id": track["id"],
                "category_id": track["category_id"],
                "bbox": [x, y, w, h],
                "area": round(w * h, 2),
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                "iscrowd": 0,
                "score": row["confidence"],
            }
        )
    document = {
        "info": {"description": report.timeline},
        "licenses": [],
        "videos": [
            {"id": videos[one.name], "name": one.name, "width": one.width_px, "height": one.height_px}
            | {"neg_category_ids": [], "not_exhaustive_category_ids": []}
            for one in report.sources
        ],
        "images": list(images.values()),
        "categories": [{"id": number, "name": brand, "synset": ""} for brand, number in categories.items()],
        "tracks": [track | {"spans_ms": _joined(spans[key])} for key, track in tracks.items()],
        "annotations": annotations,
    }
    return f"{json.dumps(document, ensure_ascii=False)}\n".encode()


def _folder(tables: ReportTables) -> str:
    """Where the frames lie in the storage, as the evidence has it; nothing is known of it where there is none."""
    frames = (one.evidence.frame for brand in tables.report.brands for one in brand.exposures)
    return f"{next(frames, '').rpartition('/')[0]}/"


def _joined(spans: list[tuple[int, int]]) -> list[list[int]]:
    """Spans in the order of time, those that touch as one.

    >>> _joined([(0, 500), (500, 700), (900, 950)])
    [[0, 700], [900, 950]]
    """
    joined: list[list[int]] = []
    for start_ms, end_ms in spans:
        if joined and joined[-1][1] == start_ms:
            joined[-1][1] = end_ms
        else:
            joined.append([start_ms, end_ms])
    return joined
