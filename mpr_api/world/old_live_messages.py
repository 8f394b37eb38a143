"""The messages of the older live analyser's WebSocket, made of what this API tells of a session.

A subscriber names a session as `stream_id`. Each picture that was looked at is an analysis, also when nothing was
found in it; its id is made of its timeline and pts, so that it is the same from every process. What it looks like and
what moves in it are told where the profile has `visual_properties` and `motion` on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mpr_api.world.live_messages import LiveDetection, LiveFrame, LiveResult, LiveThing, LiveWindow

RECENT = 5
TYPES = {"ocr": "text", "logo": "logo", "object": "object"}
"""What the older system called what a detection was found by; others are of logos."""


def analyses(window: LiveWindow, result: LiveResult, session_id: str) -> list[dict[str, Any]]:
    """The analyses of a window, in order. `session_id`: as the subscriber gave it."""
    frames = result.frames
    moves = _moves(frames)
    seconds = max(0.0, result.lag_ms / 1000)
    done_at = datetime.fromtimestamp(result.done_at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [_analysis(window, result, frame, session_id, seconds, done_at, moves) for frame in frames]


def _analysis(
    window: LiveWindow,
    result: LiveResult,
    frame: LiveFrame,
    session_id: str,
    seconds: float,
    done_at: str,
    moves: dict[str, float],
) -> dict[str, Any]:
    key = f"{result.timeline_id}-{frame.pts}"
    seen: list[LiveDetection | LiveThing] = [*frame.detections, *frame.objects]
    return {
        "id": key,
        "stream_id": result.session,
        "session_id": session_id,
        "timestamp": done_at,
        "processing_time": seconds,
        "analysis_type": "brand_detection",
        "frame_timestamp": frame.session_ms / 1000,
        "provider": "mpr",
        "detections": [_detection(f"{key}-{at}", one, window) for at, one in enumerate(seen)],
        "visual": (_look(frame) | moves) or None,
    }


def _look(frame: LiveFrame) -> dict[str, Any]:
    if frame.look is None:
        return {}
    return {
        "dominant_colors": [list(colour) for colour in frame.look.colours],
        "brightness_level": frame.look.brightness,
        "contrast_level": frame.look.contrast,
        "saturation_level": frame.look.saturation,
    }


def _moves(frames: Sequence[LiveFrame]) -> dict[str, float]:
    """Of the whole window, as the older system had it of a segment; empty where nothing was measured."""
    told = [frame.motion for frame in frames if frame.motion is not None]
    if not told:
        return {}
    shares = [one.moving_share for one in told]
    return {
        "average_motion": round(sum(shares) / len(told), 4),
        "max_motion": max(shares),
        "activity_score": round(sum(one.active for one in told) / len(told), 4),
    }


def _detection(key: str, one: LiveDetection | LiveThing, window: LiveWindow) -> dict[str, Any]:
    """A brand, or an object that is none."""
    label, source, track = (
        (one.brand, one.source, one.track) if isinstance(one, LiveDetection) else (one.label, "object", None)
    )
    width, height = max(1, window.width_px), max(1, window.height_px)
    return {
        "id": key,
        "label": label,
        "confidence": one.confidence,
        "bbox": {"x": one.x / width, "y": one.y / height, "width": one.w / width, "height": one.h / height},
        "detection_type": TYPES.get(source, "logo"),
        "metadata": {"source": source, "track": track},
    }
