"""Streams that an encoder publishes to us by RTMP, as OBS does: a server for one stream key.

The name that a publisher gives is compared with the key before anything that it sends is used; a wrong one is told so
and closed. What the right one sends goes to FFmpeg as an FLV file. One that publishes while another does takes its
place: an encoder that lost its network comes back so.
"""

from __future__ import annotations

import hmac
import io
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

import av
from av.container import InputContainer

from gpu_service.errors import BadInput, MprError, TransientError
from mpr_live.sources.limits import LOOKED_AT, OPEN_S, SILENT_S, Hostile, Limits
from mpr_live.sources.rtmp_messages import (
    ACKNOWLEDGED,
    BANDWIDTH,
    COMMAND,
    COMMAND_AMF3,
    DATA,
    PICTURE,
    SOUND,
    WINDOW,
    Messages,
    RtmpMessage,
    amf,
    chunked,
    values,
)

LOG = logging.getLogger("mpr.live")
PORT = 1935
GREETING_S = 10.0
"""So long a connection may take until it publishes."""
GREETINGS = 8
"""So many connections may not have published yet."""
LOOK_S = 0.3
PAUSE_S = 15.0
"""So long a publisher may send nothing."""
HANDSHAKE_BYTES = 1536
WINDOW_BYTES = 2_500_000
HELD_BYTES = 8_000_000
"""So much waits to be read; then the publisher waits."""
FLV_HEADER = b"FLV\x01\x05\0\0\0\x09\0\0\0\0"
METADATA, PICTURE_BEGINS, CUT = "metadata", "picture", "cut"
SET_DATA_FRAME = amf("@setDataFrame")


