"""A window as a file: packets of a stream copied, without decoding, into one fMP4 that can be read alone.

Fragments begin at keyframes and keep the epoch's clock, so that the files of an epoch play one after another and a file
that was broken off can be read to its last closed fragment. When a window ends is decided in `windows`.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.stream import Stream

from mpr_live.sources.copied_streams import CopiedStreams

TICKS = 90_000
"""Units of a second where the source's own time base is none that an MP4 can have."""
MUXER = {
    "movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof+frag_discont+skip_trailer",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "strict": "unofficial",
}


class WindowFile:
    """A window that is being written."""

    def __init__(self, path: Path, streams: CopiedStreams, *, grows: bool = False) -> None:
        """`grows`: others read it meanwhile, so that each fragment is written at once."""
        self.path = path
        base = streams.video.time_base
        whole = base is not None and base.numerator == 1 and base.denominator >= 1000
        ticks = base.denominator if base is not None and whole else TICKS
        options = MUXER | {"video_track_timescale": str(ticks)}
        if grows:
            options["flush_packets"] = "1"
        self._container = av.open(str(path), "w", format="mp4", options=options)
        self._streams: dict[int, Stream] = {
            streams.video.index: self._container.add_stream_from_template(streams.picture)
        }
        self._unframed: BitStreamFilterContext | None = None
        if streams.sound is not None:
            self._streams[streams.sound.index] = self._container.add_stream_from_template(streams.sound)
            if streams.sound.codec_context.name == "aac" and not streams.sound.codec_context.extradata:
                # A transport stream frames each packet of AAC; an MP4 has that once, in its header.
                self._unframed = BitStreamFilterContext("aac_adtstoasc", streams.sound)
        self._video = streams.video.index
        self._hash = hashlib.sha256()
        self.video_packets = 0
        self.payload_bytes = 0

    def add(self, packet: Packet[Stream], stream: int) -> None:
        """Take a packet of one of these streams, by its number in the source; of others nothing is taken."""
        target = self._streams.get(stream)
        if target is None:
            return
        self.payload_bytes += packet.size
        if stream == self._video:
            self._hash.update(memoryview(packet))
            self.video_packets += 1
        packets = [packet]
        if self._unframed is not None and stream != self._video:
            packets = self._unframed.filter(packet)
        for one in packets:
            one.stream = target
            self._container.mux(one)

    def close(self) -> None:
        """Write what is held; the file is whole afterwards."""
        self._container.close()

    @property
    def packets_hash(self) -> str:
        return self._hash.hexdigest()


def header_bytes(data: bytes) -> int:
    """How many bytes of an fMP4 come before its first fragment (ISO/IEC 14496-12, boxes)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"moof":
            return at
        at += size if size >= 8 else len(data)
    return len(data)
