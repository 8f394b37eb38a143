"""Probes a video file by its packets and its first frame, not by its header, which may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import BadInput
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import Media, open_media
from mpr_resources.media.opening import reason
from mpr_resources.media.packet_walk import PacketWalk, walk
from mpr_resources.media.sources import Source
from mpr_resources.media.streams import VideoStreamFacts, choice, shown_stream

RATE_TOLERANCE = Fraction(1, 200)
"""A header's frame rate is taken for its exact fraction when the measured rate agrees this well."""
MAX_RATE_DENOMINATOR = 1001

LONG_GAP_MS = 1000
"""A source without a new picture for longer is worth telling of."""
NOTES = 10
"""Of so many gaps it is told where they are, of more their number alone."""

MATROSKA_TAIL = Fraction(1, 4)
"""After a Matroska file's last packet come its index and tags; when more than this share is left, reading broke off."""


@dataclass(frozen=True)
class Probe:
    """A source as it really is.

    Attributes:
        source: the path.
        version: hash of the video's packets and times: equal for equal content, wherever the file lies.
        duration_ms: from the start of the source's clock (see `decoding`) to the end of the last frame.
        fps: average frames a second.
        time_base: seconds a unit of pts.
        codec: FFmpeg's name of the codec, for example "h264".
        width_px, height_px: of the first frame as displayed: upright, with square pixels. Later ones may differ.
        rotation_deg: clockwise turn of the first frame from coded to displayed: 0, 90, 180 or 270.
        start_pts: pts of the first presentable frame.
        frames: number of presentable frames.
        stream: number, within the file, of the video stream that all this is of.
        choice: a sentence that names the stream and those left aside; empty where the file has one and covers.
        notes: where it shows no new picture: before its first one, after its last, between two. A sentence each.
    """

    source: str
    version: str
    duration_ms: int
    fps: Fraction
    time_base: Fraction
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    start_pts: int
    frames: int
    stream: int = 0
    choice: str = ""
    notes: tuple[str, ...] = ()


def probe(source: Source | str | Path, stream: int | None = None) -> Probe:
    """Look at a whole file once, without decoding more than its first frame (all, where packets carry no times).

    Args:
        stream: number of the video stream in the file; None: the one that a player would show.

    Raises:
        BadInput: the file cannot be opened (see `open_media`), is cut off, holds no frame that decodes, is smaller than
            16x16 or larger than 16384 pixels a side, or its clock jumps back.
    """
    with open_media(source, stream=stream) as media:
        walked = walk(media.container)
        streams = walked.facts(media.container)
        shown = shown_stream(streams) if stream is None else next(one for one in streams if one.number == stream)
        if shown is None or shown.number == media.stream.index:
            return _probed(media, walked, streams)
        with open_media(media.file, stream=shown.number) as other:
            return _probed(other, walked, streams)


def _probed(media: Media, walked: PacketWalk, streams: Sequence[VideoStreamFacts]) -> Probe:
    _refuse_unreadable(media, walked)
    frame_px, rotation_deg = _first_frame(media)
    stream = walked.streams[media.stream.index]
    shown = np.unique(np.array(stream.pts, np.int64))
    if media.times_need_decoding or len(shown) < stream.packets:
        shown = media.times().pts
    start = media.start_pts
    pts = shown[shown >= start]
    frame_pts = _frame_duration(media, pts, stream.last[1])
    return Probe(
        source=media.source,
        version=stream.version,
        duration_ms=media.ms(int(pts[-1]) + frame_pts),
        fps=_rate(media, pts, frame_pts),
        time_base=media.time_base,
        codec=media.stream.codec_context.name,
        width_px=frame_px[0],
        height_px=frame_px[1],
        rotation_deg=rotation_deg,
        start_pts=start,
        frames=len(pts),
        stream=media.stream.index,
        choice=choice(media.stream.index, streams),
        notes=tuple(_notes(media, pts, frame_pts)),
    )


