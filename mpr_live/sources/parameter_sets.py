"""What a picture's codec is set to, where the stream itself says so: parameter sets of H.264 and HEVC (Annex B).

An encoder may begin to send another size in the middle of a stream; its packets say so, its container does not.
"""

from __future__ import annotations

import io

import av
from av.video.stream import VideoStream

START = b"\0\0\1"
SEQUENCE = {"h264": frozenset({7}), "hevc": frozenset({32, 33})}
PICTURES_UP_TO = {"h264": 5, "hevc": 31}
"""Units of a number up to this are of pictures; what is said about them comes before."""


def is_annex_b(data: bytes | memoryview) -> bool:
    """Whether a packet's units are set apart by start codes, not by their lengths."""
    return bytes(data[:4]) == b"\0" + START or bytes(data[:3]) == START


def sequence_parameters(codec: str, data: bytes) -> bytes:
    """The units of a packet that tell the size of pictures; nothing where it has none.

    >>> sequence_parameters("h264", b"\\0\\0\\1\\x67abc\\0\\0\\1\\x68d\\0\\0\\1\\x65picture")
    b'gabc'
    """
    found = []
    at = data.find(START)
    while at >= 0:
        begin = at + len(START)
        at = data.find(START, begin)
        head = data[begin : begin + 1]
        if not head:
            break
        kind = head[0] & 0x1F if codec == "h264" else head[0] >> 1 & 0x3F
        if kind <= PICTURES_UP_TO[codec] and not (codec == "h264" and kind == 0):
            break
        if kind in SEQUENCE[codec]:
            found.append(data[begin : at if at >= 0 else len(data)].rstrip(b"\0"))
    return b"".join(found)


def stream_of(codec: str, keyframe: bytes) -> VideoStream:
    """A stream as one would be that begins with this keyframe; for a file that others follow in.

    Raises:
        av.FFmpegError: it is none.
    """
    return av.open(io.BytesIO(keyframe), "r", format=codec).streams.video[0]
