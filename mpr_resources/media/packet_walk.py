"""One pass over all packets of a file: what each video stream holds. Nothing is decoded, and nothing refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from mpr_resources.media.opening import is_cover
from mpr_resources.media.streams import VideoStreamFacts
from mpr_resources.media.watched import got_on


class StreamWalk:
    """What the packets of one video stream tell, in the file's order.

    Attributes:
        stream: valid while its container is open.
        pts: of the packets that are shown, in the file's order.
        last: pts and duration of the one shown last.
        packets: all, those without a time too.
        first_byte: where the first one is in the file.
        corrupt_pts: of the first packet that the demuxer calls damaged; nothing after it is counted.
        jumps_back_pts: the key frame after which one came that is not later; nothing after it is counted.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.stream = stream
        self.pts: list[int] = []
        self.last = (-(1 << 63), 0)
        self.packets = 0
        self.first_byte = 0
        self.corrupt_pts: int | None = None
        self.jumps_back_pts: int | None = None
        self._key = -(1 << 63)
        self._digest = hashlib.blake2b(digest_size=16)

    @property
    def is_broken(self) -> bool:
        return self.corrupt_pts is not None or self.jumps_back_pts is not None

    @property
    def version(self) -> str:
        """Hash of the packets and their times: equal for equal content, wherever the file lies."""
        return self._digest.hexdigest()

    def add(self, packet: Packet[VideoStream], is_corrupt: bool) -> None:
        """The stream's next packet."""
        if self.is_broken:
            return
        if self.packets == 0:
            self.first_byte = packet.pos or 0
        self.packets += 1
        if is_corrupt:
            self.corrupt_pts = packet.pts or 0
            return
        self._digest.update(b"%d " % (packet.pts or 0))
        self._digest.update(packet)
        if packet.pts is None or packet.is_discard:
            return
        if packet.is_keyframe and packet.pts <= self._key:
            self.jumps_back_pts = self._key
            return
        self._key = packet.pts if packet.is_keyframe else self._key
        self.pts.append(packet.pts)
        self.last = max(self.last, (packet.pts, packet.duration or 0))

    def facts(self, number: int, file_starts_s: Fraction) -> VideoStreamFacts:
        """`number`: of the stream in the file; `file_starts_s`: where the file's clock shows 0, on the stream's."""
        base = self.stream.time_base
        unit_ms = Fraction(1000 * base.numerator, base.denominator) if base else Fraction(0)
        starts, ends = (min(self.pts), sum(self.last)) if self.pts else (0, 0)
        context = cast("VideoCodecContext | None", self.stream.codec_context)
        return VideoStreamFacts(
            number=number,
            codec=context.name if context else None,
            width_px=context.width if context else 0,
            height_px=context.height if context else 0,
            frames=len(self.pts) or self.packets,
            start_ms=max(0, round(starts * unit_ms - 1000 * file_starts_s)),
            end_ms=max(0, round(ends * unit_ms - 1000 * file_starts_s)),
            first_byte=self.first_byte,
            id=self.stream.id,
            is_default=bool(self.stream.disposition & Disposition.default),
            is_cover=is_cover(self.stream),
        )


@dataclass(frozen=True)
class PacketWalk:
    """What the pass told.

    Attributes:
        streams: of the video streams, by number.
        end_byte: after the last packet of any stream.
        broke_off: why the file could not be read to its end; None: it could.
    """

    streams: dict[int, StreamWalk]
    end_byte: int
    broke_off: av.FFmpegError | None

    def facts(self, container: InputContainer) -> list[VideoStreamFacts]:
        starts_s = Fraction(container.start_time or 0, av.time_base)
        return [stream.facts(number, starts_s) for number, stream in self.streams.items()]


def demuxed(container: InputContainer, *streams: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets that hold something, of these streams or of all, from where the container stands.

    The package ends with empty packets for its streams; in files where the demuxer has met a stream since it was opened
    it looks for one of that too, and fails. So nothing is asked of it after the first.
    """
    for packet in container.demux(*streams):
        got_on()
        if packet.size > 0:
            yield cast("Packet[VideoStream]", packet)
        elif packet.pts is None and packet.dts is None:
            return


def walk(container: InputContainer) -> PacketWalk:
    """Read the packets from where the container stands to its end, or to where reading breaks off."""
    streams = {stream.index: StreamWalk(stream) for stream in container.streams.video}
    # Of a transport stream the packets that are cut by its very end are marked so too.
    marks_count = container.format.name != "mpegts"
    end_byte = 0
    broke_off: av.FFmpegError | None = None
    try:
        for packet in demuxed(container):
            end_byte = max(end_byte, (packet.pos or 0) + packet.size)
            if packet.stream_index in streams:
                streams[packet.stream_index].add(packet, packet.is_corrupt and marks_count)
    except av.FFmpegError as error:
        broke_off = error
    return PacketWalk(streams, end_byte, broke_off)
