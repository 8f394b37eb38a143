"""RTMP as bytes: chunks into messages and back, and the values of its commands (Adobe's RTMP 1.0 and AMF 0).

Who publishes, and what becomes of it, is in `rtmp_listener`. All sizes are bounded: a publisher is a stranger.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mpr_live.sources.limits import Hostile

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGED, WINDOW, BANDWIDTH = 1, 2, 3, 5, 6
SOUND, PICTURE, DATA, COMMAND, COMMAND_AMF3 = 8, 9, 18, 20, 17
MOST_CHUNK_STREAMS = 32
MOST_BYTES = {SOUND: 1_000_000, PICTURE: 16_000_000}
MOST_OTHER_BYTES = 65_536
MOST_HELD_BYTES = 20_000_000
"""Of all messages that have begun and are not whole yet."""
EXTENDED = 0xFFFFFF
DEEPEST = 8


@dataclass(frozen=True)
class RtmpMessage:
    """`time_ms`: by the publisher's clock, which wraps at 32 bits. `stream`: 0 for the connection itself."""

    kind: int
    time_ms: int
    stream: int
    body: bytes


@dataclass
class _ChunkStream:
    time_ms: int = 0
    step_ms: int = 0
    size: int = 0
    kind: int = 0
    stream: int = 0
    extended: bool = False
    held: bytearray = field(default_factory=bytearray)


class Messages:
    """Messages of a connection. `read`: gives exactly so many bytes, or raises.

    `takes_media`: whether messages may be as large as pictures are; set once it is known who sends them.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.takes_media = False
        self._read = read
        self._chunk_bytes = 128
        self._chunks: dict[int, _ChunkStream] = {}

    def __iter__(self) -> Iterator[RtmpMessage]:
        while True:
            message = self._chunk()
            if message is None:
                continue
            if message.kind == SET_CHUNK_SIZE:
                self._chunk_bytes = max(1, struct.unpack(">I", message.body[:4].rjust(4, b"\0"))[0] & 0x7FFFFFFF)
            elif message.kind == ABORT and len(message.body) == 4:
                self._chunks.pop(struct.unpack(">I", message.body)[0], None)
            else:
                yield message

    def _chunk(self) -> RtmpMessage | None:
        """Read one; gives the message that it completes."""
        first = self._read(1)[0]
        form, number = first >> 6, first & 0x3F
        if number == 0:
            number = 64 + self._read(1)[0]
        elif number == 1:
            number = 64 + int.from_bytes(self._read(2), "little")
        if number not in self._chunks and len(self._chunks) >= MOST_CHUNK_STREAMS:
            raise Hostile("It opens too many chunk streams")
        chunk = self._chunks.setdefault(number, _ChunkStream())
        self._header(chunk, form)
        left = chunk.size - len(chunk.held)
        chunk.held += self._read(min(left, self._chunk_bytes))
        if len(chunk.held) < chunk.size:
            if sum(len(one.held) for one in self._chunks.values()) > MOST_HELD_BYTES:
                raise Hostile(f"It begins messages of more than {MOST_HELD_BYTES // 1_000_000} MB together")
            return None
        body, chunk.held = bytes(chunk.held), bytearray()
        return RtmpMessage(chunk.kind, chunk.time_ms, chunk.stream, body)

    def _header(self, chunk: _ChunkStream, form: int) -> None:
        begins = not chunk.held
        said_ms = 0
        if form < 3:
            said_ms = int.from_bytes(self._read(3), "big")
            chunk.extended = said_ms == EXTENDED
        if form < 2:
            chunk.size, chunk.kind = int.from_bytes(self._read(3), "big"), self._read(1)[0]
            most = MOST_BYTES.get(chunk.kind, MOST_OTHER_BYTES) if self.takes_media else MOST_OTHER_BYTES
            if chunk.size > most:
                raise Hostile(f"It sends a message of {chunk.size} bytes")
            chunk.held = bytearray()
        if form == 0:
            chunk.stream = int.from_bytes(self._read(4), "little")
        if chunk.extended:
            long_ms = int.from_bytes(self._read(4), "big")
            said_ms = long_ms if form < 3 else said_ms
        if form == 0:
            chunk.time_ms, chunk.step_ms = said_ms, 0
        elif begins:
            chunk.step_ms = said_ms if form < 3 else chunk.step_ms
            chunk.time_ms = (chunk.time_ms + chunk.step_ms) & 0xFFFFFFFF


def chunked(kind: int, body: bytes, *, stream: int = 0, chunk_bytes: int = 128) -> bytes:
    """A message as chunks."""
    number = 2 if kind in (ACKNOWLEDGED, WINDOW, BANDWIDTH) else 3
    head = bytes([number]) + b"\0\0\0" + len(body).to_bytes(3, "big") + bytes([kind]) + stream.to_bytes(4, "little")
    parts = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)] or [b""]
    return head + bytes([0xC0 | number]).join(parts)


def values(body: bytes) -> list[object]:
    """The AMF 0 values that a message holds, as far as they can be read."""
    found: list[object] = []
    at = 0
    try:
        while at < len(body) and len(found) < 16:
            value, at = _value(body, at, 0)
            found.append(value)
    except (struct.error, IndexError, ValueError):
        pass
    return found


def _value(body: bytes, at: int, depth: int) -> tuple[object, int]:
    kind, at = body[at], at + 1
    if kind == 0:
        return struct.unpack_from(">d", body, at)[0], at + 8
    if kind == 1:
        return body[at] != 0, at + 1
    if kind == 2:
        return _text(body, at)
    if kind in (5, 6):
        return None, at
    if kind in (3, 8) and depth < DEEPEST:
        at += 4 if kind == 8 else 0
        found: dict[str, object] = {}
        while True:
            name, at = _text(body, at)
            if not name and body[at] == 9:
                return found, at + 1
            found[name], at = _value(body, at, depth + 1)
    raise ValueError(kind)


def _text(body: bytes, at: int) -> tuple[str, int]:
    size = struct.unpack_from(">H", body, at)[0]
    if at + 2 + size > len(body):
        raise ValueError(size)
    return body[at + 2 : at + 2 + size].decode("utf-8", "replace"), at + 2 + size


def amf(*said: object) -> bytes:
    """Values as AMF 0: texts, numbers, None, and dictionaries of them."""
    parts = []
    for one in said:
        if one is None:
            parts.append(b"\x05")
        elif isinstance(one, str):
            parts.append(b"\x02" + _written(one))
        elif isinstance(one, dict):
            parts.append(b"\x03" + b"".join(_written(name) + amf(value) for name, value in one.items()) + b"\0\0\x09")
        else:
            parts.append(struct.pack(">Bd", 0, one))
    return b"".join(parts)


def _written(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data
