"""The messages of the older live analyser's WebSocket, made of what this API tells of a session.

A subscriber names a session as `stream_id`. Each picture that was looked at is an analysis, also when nothing was
found in it; its id is made of its timeline and pts, so that it is the same from every process.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mpr_api.world.live_feed import LiveDetection, LiveFrame, LiveResult, LiveWindow

RECENT = 5
TYPES = {"ocr": "text", "logo": "logo", "object": "object"}
"""What the older system called what a detection was found by; others are of logos."""


def analyses(window: LiveWindow, result: LiveResult, session_id: str) -> list[dict[str, Any]]:
    """The analyses of a window, in order. `session_id`: as the subscriber gave it."""
    frames = result.frames
    seconds = max(0.0, result.lag_ms / 1000)
    done_at = datetime.fromtimestamp(result.done_at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [_analysis(window, result, frame, session_id, seconds, done_at) for frame in frames]


def _analysis(
    window: LiveWindow, result: LiveResult, frame: LiveFrame, session_id: str, seconds: float, done_at: str
) -> dict[str, Any]:
    key = f"{result.timeline_id}-{frame.pts}"
    return {
        "id": key,
        "stream_id": result.session,
        "session_id": session_id,
        "timestamp": done_at,
        "processing_time": seconds,
        "analysis_type": "brand_detection",
        "frame_timestamp": frame.session_ms / 1000,
        "provider": "mpr",
        "detections": [_detection(f"{key}-{at}", one, window) for at, one in enumerate(frame.detections)],
        "visual": None,
    }


def _detection(key: str, one: LiveDetection, window: LiveWindow) -> dict[str, Any]:
    width, height = max(1, window.width_px), max(1, window.height_px)
    return {
        "id": key,
        "label": one.brand,
        "confidence": one.confidence,
        "bbox": {"x": one.x / width, "y": one.y / height, "width": one.w / width, "height": one.h / height},
        "detection_type": TYPES.get(one.source, "logo"),
        "metadata": {"source": one.source, "track": one.track},
    }
