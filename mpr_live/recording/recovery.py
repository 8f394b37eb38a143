"""A window that was open when its process was killed: what is whole of its file is a window of its own.

A source that is a file is read again instead. What a window's file looks like is in `window_file`.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
from pydantic import ValidationError

from mpr_assets.sessions.session import Window
from mpr_live.recording.window_file import header_bytes


def recovered(file: Path, about: Path, wall_s: Callable[[], float]) -> tuple[Window, bytes] | None:
    """The window and its file's bytes; None: nothing of it is whole.

    Args:
        about: what was known of the window when it was begun.
    """
    try:
        window = Window.model_validate_json(about.read_bytes())
        data = whole_fragments(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if not data:
        return None
    payloads, count, end_pts = hashlib.sha256(), 0, window.start_pts
    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as container:
            for packet in container.demux(video=0):
                if packet.dts is not None and packet.pts is not None:
                    payloads.update(memoryview(packet))
                    count += 1
                    end_s = (packet.pts + (packet.duration or 0)) * packet.time_base
                    end_pts = max(end_pts, round(end_s / window.epoch.time_base))
    except av.FFmpegError:
        return None
    found = {
        "end_pts": end_pts,
        "end_ms": window.epoch.session_ms(end_pts),
        "closed_s": wall_s(),
        "size_bytes": len(data),
        "header_bytes": header_bytes(data),
        "video_packets": count,
        "packets_hash": payloads.hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return (window.model_copy(update=found), data) if count else None


def whole_fragments(data: bytes) -> bytes:
    """An fMP4 up to the end of its last whole fragment; nothing where it has none (ISO/IEC 14496-12, boxes)."""
    at = end = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            break
        at += size
        if kind == b"mdat":
            end = at
    return data[:end]
