"""Probes a video file by its packets and its first frame, not by its header, which may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import BadInput
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import Media, open_media
from mpr_resources.media.opening import no_such_stream, reason
from mpr_resources.media.packet_walk import PacketWalk, StreamWalk, walk
from mpr_resources.media.sources import LocalFile, Source
from mpr_resources.media.streams import ANY_STREAM, StreamPlace, VideoStreamFacts, choice, going_on, shown_stream
from mpr_resources.media.transport_stream import VideoPids, WatchedSource

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
        place: the video stream that all this is of, and how it is read.
        starts_ms: when its first picture comes on.
        goes_on: the streams in which the picture goes on, in order, each from its `starts_ms`; `duration_ms` is the end
            of the last.
        choice: a sentence that names the streams used and those left aside; empty where the file has one and covers.
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
    place: StreamPlace = ANY_STREAM
    starts_ms: int = 0
    goes_on: tuple[Probe, ...] = ()
    choice: str = ""
    notes: tuple[str, ...] = ()


def probe(source: Source | str | Path, stream: int | None = None) -> Probe:
    """Look at a whole file once, without decoding more than its first frame (all, where packets carry no times).

    Args:
        stream: number of the video stream in the file; None: the one that a player would show, with those in which it
            goes on.

    Raises:
        BadInput: the file cannot be opened (see `open_media`), is cut off, holds no frame that decodes, is smaller than
            16x16 or larger than 16384 pixels a side, or its clock jumps back.
    """
    file = LocalFile(source) if isinstance(source, str | Path) else source
    pids = VideoPids()
    with open_media(WatchedSource(file, pids.add)) as media:
        pids.watching = media.container.format.name == "mpegts"
        walked = walk(media.container)
        streams = [*walked.facts(media.container), *_met_later(file, media, walked, pids)]
        pids.watching = False
        used = _used(streams, stream, media)
        pieces: list[tuple[Probe, NDArray[np.int64]]] = []
        for one in used:
            origin_pts = pieces[0][0].place.origin_pts if pieces else None
            place = _place(one, media, origin_pts)
            if place == StreamPlace(media.stream.index):
                pieces.append(_piece(media, walked, one.number))
                continue
            with open_media(media.file, place=place) as other:
                pieces.append(_piece(other, walked, one.number))
        return _joined(pieces, media, choice(used, streams))


LEAD_BYTES = 2 * 2**20
"""So far before a late stream's first packet reading begins: what describes a stream is repeated twice a second."""


def _used(streams: Sequence[VideoStreamFacts], number: int | None, media: Media) -> list[VideoStreamFacts]:
    """The streams that are read, in order; opening will tell why one of them cannot be."""
    if number is not None:
        asked = [one for one in streams if one.number == number]
        if not asked:
            raise no_such_stream(media.source, number, [one.number for one in streams if not one.is_cover])
        return asked
    shown = shown_stream(streams)
    if shown is None:  # reading it will tell why
        return [one for one in streams if one.number == media.stream.index]
    return going_on(shown, streams) if media.container.format.name == "mpegts" else [shown]


def _place(one: VideoStreamFacts, media: Media, origin_pts: int | None) -> StreamPlace:
    is_met_later = one.number >= len(media.container.streams)
    if is_met_later or (origin_pts is not None and one.first_byte > 2 * LEAD_BYTES):
        return StreamPlace(one.number, origin_pts, max(1, one.first_byte - LEAD_BYTES), one.id)
    return StreamPlace(one.number, origin_pts)


def _met_later(file: Source, media: Media, walked: PacketWalk, pids: VideoPids) -> Iterator[VideoStreamFacts]:
    """The streams of a transport stream that the demuxer did not know when it opened the file; adds their walks.

    They are numbered on in the order in which they begin.
    """
    known = {stream.id for stream in media.container.streams}
    hidden = [(pid, first_byte) for pid, first_byte in pids.first_byte.items() if pid not in known]
    starts_s = Fraction(media.container.start_time or 0, av.time_base)
    for number, (pid, first_byte) in enumerate(hidden, start=len(media.container.streams)):
        try:
            late = open_media(file, place=StreamPlace(number, None, max(1, first_byte - LEAD_BYTES), pid))
        except BadInput:  # nothing in the file says what it is
            yield VideoStreamFacts(number, None, 0, 0, 0, 0, 0, first_byte, pid)
            continue
        with late:
            found = walk(late.container).streams[late.stream.index]
            found.first_byte = first_byte
            walked.streams[number] = found
            yield found.facts(number, starts_s)


def _piece(media: Media, walked: PacketWalk, number: int) -> tuple[Probe, NDArray[np.int64]]:
    """What one stream is, and when its pictures come on, ms of the source's clock."""
    stream = walked.streams[number]
    _refuse_unreadable(media, stream, walked)
    frame_px, rotation_deg = _first_frame(media)
    shown = np.unique(np.array(stream.pts, np.int64))
    if media.times_need_decoding or len(shown) < stream.packets:
        shown = media.times().pts
    start = media.start_pts
    pts = shown[shown >= start]
    frame_pts = _frame_duration(media, pts, stream.last[1])
    found = Probe(
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
        place=media.place,
        starts_ms=media.ms(start),
    )
    return found, media.ms_of(pts)


def _joined(pieces: Sequence[tuple[Probe, NDArray[np.int64]]], media: Media, choice: str) -> Probe:
    """The first piece, with what is said of the whole."""
    probes, ms = [one for one, _ in pieces], [times for _, times in pieces]
    lasts_ms = max(one.duration_ms for one in probes)
    notes = tuple(_notes(np.unique(np.concatenate(ms)), lasts_ms, _file_ends_ms(media, probes[0])))
    return replace(probes[0], duration_ms=lasts_ms, goes_on=tuple(probes[1:]), choice=choice, notes=notes)


def _file_ends_ms(media: Media, first: Probe) -> int:
    """When the last of the file's streams ends, by its header; 0: it does not tell."""
    begins, lasts = media.container.start_time, media.container.duration
    if begins is None or lasts is None or first.place.origin_pts is None:
        return 0
    if begins > 0 and b"mvex" in media.file.head(4096):  # a fragmented MP4, whose end FFmpeg takes for its length
        return 0
    return round(1000 * (Fraction(begins + lasts, av.time_base) - first.place.origin_pts * first.time_base))


def _notes(ms: NDArray[np.int64], ends_ms: int, file_ends_ms: int) -> Iterator[str]:
    if ms[0] > 0:
        yield f"its picture begins at {clock(int(ms[0]))}"
    gaps = np.flatnonzero(np.diff(ms) > LONG_GAP_MS)
    for before in gaps[:NOTES].tolist():
        yield f"no new picture comes between {clock(int(ms[before]))} and {clock(int(ms[before + 1]))}"
    if len(gaps) > NOTES:
        yield f"no new picture comes for more than {LONG_GAP_MS} ms in {len(gaps) - NOTES} more places"
    if file_ends_ms - ends_ms > LONG_GAP_MS:
        yield f"its picture ends at {clock(ends_ms)}, its sound or other data at {clock(file_ends_ms)}"


def _refuse_unreadable(media: Media, stream: StreamWalk, walked: PacketWalk) -> None:
    """Refuse a file whose stream breaks off, jumps back or is shorter than the file's outermost structure says."""
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
