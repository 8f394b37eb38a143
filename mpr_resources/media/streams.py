"""Which of a file's video streams is shown. Knows no files: what a stream holds is counted in `probe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpr_resources.media.clock import clock


@dataclass(frozen=True)
class VideoStreamFacts:
    """What one video stream of a file holds, counted.

    Attributes:
        number: within the file, sound and data included, from 0, as FFmpeg counts.
        codec: FFmpeg's name; None: a codec that is not known.
        width_px, height_px: as coded, by the header; 0 where it does not tell.
        frames: pictures that are shown.
        start_ms, end_ms: when its first picture comes on and its last one goes, on the file's clock.
        is_default: flagged as the one to be shown.
        is_cover: flagged as a cover, a thumbnail or a still.
    """

    number: int
    codec: str | None
    width_px: int
    height_px: int
    frames: int
    start_ms: int
    end_ms: int
    is_default: bool = False
    is_cover: bool = False

    def __str__(self) -> str:
        size = f" {self.width_px}x{self.height_px}" if self.width_px else ""
        kind = f"{self.codec or 'unknown codec'}{size}"
        if self.is_cover:
            return f"{self.number} ({kind}, a cover picture)"
        frames = f"{self.frames} frame{'' if self.frames == 1 else 's'}"
        return f"{self.number} ({kind}, {frames}, {clock(self.start_ms)} to {clock(self.end_ms)})"


def shown_stream(streams: Sequence[VideoStreamFacts]) -> VideoStreamFacts | None:
    """The stream that a player would show; None where all are covers or hold nothing.

    One that moves goes before one of a single picture; then one that lasts at least half as long as the longest, the
    one that is flagged as default, the larger picture, more frames, the first. A flag alone is not believed: many
    programs set it on every stream.
    """
    videos = [one for one in streams if one.frames and not one.is_cover]
    if not videos:
        return None
    longest_ms = max(one.end_ms - one.start_ms for one in videos)
    return max(
        videos,
        key=lambda one: (
            one.codec is not None,
            one.frames > 1,
            2 * (one.end_ms - one.start_ms) >= longest_ms,
            one.is_default,
            one.width_px * one.height_px,
            one.frames,
            -one.number,
        ),
    )


def choice(number: int, streams: Sequence[VideoStreamFacts]) -> str:
    """A sentence that names the stream of that number and those left aside; empty where there are none but covers."""
    used = [one for one in streams if one.number == number]
    rest = [one for one in streams if one.number != number]
    if all(one.is_cover for one in rest):
        return ""
    return f"video stream {', '.join(map(str, used))} is used, not {', '.join(map(str, rest))}; `stream` picks another"
