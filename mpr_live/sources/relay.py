"""Streams pulled by RTMP and RTSP: FFmpeg speaks the protocol, and reaches the server by way of a relay of ours.

The relay is a port of this machine for this one source. It connects to an address of the server that was looked at, and
encrypts where the address asks for it. FFmpeg is told to talk to the relay, so no answer can send it anywhere else.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from gpu_service.errors import BadInput, MprError, TransientError
from gpu_service.masking import masked
from mpr_live.sources.limits import LOOKED_AT, OPEN_S, SILENT_S, Limits
from mpr_live.sources.reachable import Reachable

PORTS = {"rtmp": 1935, "rtmps": 443, "rtsp": 554, "rtsps": 322}
PART_BYTES = 2**16
SENT_ON = re.compile(rb"^RTSP/1\.\d 3\d\d ", re.MULTILINE)


class RelayedStream:
    """A stream at an rtmp, rtmps, rtsp or rtsps address."""

    is_over = False

    def __init__(self, address: str, reachable: Reachable, limits: Limits) -> None:
        self._parts = urlsplit(address)
        self._reachable = reachable
        self._limits = limits

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """The stream, from now on.

        Raises:
            MprError: it cannot be read; transient where it may be later.
            av.FFmpegError: the server refuses, or FFmpeg cannot make anything of what it sends.
        """
        parts = self._parts
        assert parts.hostname is not None
        is_rtsp = parts.scheme.startswith("rtsp")
        with Relay(self._reachable, parts.hostname, parts.port or PORTS[parts.scheme], self._limits) as relay:
            relay.tls, relay.is_rtsp = parts.scheme in ("rtmps", "rtsps"), is_rtsp
            user, at, _ = parts.netloc.rpartition("@")
            address = f"{'rtsp' if is_rtsp else 'rtmp'}://{user}{at}127.0.0.1:{relay.port}{parts.path}"
            if parts.query:
                address += f"?{parts.query}"
            try:
                yield self._open(address, is_rtsp)
            except (av.FFmpegError, MprError):
                if relay.failed is None:
                    raise
            if relay.failed is not None:
                raise relay.failed

    def close(self) -> None:
        """Nothing is held between two openings."""

    def _open(self, address: str, is_rtsp: bool) -> InputContainer:
        options = LOOKED_AT | {"protocol_whitelist": "rtmp,rtp,tcp"}
        if is_rtsp:
            options |= {"rtsp_transport": "tcp", "format_whitelist": "rtsp,sdp,rtp,mpegts"}
        else:
            host = self._parts.netloc.rpartition("@")[2]
            app = self._parts.path.strip("/").rpartition("/")[0]
            options |= {"rtmp_tcurl": f"{self._parts.scheme}://{host}/{app}", "format_whitelist": "live_flv,flv"}
        try:
            return av.open(
                address, format="rtsp" if is_rtsp else "live_flv", options=options, timeout=(OPEN_S, SILENT_S)
            )
        except av.FFmpegError as error:
            raise TransientError(
                f"{masked(self._parts.geturl())} cannot be opened ({(error.strerror or 'no answer').lower()})",
            ) from None


class Relay:
    """A port of this machine behind which a server is. `failed`: why it could not be reached."""

    def __init__(self, reachable: Reachable, host: str, port: int, limits: Limits) -> None:
        self._reachable = reachable
        self._server = (host, port)
        self._limits = limits
        self._open: list[socket.socket] = []
        self._closed = False
        self.tls = self.is_rtsp = False
        self.failed: MprError | None = None

    def __enter__(self) -> Relay:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="relay", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for one in (self._listener, *self._open):
            # Closing alone does not wake a thread that waits for it.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._reachable.connect(*self._server, tls=self.tls)
            except MprError as error:
                self.failed = error
                client.close()
                continue
            self._open += [client, server]
            threading.Thread(target=self._carry, args=(client, server), name="relay", daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        last = b"\n"
        try:
            while not self._closed:
                # What TLS has decrypted already no select sees.
                held = isinstance(server, ssl.SSLSocket) and server.pending() > 0
                ready = [server] if held else select.select([client, server], [], [], 1.0)[0]
                if not ready:
                    self._limits.waiting()
                for one in ready:
                    part = one.recv(PART_BYTES)
                    if not part:
                        return
                    if one is server:
                        self._limits.took(len(part))
                        if self.is_rtsp:
                            if SENT_ON.search(last + part):
                                raise BadInput("It sends on to another address, which is not followed")
                            last = part[-16:]
                    (client if one is server else server).sendall(part)
        except MprError as error:
            self.failed = error
        except (OSError, ValueError):  # closed meanwhile
            pass
        finally:
            for one in (client, server):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
