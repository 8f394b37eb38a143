"""Streams pulled from a web server: a transport stream or another container as it grows, or HLS.

FFmpeg gets all bytes from here: each request, redirect, list, segment and its host is looked at before it is made.
Proxies that the environment names are not used, as they would connect where we cannot see.
"""

from __future__ import annotations

import io
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import av
import httpx2
from av.container import InputContainer
from av.stream import Discard

from gpu_service.errors import BadInput, MprError, TransientError
from gpu_service.masking import masked
from mpr_live.sources.limits import LOOKED_AT, OPEN_S, SILENT_S, Hostile, Limits
from mpr_live.sources.reachable import CONNECT_S, Reachable, trusted, untrusted

READ_S = 15.0
"""So long a server may pause within an answer."""
MOST_REDIRECTS = 5
LIST_BYTES = 1_000_000
CHUNK_BYTES = 2**16
CONTAINERS = "aac,flv,matroska,mov,mp4,mpeg,mpegts,ogg,webm,webvtt"
OPTIONS = LOOKED_AT | {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
HLS_OPTIONS = OPTIONS | {
    "format_whitelist": f"hls,{CONTAINERS}",
    "http_persistent": "0",
    "allowed_extensions": "ALL",
    "extension_picky": "0",
}


class LookedAtTransport(httpx2.BaseTransport):
    """Sends each request to an address of its host that was looked at."""

    def __init__(self, reachable: Reachable) -> None:
        self._reachable = reachable
        self._inner = httpx2.HTTPTransport(verify=trusted(), trust_env=False, retries=0)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.scheme not in ("http", "https"):
            raise BadInput(f"It sends on to an address of {url.scheme}://, which is not followed")
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        failed: httpx2.ConnectError | httpx2.ConnectTimeout | None = None
        for address in self._reachable.addresses(url.host, port):
            sent = httpx2.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,  # with the name of the host
                stream=request.stream,
                extensions=request.extensions | {"sni_hostname": url.host},
            )
            try:
                return self._inner.handle_request(sent)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                refused = _verification(error)
                if refused is not None:
                    raise untrusted(url.host, port, refused) from None
                failed = error
        assert failed is not None
        raise failed

    def close(self) -> None:
        self._inner.close()


