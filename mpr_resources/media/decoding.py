"""Video files: opening them, walking their packets, decoding chosen frames.

What a file is (duration, size, codec) is asked in `media`; how decoded frames become pixels is in `pixels`.
Which frames are wanted is decided by the stage that samples them.

Times. `pts` is the container's own number, in units of `time_base`. A source's clock is the one that players show: it
starts where the file starts, which is at the first frame unless the sound starts earlier.
`ms = round((pts - origin_pts) * time_base * 1000)`, halves rounded up.

PyAV does the decoding; what is ours is which packets it is given and whose times are believed. OpenCV's VideoCapture
hides packets and time bases, and is not faster: one minute of 1080p30 to 120 frames took 0.87 of the time of the ffmpeg
command, PyAV 0.86, and 0.73 where frames that no other refers to are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gpu_service.errors import BadInput
from mpr_resources.media.clock import clock
from mpr_resources.media.deinterlacing import deinterlaced
from mpr_resources.media.frame_times import (
    FrameTimes,
    Stamp,
    ascend,
    best_times,
    earlier,
    entries,
    from_start,
    nal_types,
    runs,
)
from mpr_resources.media.geometry import Geometry, StreamGeometry
from mpr_resources.media.opening import open_video, reason
from mpr_resources.media.packet_walk import demuxed
from mpr_resources.media.sources import LocalFile, Source
from mpr_resources.media.streams import ANY_STREAM, StreamPlace

PACKETS_ARE_NOT_FRAMES = frozenset({"vp8"})
"""Codecs whose packets may hold hidden frames, so that times must come from decoding."""

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""For codecs whose transparency lies beside their packets, which FFmpeg's own decoders leave out."""

Deinterlace: TypeAlias = Literal["auto", "always", "never"]

SEEKABLE = frozenset({"mov", "matroska", "mpegts"})
"""Demuxers whose packets tell the same times after a seek; MPEG program streams, for one, do not."""

BI_RGB = "\0\0\0\0"

REORDER_PACKETS = 64
"""More packets than any codec puts between a frame's place in the file and its place on screen."""

MIN_SIDE_PX = 16
MAX_SIDE_PX = 16384
MAX_PIXELS = 2**27
"""Of a coded frame, as 16K has them; the decoder refuses more before it takes memory for them."""

SEEK_GAP_S = 10
"""Frames further apart than this are reached by seeking instead of reading on."""

SEEK_BACK_S = (0, 2, 10, 60)
"""How far before the wanted time to try a seek, where a container lands too late."""


