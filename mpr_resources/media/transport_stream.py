"""Where in a transport stream (ISO/IEC 13818-1) each of its video streams begins, told by its bytes as they are read.

FFmpeg looks for streams at both ends of a file, and PyAV passes over the packets of those that it meets later. What is
in a stream is asked of them all the same, by opening the file where it begins.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from mpr_resources.media.sources import Source

SYNC = 0x47
PACKET_BYTES = (188, 192, 204)
"""Of a plain one, with time stamps before each packet (M2TS), with error correction after it."""
SURE_PACKETS = 8
"""So many sync bytes in their places are no chance."""
VIDEO_IDS = frozenset(bytes([number]) for number in (*range(0xE0, 0xF0), 0xFD))
"""Stream ids of elementary streams with video; 0xFD is VC-1's and others'."""


class VideoPids:
    """Takes the bytes of a file as they are read, in any order.

    Attributes:
        first_byte: of each PID that carries video, in the order seen: where its first packet begins.
        watching: whether bytes are looked at.
    """

    def __init__(self) -> None:
        self.first_byte: dict[int, int] = {}
        self.watching = False
        self._packet_bytes = 0
        self._rest = b""
        self._next_byte = 0

    def add(self, at_byte: int, data: bytes) -> None:
        """What was read at a place."""
        if not self.watching:
            return
        if at_byte != self._next_byte:
            self._rest, self._packet_bytes = b"", 0
        self._next_byte = at_byte + len(data)
        data = self._rest + data
        at_byte = self._next_byte - len(data)
        if not self._packet_bytes:
            skipped, self._packet_bytes = _synchronised(data)
            data, at_byte = data[skipped:], at_byte + skipped
        count = len(data) // self._packet_bytes if self._packet_bytes else 0
        self._rest = data[count * self._packet_bytes :][-SURE_PACKETS * PACKET_BYTES[-1] :]
        if count:
            self._look(at_byte, np.frombuffer(data, np.uint8, count * self._packet_bytes).reshape(count, -1))

    def _look(self, at_byte: int, packets: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
        if packets[-1, 0] != SYNC:
            self._packet_bytes = 0  # something was left out of the file: look for the rhythm again
        begins = np.flatnonzero((packets[:, 0] == SYNC) & (packets[:, 1] & 0x40 != 0))
        pids = (packets[begins, 1].astype(int) & 0x1F) << 8 | packets[begins, 2]
        for number, pid in zip(begins.tolist(), pids.tolist(), strict=True):
            if pid not in self.first_byte and _begins_video(packets[number].tobytes()):
                self.first_byte[pid] = at_byte + number * packets.shape[1]


def _begins_video(packet: bytes) -> bool:
    """Whether a packet, which begins a unit of its stream, begins one of video."""
    payload = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    return packet[payload : payload + 3] == b"\0\0\1" and packet[payload + 3 : payload + 4] in VIDEO_IDS


def _synchronised(data: bytes) -> tuple[int, int]:
    """How many bytes go before the first whole packet, and the bytes of each; no packet, 0: there is no rhythm."""
    values = np.frombuffer(data, np.uint8)
    for size in PACKET_BYTES:
        for skipped in range(size if len(data) >= (SURE_PACKETS + 1) * size else 0):
            if (values[skipped::size][:SURE_PACKETS] == SYNC).all():
                return skipped, size
    return 0, 0


class WatchedSource:
    """A source whose bytes are told of as they are read, with their places."""

    def __init__(self, source: Source, tell: Callable[[int, bytes], None]) -> None:
        self._source = source
        self._tell = tell

    @property
    def name(self) -> str:
        return self._source.name

    def check(self) -> None:
        self._source.check()

    def opened(self) -> io.RawIOBase:
        return _WatchedFile(self._source.opened(), self.name, self._tell)

    def size_bytes(self) -> int:
        return self._source.size_bytes()

    def head(self, count: int) -> bytes:
        return self._source.head(count)

    def state(self) -> str:
        return self._source.state()

    def changed_s(self) -> float:
        return self._source.changed_s()


class _WatchedFile(io.RawIOBase):
    def __init__(self, file: io.RawIOBase, name: str, tell: Callable[[int, bytes], None]) -> None:
        self.name = name  # FFmpeg looks at its suffix
        self._file = file
        self._tell = tell

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        at_byte = self._file.tell()
        data = self._file.read(size) or b""
        self._tell(at_byte, data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()