def _notes(media: Media, pts: NDArray[np.int64], frame_pts: int) -> Iterator[str]:
    starts_ms, ends_ms = media.ms(int(pts[0])), media.ms(int(pts[-1]) + frame_pts)
    if starts_ms > 0:
        yield f"its picture begins at {clock(starts_ms)}"
    ms = media.ms_of(pts)
    gaps = np.flatnonzero(np.diff(ms) > LONG_GAP_MS)
    for before in gaps[:NOTES].tolist():
        yield f"no new picture comes between {clock(int(ms[before]))} and {clock(int(ms[before + 1]))}"
    if len(gaps) > NOTES:
        yield f"no new picture comes for more than {LONG_GAP_MS} ms in {len(gaps) - NOTES} more places"
    begins, lasts = media.container.start_time, media.container.duration
    if begins is not None and lasts is not None:
        file_ends_ms = media.ms(round(Fraction(begins + lasts, av.time_base) / media.time_base))
        if file_ends_ms - ends_ms > LONG_GAP_MS:
            yield f"its picture ends at {clock(ends_ms)}, its sound or other data at {clock(file_ends_ms)}"


def _refuse_unreadable(media: Media, walked: PacketWalk) -> None:
    """Refuse a file whose stream breaks off, jumps back or is shorter than the file's outermost structure says."""
    stream = walked.streams[media.stream.index]
    if stream.corrupt_pts is not None:
        raise _cut(media, stream.corrupt_pts)
    if stream.jumps_back_pts is not None:
        raise BadInput(
            f"The clock of {media.source} jumps back from {clock(media.ms(stream.jumps_back_pts))}",
            "remux it, for example: ffmpeg -i INPUT -c copy OUTPUT.mp4",
        )
    if walked.broke_off is not None:
        raise BadInput(
            f"{media.source} cannot be read to its end ({reason(walked.broke_off)})", "copy the file again"
        ) from walked.broke_off
    if stream.packets == 0:
        raise BadInput(f"{media.source} has a video track without frames", "record or export it again")
    if stream.packets < len(media.stream.index_entries) and "mp4" in media.container.format.name:
        raise _cut(media, stream.last[0])
    _refuse_cut(media, walked.end_byte, stream.last[0])


def _refuse_cut(media: Media, end_byte: int, last_pts: int) -> None:
    size = media.file.size_bytes()
    head = media.file.head(4096)
    name = media.container.format.name
    promised = size
    if "matroska" in name:
        promised = _matroska_end(head) or size
        if size - end_byte > MATROSKA_TAIL * size:
            raise _cut(media, last_pts)
    elif name == "avi":
        promised = 8 + int.from_bytes(head[4:8], "little")
    if promised > size:
        raise _cut(media, last_pts)


def _matroska_end(head: bytes) -> int | None:
    """Where the segment ends, by its header (EBML, RFC 8794); None where it is not told, as in live recordings."""
    at = head.find(b"\x18\x53\x80\x67") + 4
    if at < 4 or at >= len(head) or head[at] == 0:
        return None
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else at + length + value


def _cut(media: Media, pts: int | None) -> BadInput:
    where = "" if pts is None else f" after {clock(max(0, media.ms(pts)))}"
    return BadInput(
        f"{media.source} is cut off or damaged{where}: its header declares more",
        "copy the file again, or keep what can be read, for example: ffmpeg -i INPUT -c copy OUTPUT.mp4",
    )


def _first_frame(media: Media) -> tuple[tuple[int, int], int]:
    """Displayed size and rotation of the first frame."""
    start_ms = media.ms(media.start_pts)
    frame = next(media.frames([media.start_pts], media.times(start_ms, start_ms + 1)))
    geometry = media.geometry(frame)
    return geometry.displayed_px, geometry.turn.rotation_deg


def _frame_duration(media: Media, pts: NDArray[np.int64], last_duration: int) -> int:
    """How long the last frame stays, in units of pts."""
    if last_duration > 0:
        return last_duration
    if len(pts) > 1:
        return int(np.median(np.diff(pts)))
    rate = media.stream.average_rate or media.stream.guessed_rate
    return max(1, round(1 / (Fraction(rate.numerator, rate.denominator) * media.time_base))) if rate else 1


def _rate(media: Media, pts: NDArray[np.int64], last_duration: int) -> Fraction:
    """Average frame rate: the header's exact fraction where the packets agree, else measured."""
    measured = len(pts) / ((int(pts[-1]) - int(pts[0]) + last_duration) * media.time_base)
    for rate in (media.stream.average_rate, media.stream.guessed_rate):
        if rate is not None and 0 < rate.denominator <= MAX_RATE_DENOMINATOR:
            exact = Fraction(rate.numerator, rate.denominator)
            if abs(exact - measured) <= RATE_TOLERANCE * measured:
                return exact
    return measured.limit_denominator(MAX_RATE_DENOMINATOR)