class Media:
    """An open video file. Use it in a `with` statement."""

    def __init__(self, file: Source, threads: int, place: StreamPlace) -> None:
        self.file = file
        self.source = file.name
        self._video = open_video(file, place)
        self._place = replace(place, number=self.stream.index if place.number is None else place.number)
        self._threads = threads
        self._patching = False
        self._geometry = StreamGeometry(self.stream)
        self._pts_tell = True  # until frames are found that come out with other times than their own
        self._set_up_decoder()

    def _set_up_decoder(self) -> None:
        """Before the first packet: stop at the first error, or patch and go on.

        Patched frames are marked by chance only when frames are decoded in parallel, so marks are not relied on.
        """
        self._decoder = self.stream.codec_context
        if self.stream.metadata.get("alpha_mode") == "1" and self._decoder.name in ALPHA_DECODERS:
            decoder = av.CodecContext.create(ALPHA_DECODERS[self._decoder.name], "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.extradata = self._decoder.extradata
            self._decoder = decoder
        self._decoder.thread_type = "SLICE" if self._patching else "AUTO"
        self._decoder.thread_count = self._threads
        self._decoder.options = {"max_pixels": str(MAX_PIXELS)} | ({} if self._patching else {"err_detect": "explode"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._video.close()

    @property
    def container(self) -> InputContainer:
        return self._video.container

    @property
    def stream(self) -> VideoStream:
        return self._video.stream

    @property
    def place(self) -> StreamPlace:
        """The stream, with its number and the origin of its clock."""
        return replace(self._place, origin_pts=self.origin_pts)

    @property
    def time_base(self) -> Fraction:
        base = self.stream.time_base
        assert base is not None
        return Fraction(base.numerator, base.denominator)

    @cached_property
    def start_pts(self) -> int:
        """The pts of the first frame that a player shows: leading frames without their key frame are not shown.

        Raises:
            BadInput: the video holds no frame, or no times.
        """
        key: int | None = None
        before: list[int] = []
        after: list[int] = []
        for packet in self.packets():
            if key is None and packet.is_keyframe:
                key = packet.pts
            if packet.pts is not None and not packet.is_discard:
                (before if key is None else after).append(packet.pts)
            if len(after) >= REORDER_PACKETS:
                break
        shown = [pts for pts in after if key is not None and pts >= key] or before
        if shown and not self.times_need_decoding:
            return min(shown)
        for time in self._decoded_times:
            if time is not None:
                return time
        raise BadInput(
            f"{self.source} has no frame with a time",
            "put it into a container that keeps times, for example: ffmpeg -i INPUT -c copy OUTPUT.mp4",
        )

    @cached_property
    def origin_pts(self) -> int:
        """The pts at which the source's clock shows 0 ms."""
        if self._place.origin_pts is not None:
            return self._place.origin_pts
        begins = self.container.start_time
        if begins is None or not self.container.streams.audio:
            return self.start_pts
        return min(self.start_pts, round(Fraction(begins, av.time_base) / self.time_base))

    def ms(self, pts: int) -> int:
        """Milliseconds on the source's clock; halves are rounded up."""
        return int(self.ms_of(np.array([pts], np.int64))[0])

    def ms_of(self, pts: NDArray[np.int64]) -> NDArray[np.int64]:
        """`ms` of many: int64, shape (n,) in and out."""
        base = self.time_base
        return ((pts - self.origin_pts) * (2000 * base.numerator) + base.denominator) // (2 * base.denominator)

    def pts_at(self, ms: int) -> int:
        """The pts at or just before a time on the source's clock."""
        base = self.time_base
        return self.origin_pts + ms * base.denominator // (1000 * base.numerator)

    @cached_property
    def times_need_decoding(self) -> bool:
        """Whether packets do not tell when frames are shown."""
        if self.stream.codec_context.name in PACKETS_ARE_NOT_FRAMES:
            return True
        pts = [packet.pts for packet in islice(self.packets(), REORDER_PACKETS) if not packet.is_discard]
        if _is_faulty(pts):
            return True
        # Containers that keep the order of decoding alone, AVI and what was copied from it, have times in that order.
        in_decoding_order = self.stream.codec_context.has_b_frames and ascend(
            [time for time in pts if time is not None]
        )
        return in_decoding_order and not ascend(list(self._first_decoded_pts()))

    def _first_decoded_pts(self) -> Iterator[int]:
        for packet in islice(self.packets(), REORDER_PACKETS):
            try:
                frames = self._decoder.decode(packet)
            except av.FFmpegError:
                return  # damage is told where frames are asked for
            yield from (frame.pts for frame in frames if frame.pts is not None)

    @cached_property
    def _decoded_times(self) -> list[int | None]:
        """The best times of all frames as they come out of the decoder."""
        stamps: list[Stamp] = []
        for frame in self._decoded():
            stamps.append(Stamp(frame.pts, frame.dts))
            if stamps[0] == Stamp(None, None):
                return []  # a stream without a container
        times = best_times(stamps)
        self._pts_tell = [stamp.pts for stamp in stamps] == times
        return times

    def _distrust_packets(self) -> None:
        self.times_need_decoding = True
        for known in ("start_pts", "origin_pts"):
            self.__dict__.pop(known, None)

    @property
    def alpha_is_filler(self) -> bool:
        """Whether a pixel's fourth byte has no meaning: it is unused in uncompressed video as Windows describes it
        (BITMAPINFOHEADER, BI_RGB), where many programs write zeros."""
        context = self.stream.codec_context
        return context.name == "rawvideo" and context.codec_tag == BI_RGB

    # Packets

    def packets(self, pts: int | None = None) -> Iterator[Packet[VideoStream]]:
        """The video's packets in the file's order, from its beginning or from a key frame at or before `pts`.

        Raises:
            BadInput: the file cannot be read on; a cut file ends like that.
        """
        seekable = any(name in SEEKABLE for name in self.container.format.name.split(","))
        for back_s in SEEK_BACK_S if pts is not None and seekable else ():
            assert pts is not None
            target = pts - int(back_s / self.time_base)
            if target <= self.start_pts or not self._seek(target):
                break
            packets = self._demux()
            first = next((p for p in packets if p.is_keyframe), None)
            if first is not None and first.pts is not None and first.pts <= pts:
                yield first
                yield from packets
                return
        self._rewind()
        yield from self._demux()

    def _demux(self) -> Iterator[Packet[VideoStream]]:
        try:
            yield from demuxed(self.container, self.stream)
        except av.FFmpegError as error:
            raise BadInput(
                f"{self.source} cannot be read to its end ({reason(error)})", "copy the file again"
            ) from error

    def _seek(self, pts: int) -> bool:
        try:
            self.container.seek(pts, stream=self.stream)
        except av.FFmpegError:
            return False
        return True

    def _rewind(self, *, patching: bool | None = None) -> None:
        """Back to the first byte, also in containers that cannot seek; with another decoder where asked."""
        self._patching = self._patching if patching is None else patching
        self._video.close()
        self._video = open_video(self.file, self._place)
        self._set_up_decoder()

    # Frames

    def times(self, start_ms: int | None = None, end_ms: int | None = None) -> FrameTimes:
        """When the pictures that `[start_ms, end_ms)` shows come on; None is the source's own start or end.

        A picture stays until the next one comes, so the first may have come before the span.
        """
        if not self.times_need_decoding:
            times = self._times_of_packets(start_ms, end_ms)
            if times is not None:
                return times
            self._distrust_packets()
        shown = np.array([time for time in self._decoded_times if time is not None], np.int64)
        return FrameTimes(self._within(shown, start_ms, end_ms), np.zeros(0, np.int64))

    def _times_of_packets(self, start_ms: int | None, end_ms: int | None) -> FrameTimes | None:
        """None where they do not tell them."""
        start_pts = None if start_ms is None else self.pts_at(start_ms)
        end_pts = None if end_ms is None else self.pts_at(end_ms)
        pts: list[int | None] = []
        keys: list[int] = []
        is_damaged = False
        for packet in self.packets(start_pts):
            is_damaged = is_damaged or packet.is_corrupt
            if packet.is_keyframe and packet.pts is not None:
                keys.append(packet.pts)
            if not packet.is_discard:
                pts.append(packet.pts)
            if end_pts is not None and packet.dts is not None and packet.dts > end_pts:
                break
        if _is_faulty(pts) and not is_damaged:
            return None
        pts = [time for time in pts if time is not None]
        return FrameTimes(self._within(np.array(pts, np.int64), start_ms, end_ms), np.unique(np.array(keys, np.int64)))

    def _within(self, pts: NDArray[np.int64], start_ms: int | None, end_ms: int | None) -> NDArray[np.int64]:
        shown = np.unique(pts[pts >= self.start_pts])
        ms = self.ms_of(shown)
        first = 0 if start_ms is None else max(0, int(np.searchsorted(ms, start_ms, "right")) - 1)
        return shown[first:] if end_ms is None else shown[first : int(np.searchsorted(ms, end_ms, "left"))]

    def frames(
        self,
        wanted: Sequence[int],
        times: FrameTimes,
        *,
        allow_damage: bool = False,
        passing: Callable[[VideoFrame], None] = lambda _frame: None,
    ) -> Iterator[VideoFrame]:
        """Decode the frames with these pts, in order, and as little else as correctness allows.

        Frames that no other frame refers to are not decoded unless wanted (the decoder is told before each packet),
        and packets between the last wanted frame of a group of pictures and the next group with one are not fed.

        Args:
            wanted: ascending pts, each in `times.pts`.
            times: from `times()`, for a span that holds them all.
            allow_damage: go on past what cannot be decoded, so that wanted frames may be missing.
            passing: told of each frame that is decoded, wanted or not, before it is given.

        Raises:
            BadInput: a frame on the way is damaged or missing, or a wanted one is smaller than 16x16 or larger than
                16384 pixels a side; named with its time.
        """
        for run in runs(wanted, times, int(SEEK_GAP_S / self.time_base)):
            left = list(run)
            try:
                for frame in self._run(run, times, passing, allow_damage=False):
                    left.remove(cast(int, frame.pts))
                    yield frame
            except BadInput:
                if allow_damage:
                    self._rewind(patching=True)
                    yield from self._run(left, earlier(left[0], times), passing, allow_damage=True)
                    self._rewind(patching=False)
                elif self._refreshes_gradually(left[0], times):
                    yield from self._run(left, from_start(self.start_pts), passing, allow_damage=False)
                else:
                    raise

    def pictures(
        self,
        wanted: Sequence[int],
        times: FrameTimes,
        *,
        deinterlace: Deinterlace,
        allow_damage: bool = False,
        passing: Callable[[VideoFrame], None] = lambda _frame: None,
    ) -> Iterator[VideoFrame]:
        """As `frames`, but each with its lines of one moment.

        Args:
            deinterlace: "auto": frames that say that they are interlaced; "always": all; "never": none.
            passing: may be told of a frame twice, and of one that comes after the one given next.
        """
        left = list(wanted)
        if deinterlace != "always":
            for frame in self.frames(wanted, times, allow_damage=allow_damage, passing=passing):
                if deinterlace == "auto" and frame.interlaced_frame:
                    break  # from here on with the neighbours of each
                left.remove(cast(int, frame.pts))
                yield frame
            else:
                return
        asked = set(left)
        places = np.searchsorted(times.pts, np.array(left, np.int64))
        near = np.unique(np.clip(places[:, None] + np.array([-1, 0, 1]), 0, len(times.pts) - 1))
        frames = self.frames(times.pts[near].tolist(), times, allow_damage=allow_damage, passing=passing)
        for before, frame, after in _in_context(frames):
            if frame.pts in asked:
                is_whole = deinterlace == "auto" and not frame.interlaced_frame
                yield frame if is_whole else deinterlaced(before, frame, after)

    def _run(
        self, wanted: Sequence[int], times: FrameTimes, passing: Callable[[VideoFrame], None], *, allow_damage: bool
    ) -> Iterator[VideoFrame]:
        """One stretch of the file, read in one go."""
        left = set(wanted)
        for number, frame in enumerate(self._fed(wanted, times, allow_damage)):
            if not self._pts_tell:
                frame.pts = self._decoded_times[number]
            passing(frame)
            if frame.pts in left:
                left.discard(frame.pts)
                self._refuse_size(frame)
                yield frame
            if not left:
                return
        if left and not allow_damage:
            raise self._damaged(min(left))

    def _refreshes_gradually(self, pts: int, times: FrameTimes) -> bool:
        """Whether the frame's key frame may be one that only begins a refresh over the frames that follow.

        In H.264 such a key frame, unlike others, holds no slice of type 5 (ITU-T H.264, table 7-1). Decoding that
        begins there meets frames that are not whole, so only decoding from the file's start tells damage from that.
        """
        context = self.stream.codec_context
        entry = entries([pts], times).tolist()
        if context.name != "h264" or not entry:
            return False
        key = next((packet for packet in self.packets(entry[0]) if packet.pts == entry[0]), None)
        length_prefixed = (context.extradata or b"")[:1] == b"\x01"
        return key is not None and 5 not in nal_types(bytes(key), length_prefixed)

    def _fed(self, wanted: Sequence[int], times: FrameTimes, allow_damage: bool) -> Iterator[VideoFrame]:
        """Frames as they come out of the decoder while the packets needed for `wanted` go in."""
        asked = set(wanted)
        groups = Counter(entries(wanted, times).tolist())
        everything = not groups
        owed = 0
        feeding = False
        floor: int | None = None
        # Frames whose pts do not tell their times are known by their number.
        start_pts = None if not self._pts_tell else int(times.pts[0]) if everything else wanted[0]
        for packet in self.packets(start_pts):
            if packet.is_keyframe:
                owed += groups.pop(packet.pts, 0)
            is_wanted = packet.pts in asked
            if not (everything or owed or is_wanted):
                if feeding:
                    yield from self._drain(allow_damage)
                    feeding = False
                if not groups:
                    return
                continue
            if not feeding and packet.is_keyframe and self._pts_tell:
                floor = packet.pts
            if floor is not None and packet.pts is not None and packet.pts < floor:
                continue  # shown before the key frame that decoding began with, and made from frames before it
            if packet.is_corrupt and not allow_damage:
                raise self._damaged(packet.pts)
            self._decoder.skip_frame = "DEFAULT" if everything or is_wanted else "NONREF"
            yield from self._decode(packet, allow_damage)
            feeding = True
            owed -= is_wanted
        if feeding:
            yield from self._drain(allow_damage)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Every frame of the file."""
        for packet in self.packets():
            yield from self._decode(packet, allow_damage=False)
        yield from self._drain(allow_damage=False)

    def _decode(self, packet: Packet[VideoStream] | None, allow_damage: bool) -> list[VideoFrame]:
        try:
            frames = self._decoder.decode(packet)
            self._geometry.decoded(frames, self._decoder.sample_aspect_ratio)
            return frames
        except av.FFmpegError as error:
            if allow_damage:
                return []
            raise self._damaged(None if packet is None else packet.pts) from error

    def _drain(self, allow_damage: bool) -> Iterator[VideoFrame]:
        yield from self._decode(None, allow_damage)
        self._decoder.flush_buffers()

    def geometry(self, frame: VideoFrame) -> Geometry:
        """How a frame that `frames` has given, or passed, is shown: each may be shown in another way."""
        return self._geometry.of(frame)

    def _refuse_size(self, frame: VideoFrame) -> None:
        if min(frame.width, frame.height) < MIN_SIDE_PX or max(frame.width, frame.height) > MAX_SIDE_PX:
            assert frame.pts is not None
            raise BadInput(
                f"{self.source} is {frame.width}x{frame.height} pixels at {clock(self.ms(frame.pts))}",
                f"use video between {MIN_SIDE_PX} and {MAX_SIDE_PX} pixels a side",
            )

    def _damaged(self, pts: int | None) -> BadInput:
        if pts is None:
            where = "near its end"
        elif "origin_pts" in self.__dict__:
            where = f"near {clock(self.ms(pts))}"
        else:  # met while looking for the first frame
            where = f"near {clock(max(0, round(1000 * pts * self.time_base)))}"
        return BadInput(
            f"{self.source} is damaged {where}: a frame cannot be decoded",
            "copy the file again, choose a chunk without that time, or set "
            "extract_frames.allow_damage to skip such frames",
        )


def _in_context(frames: Iterable[VideoFrame]) -> Iterator[tuple[VideoFrame | None, VideoFrame, VideoFrame | None]]:
    """Each with the one before and the one after."""
    before: VideoFrame | None = None
    frame: VideoFrame | None = None
    for after in frames:
        if frame is not None:
            yield before, frame, after
        before, frame = frame, after
    if frame is not None:
        yield before, frame, None


def _is_faulty(pts: Sequence[int | None]) -> bool:
    """Whether packets with these times leave some frame without a time of its own."""
    return None in pts or len(set(pts)) < len(pts)


def open_media(source: Source | str | Path, threads: int = 0, place: StreamPlace = ANY_STREAM) -> Media:
    """Open a video file for reading.

    Args:
        source: a file of `Sources`, or the path of one on this machine.
        threads: of the decoder; 0 lets it choose by the number of cores.
        place: the video stream, and how it is read.

    Raises:
        BadInput: the file is missing, a folder, empty, not permitted, cut, no video, of a codec not known here, or has
            no such stream.
    """
    file = LocalFile(source) if isinstance(source, str | Path) else source
    file.check()
    return Media(file, threads, place)
