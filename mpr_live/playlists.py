"""A session as HLS (RFC 8216): playlists over its stored windows, which are fMP4 and are not written again. Pure.

The number of discontinuities before a segment is the number of its epoch, so that a player knows which clock a picture
is on. Where the windows come from is in `mpr_assets.sessions.session_store`, where they are served in `mpr_api`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import dropwhile

from mpr_assets.sessions.session import DIGITS, Removed, Window

MIME_TYPE = "application/vnd.apple.mpegurl"
SEGMENT_TYPE = "video/mp4"
LISTED = 10
"""Segments of a list that slides."""


def playlist(
    windows: Sequence[Window],
    *,
    sliding: bool,
    ended: bool,
    zero_s: float,
    window_ms: int,
    removed: Removed,
) -> str:
    """The media playlist of these windows, in order.

    Args:
        removed: those whose recording was taken away: the list begins after the first of them, others are gaps in it.
        sliding: the last `LISTED` alone.
        ended: none is to come.
        zero_s: when the session's time was 0, in seconds since 1970; dates are that and session time, so that they go
            on evenly.
        window_ms: as long as windows are meant to be; one ends at the next keyframe, and is longer then.
    """
    longest_ms = max([window_ms, *(one.end_ms - one.start_ms for one in windows)])
    there = [*dropwhile(lambda one: one.number in removed, windows)]
    listed = there[-LISTED:] if sliding else there
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest_ms / 1000)}",
        f"#EXT-X-MEDIA-SEQUENCE:{listed[0].number if listed else 0}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{listed[0].epoch.number if listed else 0}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if not sliding and (ended or not removed.spans):  # an event's list only grows
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{'VOD' if ended else 'EVENT'}")
    before: Window | None = None
    mapped: Window | None = None
    for one in listed:
        if before is not None:
            # An epoch that left no window counts too.
            lines += ["#EXT-X-DISCONTINUITY"] * (one.epoch.number - before.epoch.number)
        uri = f"windows/{one.number:0{DIGITS}d}.mp4"
        if one.number not in removed and (mapped is None or _opened_otherwise(mapped, one)):
            lines.append(f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{one.header_bytes}@0"')
            mapped = one
        shown_at = datetime.fromtimestamp(zero_s + one.start_ms / 1000, UTC)
        lines += [
            f"#EXT-X-PROGRAM-DATE-TIME:{shown_at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}",
            *(["#EXT-X-GAP"] if one.number in removed else []),
            f"#EXTINF:{(one.end_ms - one.start_ms) / 1000:.3f},",
            f"#EXT-X-BYTERANGE:{one.size_bytes - one.header_bytes}@{one.header_bytes}",
            uri,
        ]
        before = one
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def _opened_otherwise(before: Window, one: Window) -> bool:
    """Whether a window has a header of its own; those of an epoch are alike."""
    return (one.epoch.number, one.codec, one.width_px, one.height_px, one.header_bytes) != (
        before.epoch.number,
        before.codec,
        before.width_px,
        before.height_px,
        before.header_bytes,
    )
