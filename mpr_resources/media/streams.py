"""Which of a file's video streams are shown. Knows no files: what a stream holds is counted in `probe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpr_resources.media.clock import clock

OVERLAP_MS = 1000
"""By so much the end of a stream may reach into the one that goes on; they are written apart from each other."""


@dataclass(frozen=True)
class StreamPlace:
    """A video stream of a file, and how it is read.

    Attributes:
        number: within the file, sound and data included, from 0, as FFmpeg counts; None: the first one with video
            that is no cover.
        origin_pts: where the source's clock shows 0; None: where the file, or the stream's picture, starts.
        from_byte: where reading begins; not 0 for streams that begin later in a transport stream.
        pid: by which such a stream is known, as it has another number when the file is opened there; else 0.
    """

    number: int | None = None
    origin_pts: int | None = None
    from_byte: int = 0
    pid: int = 0


ANY_STREAM = StreamPlace()


@dataclass(frozen=True)
class VideoStreamFacts:
    """What one video stream of a file holds, counted.

    Attributes:
        number: within the file, sound and data included, from 0, as FFmpeg counts.
        codec: FFmpeg's name; None: a codec that is not known.
        width_px, height_px: as coded, by the header; 0 where it does not tell.
        frames: pictures that are shown.
        start_ms, end_ms: when its first picture comes on and its last one goes, on the file's clock.
        first_byte: where its first packet is in the file.
        id: what the format knows it by: in a transport stream the PID.
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
    first_byte: int = 0
    id: int = 0
    is_default: bool = False
    is_cover: bool = False

    def __str__(self) -> str:
        size = f" {self.width_px}x{self.height_px}" if self.width_px else ""
        kind = f"{self.codec or 'unknown codec'}{size}"
        if self.is_cover:
            return f"{self.number} ({kind}, a cover picture)"
        if not self.frames:
            return f"{self.number} ({kind}, without pictures)"
        frames = f"{self.frames} frame{'' if self.frames == 1 else 's'}"
        return f"{self.number} ({kind}, {frames}, {clock(self.start_ms)} to {clock(self.end_ms)})"


def shown_stream(streams: Sequence[VideoStreamFacts]) -> VideoStreamFacts | None:
    """The stream that a player would show; None where all are covers or hold nothing.

    One that moves goes before one of a single picture; then one that lasts at least half as long as the longest, the
    one that is flagged as default, the larger picture, more frames, the first. A flag alone is not believed: many
    programs set it on every stream.
    """
    videos = [one for one in streams if one.frames and not one.is_cover]
    return _best(videos) if videos else None


def _best(videos: Sequence[VideoStreamFacts]) -> VideoStreamFacts:
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


def going_on(shown: VideoStreamFacts, streams: Sequence[VideoStreamFacts]) -> list[VideoStreamFacts]:
    """The streams that show the picture one after another, this one among them, in the order of time.

    Where a programme changes, a transport stream may go on in another stream. Of those that begin when one has ended
    the earliest is taken, of several that begin together the one to be shown.
    """
    moving = [one for one in streams if one.frames > 1 and one.codec is not None and not one.is_cover]
    chain = [shown]
    while after := [one for one in moving if _follows(chain[-1], one)]:
        first_ms = min(one.start_ms for one in after)
        chain.append(_best([one for one in after if one.start_ms <= first_ms + OVERLAP_MS]))
    while before := [one for one in moving if _follows(one, chain[0])]:
        last_ms = max(one.end_ms for one in before)
        chain.insert(0, _best([one for one in before if one.end_ms >= last_ms - OVERLAP_MS]))
    return chain


def _follows(one: VideoStreamFacts, other: VideoStreamFacts) -> bool:
    """Whether the other stream begins when the one ends."""
    middle_ms = (one.start_ms + one.end_ms) / 2
    return other.start_ms >= max(one.end_ms - OVERLAP_MS, middle_ms) and other.end_ms > one.end_ms


def choice(used: Sequence[VideoStreamFacts], streams: Sequence[VideoStreamFacts]) -> str:
    """A sentence that names the streams used and those left aside; empty where one is and there are none but covers."""
    rest = [one for one in streams if one not in used]
    if len(used) == 1 and all(one.is_cover for one in rest):
        return ""
    if len(used) == 1:
        said = f"video stream {used[0]} is used"
    else:
        said = f"the picture goes on from video stream {' to '.join(map(str, used))}"
    left = f", {', '.join(map(str, rest))} not used" if rest else ""
    return f"{said}{left}; `stream` picks one"