class RtmpListener:
    """A server at `rtmp://host:port/app/key`. It listens from the start until it is closed."""

    is_over = False

    def __init__(self, address: str, limits: Limits) -> None:
        """
        Raises:
            BadInput: the address has no key, or its port cannot be had.
        """
        parts = urlsplit(address)
        self._path = unquote(parts.path).strip("/").encode()
        if b"/" not in self._path:
            raise BadInput("The address has no stream key", "write it like rtmp://127.0.0.1:1935/live/KEY")
        self._limits = limits
        host, port = parts.hostname or "127.0.0.1", parts.port or PORT
        try:
            self._listener = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
            )
        except OSError as error:
            raise BadInput(
                f"rtmp://{host}:{port} cannot be listened at ({os.strerror(error.errno or 0).lower()})",
                "give another port, or end what has it",
            ) from None
        self.port = int(self._listener.getsockname()[1])
        self._changed = threading.Condition()
        self._publisher: Publisher | None = None
        self._greetings = threading.BoundedSemaphore(GREETINGS)
        self._closed = False
        threading.Thread(target=self._accept, name="rtmp", daemon=True).start()

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """The stream of the next publisher, or of the one that is there.

        Raises:
            MprError: none is there yet, or it cannot be read.
            av.FFmpegError: FFmpeg cannot make anything of it.
        """
        with self._changed:
            if not self._changed.wait_for(self._is_published, LOOK_S) or self._publisher is None:
                raise NoPublisher("no encoder publishes")
            publisher = self._publisher
        self._limits.begun()
        container = av.open(
            publisher.again(),
            "r",
            format="flv",
            options=LOOKED_AT | {"format_whitelist": "flv", "protocol_whitelist": "none"},
            timeout=(OPEN_S, SILENT_S),
        )
        yield container

    def close(self) -> None:
        """Listen no more."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            publisher = self._publisher
            self._changed.notify_all()
        if publisher is not None:
            publisher.end()

    def _is_published(self) -> bool:
        """Whether there is something to read: an encoder may have come and gone meanwhile."""
        return self._publisher is not None and self._publisher.has_more

    def _accept(self) -> None:
        while True:
            try:
                connection, (host, *_) = self._listener.accept()
            except OSError:
                return
            if not self._greetings.acquire(blocking=False):
                LOG.warning("a connection from %s is refused: %s others are greeted", host, GREETINGS)
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection, host), name="rtmp", daemon=True).start()

    def _serve(self, connection: socket.socket, host: str) -> None:
        with connection, connection.makefile("rb") as file:
            self._listen_to(connection, file, host)

    def _listen_to(self, connection: socket.socket, file: io.BufferedIOBase, host: str) -> None:
        publisher: Publisher | None = None
        try:
            # All of it together: one byte now and then is no greeting.
            too_long = threading.Timer(GREETING_S, connection.shutdown, [socket.SHUT_RDWR])
            too_long.start()
            dialogue = Dialogue(connection, file)
            try:
                publishes = dialogue.until_it_publishes(self._path)
            finally:
                too_long.cancel()
                self._greetings.release()
            if not publishes:
                LOG.warning("a publisher from %s is refused: its stream key is wrong", host)
                return
            LOG.info("an encoder at %s publishes", host)
            connection.settimeout(PAUSE_S)
            publisher = Publisher(connection, self._limits)
            with self._changed:
                before, self._publisher = self._publisher, publisher
                self._changed.notify_all()
            if before is not None:
                before.end("another encoder publishes in its place")
            for message in dialogue.published():
                publisher.take(message)
        except TimeoutError:
            if publisher is not None:
                publisher.end(f"the encoder sent nothing for {PAUSE_S:.0f} s")
        except Hostile as error:
            LOG.warning("a connection from %s is closed: %s", host, error)
            if publisher is not None:
                publisher.refuse(error)
        except OSError:
            pass
        finally:
            if publisher is not None:
                publisher.end("the encoder went")
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class NoPublisher(TransientError):
    """Nobody publishes yet: nothing to wait longer and longer for."""


class Dialogue:
    """What is said on a connection before and beside the stream."""

    def __init__(self, connection: socket.socket, file: io.BufferedIOBase) -> None:
        """`file`: from which the connection is read."""
        self._connection = connection
        self._file = file
        self._taken = self._acknowledged = 0
        self._all = Messages(self._read)
        self._messages = iter(self._all)

    def until_it_publishes(self, path: bytes) -> bool:
        """Greet it, and answer until it publishes; gives whether under this `app/key`."""
        self._greet()
        app = b""
        for message in self._messages:
            if message.kind not in (COMMAND, COMMAND_AMF3):
                continue
            name, said_number, *rest = [*values(message.body.removeprefix(b"\0")), None, None]
            number = said_number if isinstance(said_number, float) else 0.0  # it is said back
            if name == "connect":
                app = _app(rest)
                self._answer_connect(number)
            elif name == "createStream":
                self._say(amf("_result", number, None, 1))
            elif name == "publish":
                said = rest[1] if len(rest) > 1 and isinstance(rest[1], str) else ""
                if hmac.compare_digest(app.strip(b"/") + b"/" + said.encode(), path):
                    self._status("status", "NetStream.Publish.Start", "the stream begins")
                    self._all.takes_media = True
                    return True
                self._status("error", "NetStream.Publish.BadName", "the stream key is wrong")
                return False
            elif name in ("play", "deleteStream", "closeStream"):
                return False
        return False

    def published(self) -> Iterator[RtmpMessage]:
        """What the publisher sends, until it ends."""
        for message in self._messages:
            if message.kind in (SOUND, PICTURE, DATA):
                yield message
            elif message.kind in (COMMAND, COMMAND_AMF3):
                name = next(iter(values(message.body.removeprefix(b"\0"))), None)
                if name in ("FCUnpublish", "deleteStream", "closeStream"):
                    return
            if self._taken - self._acknowledged >= WINDOW_BYTES:
                self._acknowledged = self._taken
                self._send(chunked(ACKNOWLEDGED, (self._taken & 0xFFFFFFFF).to_bytes(4, "big")))

    def _greet(self) -> None:
        if self._read(1) != b"\x03":
            raise Hostile("It does not speak RTMP")
        theirs = self._read(HANDSHAKE_BYTES)
        ours = bytes(8) + os.urandom(HANDSHAKE_BYTES - 8)
        self._send(b"\x03" + ours + theirs)
        self._read(HANDSHAKE_BYTES)

    def _answer_connect(self, number: object) -> None:
        window = WINDOW_BYTES.to_bytes(4, "big")
        self._send(chunked(WINDOW, window) + chunked(BANDWIDTH, window + b"\x02"))
        about = {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31}
        told = {"level": "status", "code": "NetConnection.Connect.Success", "description": "connected"}
        self._say(amf("_result", number, about, told | {"objectEncoding": 0}))

    def _status(self, level: str, code: str, text: str) -> None:
        self._say(amf("onStatus", 0, None, {"level": level, "code": code, "description": text}), stream=1)

    def _say(self, body: bytes, stream: int = 0) -> None:
        self._send(chunked(COMMAND, body, stream=stream))

    def _send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionResetError("it went")
        self._taken += size
        return data


def _app(said: Sequence[object]) -> bytes:
    about = said[0] if said else None
    app = about.get("app") if isinstance(about, dict) else None
    return app.encode() if isinstance(app, str) else b""


class Publisher:
    """What an encoder publishes, as FLV. One thread puts it in, another reads it."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._changed = threading.Condition()
        self._parts: deque[tuple[str, bytes]] = deque()
        self._picture = b""
        self._bytes = 0
        self._ended = ""
        self._refused: MprError | None = None
        self._begins: dict[str, bytes] = {}  # of what was read: what a file in its middle must begin with

    @property
    def has_more(self) -> bool:
        return bool(self._parts) or not self._ended

    def take(self, message: RtmpMessage) -> None:
        """Take a message in, once there is room."""
        body = message.body.removeprefix(SET_DATA_FRAME) if message.kind == DATA else message.body
        tag = flv_tag(message.kind, message.time_ms, body)
        what = _beginning(message.kind, body)
        if message.kind == DATA and what != METADATA:
            return  # cue points, captions: FFmpeg would make streams of them
        with self._changed:
            if what == METADATA and self._picture:
                self._begins[METADATA] = tag
                return
            if what == PICTURE_BEGINS:
                if self._picture not in (b"", body):
                    self._parts.append((CUT, b""))
                self._picture = body
            self._changed.wait_for(lambda: self._bytes < HELD_BYTES or self._ended)
            if self._ended:
                raise ConnectionResetError(self._ended)
            self._parts.append((what, tag))
            self._bytes += len(tag)
            self._changed.notify_all()

    def again(self) -> FlvFile:
        """What it publishes, from now on, as a file that begins as one must."""
        with self._changed:
            return FlvFile(self, FLV_HEADER + b"".join(self._begins.values()))

    def read(self) -> bytes:
        """What came next; nothing once it has ended, or where its picture becomes another."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._parts or self._ended, 1.0)
                if self._parts:
                    what, part = self._parts.popleft()
                    if what == CUT:
                        self._begins.pop(PICTURE_BEGINS, None)
                        return part
                    if what:
                        self._begins[what] = part
                    self._bytes -= len(part)
                    self._changed.notify_all()
                    break
                if self._refused is not None:
                    raise self._refused
                if self._ended:
                    return b""
            self._limits.waiting()
        self._limits.took(len(part))
        return part

    def refuse(self, error: MprError) -> None:
        """End it for an error, which who reads it gets."""
        self._refused = self._refused or error
        self.end(str(error))

    def end(self, why: str = "the session ends") -> None:
        """Take nothing more."""
        with self._changed:
            self._ended = self._ended or why
            self._changed.notify_all()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class FlvFile(io.RawIOBase):
    """A publisher's stream as FFmpeg reads it."""

    name = "stream.flv"

    def __init__(self, publisher: Publisher, begins: bytes) -> None:
        self._publisher = publisher
        self._held = begins
        self._is_over = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._held and not self._is_over:  # FFmpeg asks again at the end, and another file may have begun
            self._held = self._publisher.read()
            self._is_over = not self._held
        taken, self._held = (self._held, b"") if size < 0 else (self._held[:size], self._held[size:])
        return taken


def flv_tag(kind: int, time_ms: int, body: bytes) -> bytes:
    """A tag of an FLV file (Adobe's Video File Format 10, annex E)."""
    head = bytes([kind]) + len(body).to_bytes(3, "big")
    head += (time_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([time_ms >> 24 & 0xFF]) + b"\0\0\0"
    return head + body + (len(head) + len(body)).to_bytes(4, "big")


def _beginning(kind: int, body: bytes) -> str:
    """Which of the parts that a decoder needs first it is; empty: none."""
    if kind == DATA and body.startswith(amf("onMetaData")):
        return METADATA
    if kind == PICTURE and len(body) > 1:
        is_enhanced = body[0] & 0x80
        if (is_enhanced and body[0] & 0x0F == 0) or (not is_enhanced and body[0] & 0x0F in (7, 12) and body[1] == 0):
            return PICTURE_BEGINS
    if kind == SOUND and len(body) > 1 and body[0] >> 4 == 10 and body[1] == 0:
        return "sound"
    return ""