class WebStream:
    """A stream at an http or https address."""

    def __init__(self, address: str, reachable: Reachable, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._client = httpx2.Client(
            transport=LookedAtTransport(reachable),
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            timeout=httpx2.Timeout(READ_S, connect=CONNECT_S),
            headers={"User-Agent": "mpr", "Accept-Encoding": "identity"},
        )
        self.is_over = False
        self.failed: MprError | None = None
        self._opened_before = False

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """The stream, from now on.

        Raises:
            MprError: it cannot be read; transient where it may be later.
            av.FFmpegError: FFmpeg cannot make anything of it.
        """
        self.is_over, self.failed = False, None
        first = self._get(self._address)
        try:
            if not first.begins(b"#EXTM3U"):
                yield _opened(first)
            else:
                # A list that was read before would begin with what came already.
                options = HLS_OPTIONS | ({"live_start_index": "-1"} if self._opened_before else {})
                self._opened_before = True
                container = _opened(first, format="hls", options=options, io_open=self._of_playlist)
                _best_variant(container)
                yield container
        except (av.FFmpegError, MprError):
            if self.failed is None:
                raise
        finally:
            first.close()
        if self.failed is not None:
            raise self.failed
        self.is_over = self.is_over or first.was_whole

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _of_playlist(self, address: str, _flags: int, _options: dict[str, str]) -> io.RawIOBase:
        # An error raised here would be lost in FFmpeg: it is kept, and there is nothing to read.
        if self.failed is None:
            try:
                if address.startswith("crypto+"):
                    raise Hostile("Its segments are encrypted, which is not read")
                if not address.startswith(("http://", "https://")):
                    raise Hostile(f"Its list names {masked(address)[:100]}, which is not followed")
                self._limits.waiting()
                return self._get(address)
            except MprError as error:
                self.failed = error
        return _Nothing()

    def _get(self, address: str) -> Body:
        try:
            response = self._client.send(self._client.build_request("GET", address), stream=True)
        except httpx2.TooManyRedirects:
            raise BadInput(f"{masked(address)} sends on more than {MOST_REDIRECTS} times") from None
        except httpx2.InvalidURL as error:
            raise BadInput(f"{masked(address)} is no address ({error})") from None
        except httpx2.HTTPError as error:
            raise TransientError(f"{masked(address)} does not answer ({_why(error)})") from None
        if response.status_code in (401, 403, 404, 410):
            response.close()
            raise BadInput(f"{masked(address)} answers {response.status_code}", "check the address and its password")
        if response.status_code != 200:
            response.close()
            raise TransientError(f"{masked(address)} answers {response.status_code}")
        return Body(self, response, self._limits)


class Body(io.RawIOBase):
    """The body of an answer as it comes, as FFmpeg reads it. What goes wrong is kept as the stream's failure."""

    def __init__(self, stream: WebStream, response: httpx2.Response, limits: Limits) -> None:
        self.name = str(response.url)  # what a list names is beside it
        self.was_whole = False
        self._stream = stream
        self._response = response
        self._limits = limits
        self._parts = response.iter_raw()  # as it comes: what trickles is not held back
        self._held = b""
        self._looked = False

    def readable(self) -> bool:
        return True

    def begins(self, text: bytes) -> bool:
        """Whether the body begins so."""
        while len(self._held) < len(text) and (part := self._next()):
            self._held += part
        return self._held.startswith(text)

    def read(self, size: int = -1) -> bytes:
        """What is there, up to so many bytes; nothing at its end."""
        if self._stream.failed is None:
            try:
                if not self._looked:
                    self._looked = True
                    if self.begins(b"#EXTM3U"):
                        self._take_list()
                if not self._held:
                    self._held = self._next()
            except MprError as error:
                self._stream.failed, self._held = error, b""
        taken, self._held = (self._held, b"") if size < 0 else (self._held[:size], self._held[size:])
        return taken

    def close(self) -> None:
        self._response.close()
        super().close()

    def _next(self) -> bytes:
        try:
            part = next(self._parts, b"")
        except httpx2.HTTPError as error:
            raise TransientError(f"{masked(self.name)} breaks off ({_why(error)})") from None
        self._limits.took(len(part))
        if not part and "content-length" in self._response.headers:
            self.was_whole = True
        return part

    def _take_list(self) -> None:
        """Take a list whole, to see whether it ends."""
        while part := self._next():
            self._held += part
            if len(self._held) > LIST_BYTES:
                raise Hostile(f"{masked(self.name)} is larger than {LIST_BYTES // 1_000_000} MB")
        self.was_whole = False
        if re.search(rb"^#EXT-X-ENDLIST\s*$", self._held, re.MULTILINE):
            self._stream.is_over = True


class _Nothing(io.RawIOBase):
    """What cannot be had."""

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        return b""


def _opened(file: io.RawIOBase, **how: Any) -> InputContainer:  # as av.open has them
    # It is never closed: packets that wait to be taken refer to its streams, and close them at last.
    options = {"options": OPTIONS, "buffer_size": CHUNK_BYTES, "timeout": (OPEN_S, SILENT_S)} | how
    opened: Any = av.open
    return cast("InputContainer", opened(file, "r", **options))


def _best_variant(container: InputContainer) -> None:
    """Have FFmpeg fetch the largest picture alone, and one sound."""
    videos = container.streams.video
    if len(videos) < 2:
        return
    best = max(videos, key=lambda one: (one.codec_context.height, one.average_rate or 0))
    program = best.metadata.get("variant_bitrate")
    sounds = [one for one in container.streams.audio if one.metadata.get("variant_bitrate") == program]
    kept = {best.index, *(one.index for one in sounds[:1])}
    for stream in container.streams:
        if stream.index not in kept:
            stream.discard = Discard.all


def _verification(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The certificate's fault, where that is behind an error; None: it is another."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _why(error: httpx2.HTTPError) -> str:
    return masked(str(error)) or type(error).__name__
