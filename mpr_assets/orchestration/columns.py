"""What the columns of the stages' tables hold, as Dagster shows it beside their types.

A column has one meaning wherever it stands, but for those named with their stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

MEANINGS = {
    "best_h": "height, in px, of the brand's box in the frame that proves the exposure best",
    "best_seq": "seq of the frame that proves the exposure best",
    "best_w": "width, in px, of the brand's box in that frame",
    "best_x": "left edge, in px, of the brand's box in that frame",
    "best_y": "upper edge, in px, of the brand's box in that frame",
    "brand": "the brand; null: a candidate, for which none was found",
    "chunk": "number of the chunk, in the timeline's order, from 0",
    "codec": "FFmpeg's name of the video's codec",
    "confidence": "how sure it is, 0 to 1",
    "crop": "number of the crop within the timeline",
    "cut_ms": "when the picture changed abruptly since the frame before, ms of the timeline; null: it did not",
    "detections": "detections that the exposure is made of",
    "duration_ms": "length of the whole source",
    "end_ms": "end of the span, which does not belong to it, in ms",
    "engine": "what found it",
    "exposure": "number of the exposure among those of its brand",
    "fps_den": "denominator of the source's frame rate",
    "fps_num": "numerator of the source's frame rate",
    "frames": "frames that the exposure is seen on",
    "h": "height of the box, px of the frame",
    "height_px": "height of the picture",
    "kept": "whether later stages look at the frame",
    "kept_seq": "seq of the kept frame that stands for this one",
    "label": "what the region is taken for",
    "line": "number of the line within the frame",
    "max_area_share": "largest share of the frame that the brand's boxes cover, 0 to 1",
    "max_confidence": "confidence of the surest detection, 0 to 1",
    "mean_area_share": "mean share of the frame that the brand's boxes cover, 0 to 1",
    "media": "the source that the exposure begins in",
    "media_end_ms": "end of the exposure on its source's clock",
    "media_start_ms": "start of the exposure on its source's clock",
    "phash": "perceptual hash of the picture: near for pictures that look alike",
    "polygon": "corners of the playing field, x and y in px of the frame",
    "quad": "corners of the text, clockwise from its top left: x and y in px of the frame",
    "read": "whether it was read on this frame; else it was taken over from another frame of its track",
    "reason": "why it was decided so",
    "reference": "the brand whose reference picture was found; empty: none",
    "representative": "number of the crop that is looked at instead of this one, as they are alike",
    "rotation_deg": "clockwise turn from the coded picture to the displayed one",
    "seq": "number of the frame within the timeline, from 0",
    "share": "share of the frame that the playing field covers, 0 to 1",
    "shot": "number of the shot within the timeline, from 0",
    "size_bytes": "size of the stored JPEG picture",
    "source": "what found it",
    "source_ms": "time of the frame on its source's clock",
    "source_pts": "time of the frame as the container has it, in units of its time base",
    "source_version": "hash of the source's video: equal for equal content, wherever the file lies",
    "start_ms": "start of the span, in ms",
    "text": "the text that was read; empty: it was found by its look",
    "time_base_den": "denominator of the seconds that a unit of pts lasts",
    "time_base_num": "numerator of the seconds that a unit of pts lasts",
    "timeline_ms": "time of the frame on the timeline's clock",
    "timeline_start_ms": "where the chunk begins on the timeline's clock",
    "to_frame": "matrix that takes points of the crop to points of the frame",
    "track": "number of the text that is followed from frame to frame",
    "w": "width of the box, px of the frame",
    "width_px": "width of the picture",
    "x": "left edge of the box, px of the frame",
    "y": "upper edge of the box, px of the frame",
}
OF_STAGE = {
    ("timeline", "source"): "path or address of the video",
    ("timeline", "start_ms"): "start of the chunk on its source's clock",
    ("timeline", "end_ms"): "end of the chunk, which does not belong to it, on its source's clock",
    ("timeline", "height_px"): "height of the source's picture as displayed",
    ("timeline", "width_px"): "width of the source's picture as displayed",
    ("preprocess", "source"): "the stage that found the region",
    ("preprocess", "height_px"): "height of the crop's picture",
    ("preprocess", "width_px"): "width of the crop's picture",
    ("compile_report", "brand"): "the brand",
    ("compile_report", "chunk"): "number of the chunk that the exposure begins in",
    ("compile_report", "confidence"): "mean confidence of the detections, 0 to 1",
    ("compile_report", "start_ms"): "start of the exposure on the timeline's clock",
    ("compile_report", "end_ms"): "end of the exposure, which does not belong to it, on the timeline's clock",
}


def column_schema(stage: str, schema: Mapping[str, Any]) -> dg.TableSchema:
    """The stage's columns with their types and meanings."""
    return dg.TableSchema(
        [
            dg.TableColumn(name, str(dtype), description=OF_STAGE.get((stage, name)) or MEANINGS.get(name))
            for name, dtype in schema.items()
        ]
    )
