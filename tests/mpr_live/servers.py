"""Servers of streams on this machine, for tests: web pages by a table of paths, and RTSP."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
from av.packet import Packet

from mpr_assets.sessions.session import LiveSession
from mpr_live.sources.reading import Away, Ended, Opened, Reading
from mpr_live.sources.rtmp_messages import COMMAND, amf, chunked
from tests.clips import write_clip


def clip_at(path: Path, seconds: float = 2.0, *, size: tuple[int, int] = (160, 96), sound: bool = True) -> Path:
    """A clip of grey pictures at 25 a second, a keyframe every 0.4 s."""
    pictures = [np.full((size[1], size[0], 3), at * 3 % 256, np.uint8) for at in range(round(25 * seconds))]
    options = {"g": "10", "bf": "0", "sc_threshold": "0", "preset": "ultrafast"}
    return write_clip(path, pictures, options=options, sound_s=seconds if sound else 0)


@dataclass
class Pages:
    """What a web server says: for each path a status, headers and the body in parts. `asked`: paths in order."""

    answers: dict[str, tuple[int, dict[str, str], Iterable[bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def has(self, path: str, body: bytes | Iterable[bytes], status: int = 200, **headers: str) -> None:
        is_whole = isinstance(body, bytes)
        length = {"Content-Length": str(len(body))} if is_whole else {}
        self.answers[path] = (status, length | headers, [body] if is_whole else body)

    def sends_on(self, path: str, to: str) -> None:
        self.has(path, b"", 302, Location=to)


@contextmanager
def web(host: str = "127.0.0.1") -> Iterator[Pages]:
    pages = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            pages.asked.append(path)
            status, headers, body = pages.answers.get(path, (404, {}, []))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                for part in body:
                    self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer((host, 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        pages.address = f"http://{host}:{server.server_port}"
        try:
            yield pages
        finally:
            server.shutdown()


@contextmanager
def rtsp(stream: bytes, sends_on: str = "") -> Iterator[str]:
    """A server that plays a transport stream to one client, within the connection (RFC 2326, 10.12)."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                while head := lines.readline():
                    method = head.split()[0].decode()
                    headers = {}
                    while line := lines.readline().strip():
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    said, body = {"SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"}, b""
                    status = "200 OK"
                    if method == "DESCRIBE":
                        body = b"v=0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:one\r\n"
                        said["DESCRIBE"] = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                        if sends_on:
                            status, said["DESCRIBE"], body = "302 Found", f"Location: {sends_on}\r\n", b""
                    answer = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{said.get(method, '')}\r\n"
                    connection.sendall(answer.encode() + body)
                    if method == "PLAY":
                        for number, at in enumerate(range(0, len(stream), 1316)):
                            packet = struct.pack(">BBHII", 0x80, 33, number, number * 900, 7) + stream[at : at + 1316]
                            connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                        time.sleep(0.3)
                        return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"rtsp://127.0.0.1:{port}/camera"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def live(kind: str = "pull", window_ms: int = 1000) -> LiveSession:
    return LiveSession.model_validate(
        {"name": "derby", "source": "x", "kind": kind, "profile": "generic", "window_ms": window_ms, "started_s": 0}
    )


@dataclass
class Taken:
    """What came of a source: pictures' payloads of each opening, why it was away, how it ended."""

    openings: list[list[bytes]] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def error(self) -> str:
        assert self.ended is not None, self
        return str(self.ended.error)


def taken(reading: Reading, *, within_s: float = 10, until_away: str = "", most: int = 10**9) -> Taken:
    """All that comes until it ends, or is away for this reason, or so many packets of a picture have come."""
    found = Taken()
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        match reading.get(0.2):
            case Opened():
                found.openings.append([])
            case Away(reason):
                found.away.append(reason)
                if until_away and until_away in reason:
                    break
            case Ended() as ended:
                found.ended = ended
                break
            case Packet() as packet if packet.stream.type == "video":
                found.openings[-1].append(bytes(packet))
                most -= 1
                if most <= 0:
                    break
    reading.close()
    return found


def units(payload: bytes) -> tuple[bytes, ...]:
    """The units of a packet of H.264, whether they are set apart by start codes or by their lengths."""
    if payload.startswith((b"\0\0\1", b"\0\0\0\1")):
        return tuple(one.rstrip(b"\0") for one in payload.split(b"\0\0\1") if one.rstrip(b"\0"))
    found = []
    while payload:
        end = 4 + int.from_bytes(payload[:4], "big")
        found.append(payload[4:end].rstrip(b"\0"))
        payload = payload[end:]
    return tuple(found)


def publish(address: str, *files: Path) -> None:
    """Publish FLV files one after another within one connection, each with its own beginning."""
    parts = urlsplit(address)
    app, _, key = parts.path.strip("/").partition("/")
    with socket.create_connection((parts.hostname or "", parts.port or 0), 5) as connection:
        file = connection.makefile("rb")
        connection.sendall(b"\x03" + bytes(1536))
        file.read(1 + 2 * 1536)
        connection.sendall(bytes(1536) + chunked(COMMAND, amf("connect", 1, {"app": app})))
        connection.sendall(chunked(COMMAND, amf("createStream", 2, None)))
        connection.sendall(chunked(COMMAND, amf("publish", 3, None, key, "live"), stream=1))
        first_ms = last_ms = 0
        for one in files:
            data, at = one.read_bytes(), 13
            while at < len(data):
                size = int.from_bytes(data[at + 1 : at + 4], "big")
                last_ms = first_ms + int.from_bytes(data[at + 4 : at + 7], "big")
                body = data[at + 11 : at + 11 + size]
                head = b"\4" + last_ms.to_bytes(3, "big") + size.to_bytes(3, "big") + data[at : at + 1] + b"\1\0\0\0"
                cut = [body[start : start + 128] for start in range(0, size, 128)]
                connection.sendall(head + b"\xc4".join(cut))
                at += 15 + size
            first_ms = last_ms + 40
        connection.shutdown(socket.SHUT_WR)
        file.read()  # until the other side has taken it all
        file.close()


def payloads(path: str | Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(one) for one in container.demux(video=0) if one.dts is not None]
